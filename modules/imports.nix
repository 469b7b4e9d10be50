# The NixOS or nix-darwin module of every concern, by the concern's name, and `deployctl`: what the tool
# needs itself. FOLDERS are folders such as this one; a concern of a later folder replaces an earlier one,
# as the program does it.
folders: platform:
let
  concernsOf =
    folder:
    builtins.listToAttrs (
      map
        (name: {
          inherit name;
          value = folder + "/${name}";
        })
        (
          builtins.filter (name: isConcern (folder + "/${name}")) (
            builtins.attrNames (builtins.readDir folder)
          )
        )
    );
  isConcern = path: builtins.pathExists (path + "/concern.toml");

  concerns = builtins.foldl' (earlier: folder: earlier // concernsOf folder) { } folders;
  names = builtins.filter (name: builtins.pathExists (concerns.${name} + "/${platform}.nix")) (
    builtins.attrNames concerns
  );
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value = concerns.${name} + "/${platform}.nix";
  }) names
)
// {
  deployctl = ./base + "/${platform}.nix";
}
