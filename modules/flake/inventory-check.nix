# `deployctl inventory --check` as a derivation. Nothing that depends on it can be built from wrong
# facts; its log names them with file and line.
cluster: system:
let
  inherit (cluster) inputs inventory;
  pkgs = inputs.nixpkgs.legacyPackages.${system};
  deployctl = pkgs.callPackage ../../rust/package.nix { };
in
pkgs.runCommand "inventory-check"
  {
    nativeBuildInputs = [ deployctl ];
    inventory = builtins.toJSON inventory;
    passAsFile = [ "inventory" ];
  }
  ''
    mkdir -p repo/hosts
    touch repo/hosts/default.nix
    ${import ./own-modules.nix cluster}
    deployctl --repo repo --inventory "$inventoryPath" inventory --check
    touch "$out"
  ''
