# The modules in a folder, by name: `default` is all of them.
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
    value = folder + "/${name}.nix";
  }) names
)
