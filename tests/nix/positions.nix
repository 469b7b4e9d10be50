# The paths whose position is not a line with their last word on it; empty when all is right.
let
  inherit (import @top@/hosts) positions;

  parts = at: builtins.match "(.*):([0-9]+)" at;
  fileOf = at: builtins.head (parts at);
  lines =
    name:
    builtins.filter builtins.isString (builtins.split "\n" (builtins.readFile (@top@ + "/${name}")));
  files = builtins.listToAttrs (
    map (at: {
      name = fileOf at;
      value = lines (fileOf at);
    }) (builtins.attrValues positions)
  );
  lineOf =
    at: builtins.elemAt files.${fileOf at} (builtins.fromJSON (builtins.elemAt (parts at) 1) - 1);

  # Elements of lists, hosts and identities have no word of their own.
  wordless = path: builtins.match "hosts\\.[^.]*(\\.identity)?|.*\\.[0-9]+" path != null;
  word =
    path: builtins.elemAt (builtins.match "(.*\\.)?([A-Za-z_][A-Za-z0-9_-]*|\"[^\"]*\")" path) 1;
  escape = builtins.replaceStrings [ "." "+" ] [ "\\." "\\+" ];
  contains = needle: text: builtins.length (builtins.split (escape needle) text) > 1;

  right = path: wordless path || contains (word path) (lineOf positions.${path});
  paths = builtins.attrNames positions;
in
if builtins.length paths < 400 then
  [ "too few positions" ]
else
  builtins.filter (path: !right path) paths
