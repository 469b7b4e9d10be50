# `deployctl render` as a derivation: the files of one Ubuntu host.
{ inputs, inventory, ... }:
system: name:
let
  pkgs = inputs.nixpkgs.legacyPackages.${system};
  deployctl = pkgs.callPackage ../../rust/package.nix { };
in
pkgs.runCommand "${name}-rendered"
  {
    nativeBuildInputs = [ deployctl ];
    inventory = builtins.toJSON inventory;
    passAsFile = [ "inventory" ];
  }
  ''
    mkdir -p repo/hosts repo/modules
    touch repo/hosts/default.nix
    ln -s ${../ubuntu} repo/modules/ubuntu
    deployctl --repo repo --inventory "$inventoryPath" render --out rendered ${name}
    mv rendered/${name} "$out"
  ''
