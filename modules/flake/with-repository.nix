# A derivation that runs `deployctl --repo repo --inventory "$inventoryPath"` with the cluster's facts and concerns at hand, by
# the shell text that `script` makes of that command.
cluster: system: name: script:
let
  inherit (cluster) inputs inventory modules;
  pkgs = inputs.nixpkgs.legacyPackages.${system};
  deployctl = pkgs.callPackage ../../rust/package.nix { };
  # The program contains the others.
  own = builtins.filter (folder: folder != ../.) modules;
in
pkgs.runCommand name
  {
    nativeBuildInputs = [ deployctl ];
    inventory = builtins.toJSON inventory;
    passAsFile = [ "inventory" ];
  }
  ''
    mkdir -p repo/hosts
    touch repo/hosts/default.nix
    ${if own == [ ] then "" else "ln -s ${builtins.head own} repo/modules"}
    ${script "deployctl --repo repo --inventory \"$inventoryPath\""}
  ''
