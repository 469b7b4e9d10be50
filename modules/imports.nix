# All modules in a folder but its own default.nix: what `imports` takes.
folder:
let
  isModule = file: file != "default.nix" && builtins.match ".*\\.nix" file != null;
in
map (file: folder + "/${file}") (
  builtins.filter isModule (builtins.attrNames (builtins.readDir folder))
)
