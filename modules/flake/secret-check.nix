# `deployctl secret check` as a derivation: files and keys are compared without any private key. No system depends on
# it, for it fails when a value has become too old, too.
cluster: system:
let
  inherit (cluster) folder inputs inventory;
  pkgs = inputs.nixpkgs.legacyPackages.${system};
  deployctl = pkgs.callPackage ../../rust/package.nix { };
  secrets = folder + "/../secrets";
in
pkgs.runCommand "secret-check"
  {
    nativeBuildInputs = [ deployctl ];
    inventory = builtins.toJSON inventory;
    passAsFile = [ "inventory" ];
  }
  ''
    mkdir -p repo/hosts
    touch repo/hosts/default.nix
    ${import ./own-modules.nix cluster}
    ${if builtins.pathExists secrets then "ln -s ${secrets} repo/secrets" else ""}
    deployctl --repo repo --inventory "$inventoryPath" secret check
    touch "$out"
  ''
