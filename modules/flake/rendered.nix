# `deployctl render` as a derivation: the files of one Ubuntu host.
{
  inputs,
  inventory,
  folder,
  ...
}:
system: name:
let
  pkgs = inputs.nixpkgs.legacyPackages.${system};
  deployctl = pkgs.callPackage ../../rust/package.nix { };
  # A cluster's own modules; the program contains the others.
  own = folder + "/../modules/ubuntu";
  link = if builtins.pathExists own then "ln -s ${own} repo/modules/ubuntu" else "";
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
    ${link}
    deployctl --repo repo --inventory "$inventoryPath" render --out rendered ${name}
    mv rendered/${name} "$out"
  ''
