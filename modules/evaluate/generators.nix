# lib.generators: the part that our modules use.
let
  inherit (builtins)
    attrNames
    concatStringsSep
    isBool
    isList
    map
    replaceStrings
    toString
    ;
in
rec {
  mkValueStringDefault =
    _: value: if isBool value then (if value then "true" else "false") else toString value;

  mkKeyValueDefault =
    _: separator: key: value:
    replaceStrings [ separator ] [ "\\${separator}" ] key + separator + mkValueStringDefault { } value;

  toKeyValue =
    {
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
      ...
    }:
    set:
    concatStringsSep "" (
      builtins.concatMap (
        key:
        map (value: mkKeyValue key value + "\n") (
          if listsAsDuplicateKeys && isList set.${key} then set.${key} else [ set.${key} ]
        )
      ) (attrNames set)
    );

  toINI =
    options: sections:
    concatStringsSep "\n" (
      map (name: "[${name}]\n" + toKeyValue options sections.${name}) (attrNames sections)
    );

  toJSON = _: builtins.toJSON;
}
