# `deployctl inventory --check` as a derivation. What depends on it cannot be built from facts that are
# wrong; its log says which, and where they stand.
{ inputs, inventory, ... }:
system:
let
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
    deployctl --inventory "$inventoryPath" inventory --check
    touch "$out"
  ''
