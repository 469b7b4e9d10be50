# `deployctl render` as a derivation: the files of one Ubuntu host.
cluster: system: name:
let
  inherit (cluster) inputs inventory;
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
    mkdir -p repo/hosts
    touch repo/hosts/default.nix
    ${import ./own-modules.nix cluster}
    deployctl --repo repo --inventory "$inventoryPath" render --out rendered ${name}
    mv rendered/${name} "$out"
  ''
