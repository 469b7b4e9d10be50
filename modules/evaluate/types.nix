# lib.types: `check` says whether a value fits, `fill` gives options of submodules their defaults.
let
  inherit (builtins)
    all
    any
    attrValues
    concatStringsSep
    elem
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isString
    map
    mapAttrs
    match
    substring
    toJSON
    ;

  simple = name: check: {
    _type = "option-type";
    inherit name check;
    fill = value: value;
  };
  isPackage = value: isAttrs value && value.type or null == "derivation";
  isPath =
    value:
    builtins.isPath value
    || isPackage value
    || (
      isString value
      && elem (substring 0 1 value) [
        "/"
        "<"
      ]
    );

  # The options of a submodule; a function of `config` is not needed by ours.
  optionsOf =
    module:
    let
      plain =
        if isFunction module then
          module {
            name = "<name>";
            lib = import ./lib.nix;
            config = throw "a submodule of these tests has no config";
          }
        else
          module;
    in
    plain.options or { };
  isOption = value: value._type or null == "option";

  checkOptions =
    options: freeform: value:
    isAttrs value
    && all (
      key:
      if !(options ? ${key}) then
        freeform != null && freeform.check value.${key}
      else if isOption options.${key} then
        (options.${key}.type or self.anything).check value.${key}
      else
        checkOptions options.${key} freeform value.${key}
    ) (builtins.attrNames value);
  fillOptions =
    options: value:
    value
    // mapAttrs (
      key: option:
      if !(isOption option) then
        fillOptions option (value.${key} or { })
      else if value ? ${key} then
        (option.type or self.anything).fill value.${key}
      else
        option.default or (throw "the option ${key} of a submodule is not set")
    ) options;

  self = rec {
    anything = simple "anything" (_: true);
    raw = simple "raw" (_: true);
    unspecified = anything;
    bool = simple "bool" isBool;
    int = simple "int" isInt;
    float = simple "float" isFloat;
    number = simple "number" (value: isInt value || isFloat value);
    str = simple "str" isString;
    singleLineStr = simple "singleLineStr" (value: isString value && match "[^\n]*" value != null);
    nonEmptyStr = simple "nonEmptyStr" (value: isString value && match "[[:space:]]*" value == null);
    lines = simple "lines" isString;
    commas = simple "commas" isString;
    path = simple "path" isPath;
    pathInStore = path;
    package = simple "package" (value: isPackage value || isPath value);
    shellPackage = package;
    attrs = simple "attrs" isAttrs;
    port = ints.u16 // {
      name = "port";
    };
    ints = {
      between =
        low: high:
        simple "int ${toString low}..${toString high}" (
          value: isInt value && value >= low && value <= high
        );
      positive = simple "int > 0" (value: isInt value && value > 0);
      unsigned = simple "int >= 0" (value: isInt value && value >= 0);
      u8 = ints.between 0 255;
      u16 = ints.between 0 65535;
      u32 = ints.between 0 4294967295;
    };
    numbers = {
      positive = simple "number > 0" (value: number.check value && value > 0);
      nonnegative = simple "number >= 0" (value: number.check value && value >= 0);
    };
    strMatching =
      pattern: simple "str matching ${pattern}" (value: isString value && match pattern value != null);
    enum = values: simple "one of ${toJSON values}" (value: elem value values);
    nullOr =
      type:
      simple "null or ${type.name}" (value: value == null || type.check value)
      // {
        fill = value: if value == null then null else type.fill value;
      };
    listOf =
      type:
      simple "list of (${type.name})" (value: isList value && all type.check value)
      // {
        fill = map type.fill;
      };
    nonEmptyListOf = type: listOf type;
    attrsOf =
      type:
      simple "attribute set of (${type.name})" (value: isAttrs value && all type.check (attrValues value))
      // {
        fill = mapAttrs (_: type.fill);
      };
    lazyAttrsOf = attrsOf;
    either =
      a: b:
      oneOf [
        a
        b
      ];
    oneOf =
      types:
      simple (concatStringsSep " or " (map (type: type.name) types)) (
        value: any (type: type.check value) types
      );
    coercedTo =
      from: coerce: to:
      simple "${from.name} or ${to.name}" (value: from.check value || to.check value)
      // {
        fill = value: if from.check value then coerce value else value;
      };
    functionTo = _: simple "function" isFunction;
    addCheck =
      type: check:
      type
      // {
        check = value: type.check value && check value;
      };
    submodule =
      module:
      let
        options = optionsOf module;
        freeform = if isFunction module then null else module.freeformType or null;
      in
      simple "submodule" (checkOptions options freeform)
      // {
        fill = fillOptions options;
      };
    submoduleWith = { modules, ... }: submodule (builtins.head modules);
  };
in
self
