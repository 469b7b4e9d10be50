# The modules in a folder, by name; `default` is all of them. They are sets, since older versions of
# `nix flake check` reject paths.
folder:
let
  names = builtins.filter (name: name != null) (
    map (
      file:
      let
        name = builtins.match "(.*)\\.nix" file;
      in
      if name == null then null else builtins.head name
    ) (builtins.attrNames (builtins.readDir folder))
  );
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value.imports = [ (folder + "/${name}.nix") ];
  }) names
)
