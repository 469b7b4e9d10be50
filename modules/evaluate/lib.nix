# What our modules use of nixpkgs' `lib`, written for these tests: the same names and results,
# without its machinery. A name that is missing here is an evaluation error, on purpose.
let
  inherit (builtins)
    attrNames
    attrValues
    concatStringsSep
    elemAt
    filter
    genList
    head
    isAttrs
    isList
    length
    listToAttrs
    map
    mapAttrs
    replaceStrings
    stringLength
    substring
    tail
    toString
    ;

  letters = {
    lower = "abcdefghijklmnopqrstuvwxyz";
    upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  };
  characters = text: genList (at: substring at 1 text) (stringLength text);

  property = kind: set: set // { _type = kind; };
in
rec {
  inherit (builtins)
    attrNames
    attrValues
    all
    any
    compareVersions
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    fromJSON
    genList
    groupBy
    hasAttr
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isString
    length
    listToAttrs
    map
    mapAttrs
    match
    readFile
    removeAttrs
    replaceStrings
    sort
    split
    stringLength
    substring
    tail
    toJSON
    ;

  version = "26.05.test";
  trivial.release = "26.05";
  types = import ./types.nix;

  # Modules.
  mkIf =
    condition: content:
    property "if" {
      inherit condition content;
    };
  mkMerge =
    contents:
    property "merge" {
      inherit contents;
    };
  mkOverride =
    priority: content:
    property "override" {
      inherit priority content;
    };
  mkOrder =
    priority: content:
    property "order" {
      inherit priority content;
    };
  mkOptionDefault = mkOverride 1500;
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
  mkVMOverride = mkOverride 10;
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  mkOption = property "option";
  mkEnableOption =
    name:
    mkOption {
      default = false;
      description = "Whether to enable ${name}.";
      type = types.bool;
    };
  mkPackageOption =
    pkgs: name: _:
    mkOption {
      default = pkgs.${name};
      type = types.package;
    };
  literalExpression = text: property "literalExpression" { inherit text; };
  literalMD = literalExpression;

  # Values.
  id = value: value;
  const = value: _: value;
  boolToString = value: if value then "true" else "false";
  boolToYesNo = value: if value then "yes" else "no";
  max = a: b: if a > b then a else b;
  min = a: b: if a < b then a else b;
  mod = a: b: a - b * (a / b);
  throwIf =
    wrong: message: value:
    if wrong then throw message else value;
  throwIfNot = right: throwIf (!right);
  assertMsg = right: message: right || throw message;
  warn = message: builtins.trace "warning: ${message}";
  defaultTo = fallback: value: if value == null then fallback else value;
  mapNullable = change: value: if value == null then null else change value;
  pipe = foldl' (value: change: change value);
  flip =
    function: a: b:
    function b a;
  importJSON = path: fromJSON (readFile path);

  # Lists.
  optional = wanted: value: if wanted then [ value ] else [ ];
  optionals = wanted: values: if wanted then values else [ ];
  singleton = value: [ value ];
  toList = value: if isList value then value else [ value ];
  last = list: elemAt list (length list - 1);
  init = list: genList (elemAt list) (length list - 1);
  range = first: end: if first > end then [ ] else genList (at: first + at) (end - first + 1);
  imap0 = change: list: genList (at: change at (elemAt list at)) (length list);
  imap1 = change: imap0 (at: change (at + 1));
  take = count: list: genList (elemAt list) (min count (length list));
  drop = count: list: genList (at: elemAt list (at + count)) (max 0 (length list - count));
  reverseList = list: genList (at: elemAt list (length list - 1 - at)) (length list);
  unique = foldl' (seen: value: if elem value seen then seen else seen ++ [ value ]) [ ];
  subtractLists = without: filter (value: !(elem value without));
  intersectLists = others: filter (value: elem value others);
  findFirst =
    test: fallback: list:
    let
      found = filter test list;
    in
    if found == [ ] then fallback else head found;
  partition = builtins.partition;
  flatten = value: if isList value then concatMap flatten value else [ value ];
  naturalSort = sort (a: b: compareVersions a b < 0);
  sortOn = key: sort (a: b: key a < key b);
  count = test: list: length (filter test list);
  foldr =
    step: end: list:
    if list == [ ] then end else step (head list) (foldr step end (tail list));
  zipListsWith =
    join: a: b:
    genList (at: join (elemAt a at) (elemAt b at)) (min (length a) (length b));

  # Attribute sets.
  optionalAttrs = wanted: set: if wanted then set else { };
  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: value: listToAttrs (map (name: nameValuePair name (value name)) names);
  mapAttrs' = change: set: listToAttrs (mapAttrsToList change set);
  mapAttrsToList = change: set: map (name: change name set.${name}) (attrNames set);
  attrsToList = mapAttrsToList nameValuePair;
  concatMapAttrs = change: set: foldl' (all: new: all // new) { } (mapAttrsToList change set);
  filterAttrs = keep: set: removeAttrs set (filter (name: !(keep name set.${name})) (attrNames set));
  attrByPath =
    path: fallback: set:
    if path == [ ] then
      set
    else if isAttrs set && set ? ${head path} then
      attrByPath (tail path) fallback set.${head path}
    else
      fallback;
  getAttrFromPath = path: attrByPath path (throw "no attribute ${concatStringsSep "." path}");
  hasAttrByPath =
    path: set:
    path == [ ] || (isAttrs set && set ? ${head path} && hasAttrByPath (tail path) set.${head path});
  setAttrByPath =
    path: value: if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };
  getAttrs = names: set: genAttrs names (name: set.${name});
  inherit (builtins) catAttrs intersectAttrs;
  mergeAttrsList = foldl' (all: new: all // new) { };
  foldlAttrs =
    step: start: set:
    foldl' (value: name: step value name set.${name}) start (attrNames set);
  recursiveUpdate =
    under: over:
    under
    // mapAttrs (
      name: value:
      if under ? ${name} && isAttrs value && isAttrs under.${name} && !(isDerivation value) then
        recursiveUpdate under.${name} value
      else
        value
    ) over;
  isDerivation = value: isAttrs value && value.type or null == "derivation";
  versions.major = version: head (builtins.splitVersion version);
  getBin = package: package.bin or package;
  getLib = package: package.lib or package;
  getDev = package: package;
  getOutput = _: package: package;
  getExe = package: "${package}/bin/${package.meta.mainProgram or package.name}";
  getExe' = package: name: "${package}/bin/${name}";
  makeBinPath = concatMapStringsSep ":" (package: "${package}/bin");
  makeLibraryPath = concatMapStringsSep ":" (package: "${package}/lib");

  # Text.
  optionalString = wanted: text: if wanted then text else "";
  concatMapStringsSep =
    between: change: list:
    concatStringsSep between (map change list);
  concatMapStrings = concatMapStringsSep "";
  concatImapStringsSep =
    between: change: list:
    concatStringsSep between (imap1 change list);
  concatStrings = concatStringsSep "";
  concatLines = concatMapStrings (line: line + "\n");
  concatMapAttrsStringSep =
    between: change: set:
    concatStringsSep between (mapAttrsToList change set);
  intersperse =
    between: list:
    tail (
      concatMap (value: [
        between
        value
      ]) list
    );
  splitString = between: text: filter isString (split (escapeRegex between) text);
  escapeRegex = replaceStrings (characters "\\[{()^$?*+|.") (
    map (character: "\\" + character) (characters "\\[{()^$?*+|.")
  );
  escape = special: replaceStrings special (map (character: "\\" + character) special);
  stringToCharacters = characters;
  toUpper = replaceStrings (characters letters.lower) (characters letters.upper);
  toLower = replaceStrings (characters letters.upper) (characters letters.lower);
  toSentenceCase =
    text: toUpper (substring 0 1 text) + toLower (substring 1 (stringLength text) text);
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    stringLength text >= stringLength suffix
    && substring (stringLength text - stringLength suffix) (-1) text == suffix;
  hasInfix = infix: text: replaceStrings [ infix ] [ "" ] text != text;
  removePrefix =
    prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then substring 0 (stringLength text - stringLength suffix) text else text;
  trim = text: head (match "[[:space:]]*(.*[^[:space:]]|)[[:space:]]*" text);
  fixedWidthString =
    width: fill: text:
    if stringLength text >= width then text else fixedWidthString width fill (fill + text);
  toInt =
    text: if match "-?(0|[1-9][0-9]*)" text == null then throw "no integer: ${text}" else fromJSON text;
  escapeShellArg =
    value:
    let
      text = toString value;
    in
    if match "[[:alnum:],._+:@%/-]+" text != null then
      text
    else
      "'" + replaceStrings [ "'" ] [ "'\\''" ] text + "'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  escapeXML = replaceStrings [ "&" "<" ">" "\"" "'" ] [ "&amp;" "&lt;" "&gt;" "&quot;" "&apos;" ];
  versionOlder = a: b: compareVersions b a == 1;
  versionAtLeast = a: b: !(versionOlder a b);
  strings = {
    inherit
      concatStringsSep
      concatMapStringsSep
      hasPrefix
      hasSuffix
      toUpper
      toLower
      ;
  };

  kernel = {
    yes = {
      tristate = "y";
      optional = false;
    };
    module = {
      tristate = "m";
      optional = false;
    };
    no = {
      tristate = "n";
      optional = false;
    };
    unset = {
      tristate = null;
      optional = false;
    };
    freeform = text: {
      freeform = text;
      optional = false;
    };
    option = item: item // { optional = true; };
  };

  generators = import ./generators.nix;

  systems.doubles.all = [
    "aarch64-darwin"
    "x86_64-linux"
  ];
}
