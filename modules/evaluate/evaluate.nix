# Evaluates modules into what they set, as nixpkgs' module system would merge it, without knowing
# any option but their own: attribute sets merge key by key, lists one after another, and of
# anything else all definitions of the highest priority must be equal, or be lines of text.
#
#   modules      files, functions or sets
#   arguments    what they get beside config and options; `lib` may be nixpkgs' own
#   stubs        `config` values that others would have set, for reading only
#   isLines      path → whether text at that path is concatenated
{
  lib,
  modules,
  arguments,
  stubs ? { },
  isLines ? _: false,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    foldl'
    head
    isAttrs
    isList
    isString
    mapAttrs
    ;

  undefined = {
    _type = "undefined";
  };
  isUndefined = value: isAttrs value && value._type or null == "undefined";
  # Distinguishes a set of options from a value that is a set.
  isPlain = value: isAttrs value && !(value ? _type) && !(lib.isDerivation value);
  showPath = lib.concatMapStringsSep "." (
    segment: if lib.match "[A-Za-z0-9_-]+" segment == null then lib.toJSON segment else segment
  );

  # Every module with what it imports, in nixpkgs' shape.
  collect =
    module:
    let
      file =
        if isAttrs module || lib.isFunction module then "<a module without a file>" else toString module;
      loaded = if isAttrs module || lib.isFunction module then module else import module;
      set = if lib.isFunction loaded then loaded given else loaded;
      words = [
        "_file"
        "config"
        "disabledModules"
        "freeformType"
        "imports"
        "key"
        "meta"
        "options"
      ];
      long = set ? config || set ? options;
      strange = attrNames (removeAttrs set words);
    in
    if !(isAttrs set) then
      throw "${file}: a module is a set, or a function that gives one"
    else if long && strange != [ ] then
      throw "${file}: `${head strange}` stands beside `config` or `options`; move it into `config`"
    else
      concatMap collect (set.imports or [ ])
      ++ [
        {
          inherit file;
          options = set.options or { };
          config = if long then set.config or { } else removeAttrs set words;
        }
      ];
  collected = concatMap collect modules;

  given = {
    inherit lib;
  }
  // arguments
  // {
    inherit config options;
  };

  # [ { file, priority, order, content } ] of one definition, without its properties.
  discharge =
    definition:
    let
      value = definition.content;
      type = if isAttrs value then value._type or null else null;
      inside = content: discharge (definition // { inherit content; });
    in
    if type == "if" then
      if value.condition then inside value.content else [ ]
    else if type == "merge" then
      concatMap inside value.contents
    else if type == "override" then
      map (found: found // { inherit (value) priority; }) (inside value.content)
    else if type == "order" then
      map (found: found // { order = value.priority; }) (inside value.content)
    else
      [ definition ];

  # Properties around a set move into it, so that its keys are known before any condition is.
  pushDown =
    definition:
    let
      value = definition.content;
      type = if isAttrs value then value._type or null else null;
      with' = content: definition // { inherit content; };
      inside =
        wrap: content: map (found: with' (mapAttrs (_: wrap) found.content)) (pushDown (with' content));
    in
    if type == "merge" then
      concatMap (content: pushDown (with' content)) value.contents
    else if type == "if" then
      inside (content: value // { inherit content; }) value.content
    else if type == "override" then
      inside (content: value // { inherit content; }) value.content
    else
      [ definition ];

  mergeKeys =
    path: definitions:
    mapAttrs (key: found: merge (path ++ [ key ]) found) (
      lib.groupBy (found: found.key) (
        concatMap (
          definition:
          map (
            key:
            definition
            // {
              inherit key;
              content = definition.content.${key};
            }
          ) (attrNames definition.content)
        ) definitions
      )
    );

  merge =
    path: definitions:
    let
      all = concatMap discharge definitions;
      priority = foldl' lib.min 10000 (map (found: found.priority) all);
      strongest = filter (found: found.priority == priority) all;
      sorted = lib.sort (a: b: a.order < b.order) strongest;
      contents = map (found: found.content) sorted;
      first = head contents;
      files = lib.concatMapStringsSep " and " (found: found.file) sorted;
    in
    if all == [ ] then
      undefined
    else if builtins.all isPlain contents then
      mergeKeys path sorted
    else if builtins.all isList contents then
      lib.concatLists contents
    else if builtins.all isString contents && isLines path then
      lib.concatStringsSep "\n" contents
    else if builtins.all (content: lib.isFunction content) contents && lib.length contents == 1 then
      first
    else if builtins.all (content: content == first) contents then
      first
    else
      throw "${showPath path} has different values in ${files}";

  definitions = concatMap (
    module:
    pushDown {
      inherit (module) file;
      content = module.config;
      priority = 100;
      order = 1000;
    }
  ) collected;
  merged = mergeKeys [ ] definitions;

  # Options that the modules declare.
  options = foldl' lib.recursiveUpdate { } (map (module: module.options) collected);
  isOption = value: isAttrs value && value._type or null == "option";
  defaultsOf =
    options:
    mapAttrs (
      _: option:
      if !(isOption option) then
        defaultsOf option
      else if option ? default then
        option.default
      else
        undefined
    ) options;

  # `over` where it is defined, `under` elsewhere.
  overlay =
    under: over:
    if isUndefined over then
      under
    else if isPlain under && isPlain over then
      mapAttrs (
        key: _:
        if !(over ? ${key}) then
          under.${key}
        else if !(under ? ${key}) then
          over.${key}
        else
          overlay under.${key} over.${key}
      ) (under // over)
    else
      over;
  # Submodules get their defaults only for reading; goldens show the definitions.
  filled =
    options: value:
    if isOption options then
      # Types of nixpkgs' own lib have no `fill`.
      if isUndefined value then value else (options.type.fill or lib.id) value
    else if isPlain value then
      mapAttrs (key: inner: if options ? ${key} then filled options.${key} inner else inner) value
    else
      value;
  config = filled options (overlay (overlay stubs (defaultsOf options)) merged);

  # The settings, without those whose condition is false.
  prune =
    value:
    if isPlain value then
      mapAttrs (_: prune) (lib.filterAttrs (_: inner: !(isUndefined inner) && !(isEmptied inner)) value)
    else
      value;
  # A set that had keys, all of them undefined.
  isEmptied =
    value:
    isPlain value
    && value != { }
    && builtins.all (inner: isUndefined inner || isEmptied inner) (lib.attrValues value);
in
{
  inherit config options;
  set = prune (mapAttrs (_: value: value) merged);
}
