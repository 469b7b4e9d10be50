# Whether what modules set is what the pinned release has options for: every path exists, and every
# value has the option's type. The contract is contract/<platform>.json:
#
#   { "release", "repository", "commit",
#     "options": { "a.<name>.b": { "type", "file", "verified" } } }
#
# `<name>` stands for any name. A type is a word of `simple` below, or one of { "nullOr": T },
# { "listOf": T }, { "attrsOf": T }, { "either": [ T … ] }, { "enum": [ … ] }, { "between": [ a b ] },
# { "matching": "regex" }, and { "freeform": T }: T for every key without its own entry.
lib:
let
  inherit (builtins)
    all
    any
    attrNames
    attrValues
    concatMap
    elem
    isAttrs
    isBool
    isInt
    isList
    isString
    ;

  isPackage = lib.isDerivation;
  simple = {
    anything = _: true;
    attrs = isAttrs;
    bool = isBool;
    function = lib.isFunction;
    int = isInt;
    lines = isString;
    number = value: isInt value || builtins.isFloat value;
    package = isPackage;
    # Marks of packages stand for store paths.
    path = lib.types.path.check;
    port = value: isInt value && value >= 0 && value <= 65535;
    positive = value: isInt value && value > 0;
    str = isString;
    # A key of a unit's section, which may occur several times.
    unitValue =
      value:
      let
        one = value: isBool value || isInt value || isString value || simple.path value;
      in
      one value || (isList value && all one value);
    unsigned = value: isInt value && value >= 0;
  };

  fits =
    type: value:
    if isString type then
      (simple.${type} or (throw "the contract has an unknown type `${type}`")) value
    else if type ? nullOr then
      value == null || fits type.nullOr value
    else if type ? listOf then
      isList value && all (fits type.listOf) value
    else if type ? attrsOf then
      isAttrs value && !(isPackage value) && all (fits type.attrsOf) (attrValues value)
    else if type ? either then
      any (one: fits one value) type.either
    else if type ? enum then
      elem value type.enum
    else if type ? between then
      isInt value && value >= lib.head type.between && value <= lib.last type.between
    else if type ? matching then
      isString value && lib.match type.matching value != null
    else
      throw "the contract has an unknown type ${lib.toJSON type}";

  # { children, option } by segment.
  treeOf =
    options:
    lib.foldl' lib.recursiveUpdate { } (
      map (
        path:
        lib.setAttrByPath
          (concatMap (segment: [
            "children"
            segment
          ]) (lib.splitString "." path))
          {
            option = options.${path} // {
              inherit path;
            };
          }
      ) (attrNames options)
    );

  show = lib.concatMapStringsSep "." (
    segment: if lib.match "[A-Za-z0-9_-]+|[*]" segment == null then lib.toJSON segment else segment
  );
  brief =
    value:
    if isString value then
      lib.toJSON (if lib.stringLength value > 60 then lib.substring 0 60 value + "…" else value)
    else if lib.isFunction value then
      "a function"
    else if isPackage value then
      "a package"
    else if isList value then
      "a list [ ${lib.concatMapStringsSep " " brief (lib.take 3 value)}${
        lib.optionalString (lib.length value > 3) " …"
      } ]"
    else if isAttrs value then
      "a set of ${toString (attrNames value)}"
    else
      lib.toJSON value;

  # For a list or a set, names the wrong element, which says more than the whole.
  blame =
    path: type: value:
    let
      named =
        if isAttrs type && type ? nullOr && value != null then
          blame path type.nullOr value
        else if isAttrs type && type ? listOf && isList value then
          {
            path = path ++ [ "*" ];
            type = type.listOf;
            value = lib.findFirst (one: !(fits type.listOf one)) null value;
          }
        else if isAttrs type && type ? attrsOf && isAttrs value && !(isPackage value) then
          let
            key = lib.findFirst (key: !(fits type.attrsOf value.${key})) "" (attrNames value);
          in
          {
            path = path ++ [ key ];
            type = type.attrsOf;
            value = value.${key};
          }
        else
          { inherit path type value; };
    in
    named;

  # [ { used = path; } or { wrong = text; } ] of `value` at `path` of the tree. `free` is the type of keys
  # without an entry, if the option allows them.
  walk =
    tree: free: path: value:
    let
      type = tree.option.type or { };
      here = lib.optional (tree ? option) { used = tree.option.path; };
      freeform = type.freeform or null;
      deeper =
        free:
        if isAttrs value && !(isPackage value) then
          concatMap (
            key:
            let
              children = tree.children or { };
              below = path ++ [ key ];
            in
            if children ? ${key} then
              walk children.${key} free below value.${key}
            else if children ? "<name>" then
              walk children."<name>" free below value.${key}
            else if free == null then
              [ { wrong = "${show below} is no option"; } ]
            else if fits free value.${key} then
              [ ]
            else
              [ (mistyped below free value.${key}) ]
          ) (attrNames value)
        else
          [ { wrong = "${show path} is ${brief value}, but a set of options in the contract"; } ];
      mistyped =
        path: type: value:
        let
          found = blame path type value;
        in
        {
          wrong = "${show found.path} is ${brief found.value}; expected ${
            if isString found.type then found.type else lib.toJSON found.type
          }";
        };
    in
    if !(tree ? option) || (isAttrs type && type ? freeform) then
      here ++ deeper freeform
    else if fits type value then
      here
    else
      here ++ [ (mistyped path type value) ];

  # What modules declare themselves.
  isOption = value: isAttrs value && value._type or null == "option";
  ownTree =
    options: lib.mapAttrs (name: option: if isOption option then option else ownTree option) options;
  withoutOwn =
    options: value:
    lib.filterAttrs (_: inner: inner != { }) (
      lib.mapAttrs (
        key: inner: if options ? ${key} && isAttrs inner then withoutOwn options.${key} inner else inner
      ) (removeAttrs value (lib.filter (key: isOption (options.${key} or null)) (attrNames value)))
    );
  wrongOwn =
    path: options: value:
    concatMap (
      key:
      let
        option = options.${key};
        below = path ++ [ key ];
      in
      if !(value ? ${key}) then
        [ ]
      else if !(isOption option) then
        wrongOwn below option value.${key}
      else if (option.type or lib.types.anything).check value.${key} then
        [ ]
      else
        [ "${show below} is ${brief value.${key}}; expected ${option.type.name}" ]
    ) (attrNames options);
in
{
  # What is wrong with one evaluated host (its `set` and `options`), and which entries it needs.
  examine =
    contract: evaluated:
    let
      found = walk { children = (treeOf contract.options).children or { }; } null [ ] (
        withoutOwn (ownTree evaluated.options) evaluated.set
      );
    in
    {
      wrong =
        concatMap (one: lib.optional (one ? wrong) one.wrong) found
        ++ wrongOwn [ ] (ownTree evaluated.options) evaluated.set
        ++ map (one: "asserts: ${one.message}") (
          lib.filter (one: !one.assertion) (evaluated.set.assertions or [ ])
        );
      used = lib.unique (concatMap (one: lib.optional (one ? used) one.used) found);
    };
}
