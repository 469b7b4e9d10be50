# apps.<system>: `nix run . -- plan`.
{ inputs, ... }:
system:
let
  deployctl = inputs.nixpkgs.legacyPackages.${system}.callPackage ../../rust/package.nix { };
  app = {
    type = "app";
    program = "${deployctl}/bin/deployctl";
    meta.description = "Declares, deploys and verifies a handful of unlike machines";
  };
in
{
  deployctl = app;
  default = app;
}
