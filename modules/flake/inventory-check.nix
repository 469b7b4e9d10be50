# `deployctl inventory --check` as a derivation. Nothing that depends on it can be built from wrong
# facts; its log names them with file and line.
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
