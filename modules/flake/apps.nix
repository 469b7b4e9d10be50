# apps.<system>: `nix run . -- plan`.
cluster: system:
let
  inherit (import ./packages.nix cluster system) deployctl;
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
