# A value as JSON for people: keys sorted, two spaces, and a text of several lines as
# { "lines": [ … ] }. A value that is not data becomes a mark.
lib:
let
  # Keys that hold functions or packages print as marks.
  print =
    indent: value:
    let
      deeper = indent + "  ";
      block =
        open: close: items:
        if items == [ ] then
          open + close
        else
          "${open}\n${lib.concatMapStringsSep ",\n" (item: deeper + item) items}\n${indent}${close}";
    in
    if lib.isFunction value then
      lib.toJSON "<function>"
    else if lib.isString value && lib.hasInfix "\n" value then
      print indent { lines = lib.splitString "\n" (lib.removeSuffix "\n" value); }
    else if value._type or null == "pkgs" then
      lib.toJSON "<pkgs>"
    else if lib.isDerivation value then
      print indent value.outPath
    else if builtins.isPath value then
      lib.toJSON "<path ${baseNameOf value}>"
    else if lib.isAttrs value then
      block "{" "}" (
        lib.mapAttrsToList (key: inner: "${lib.toJSON key}: ${print deeper inner}") (
          removeAttrs value [ "_type" ]
        )
      )
    else if lib.isList value then
      block "[" "]" (map (print deeper) value)
    else
      lib.toJSON value;
in
value: print "" value + "\n"
