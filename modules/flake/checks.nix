# checks.<system>: the facts, the secrets, deployctl's own tests, and the formatting of everything.
cluster: system:
let
  inherit (cluster) inputs;
  pkgs = inputs.nixpkgs.legacyPackages.${system};
  packages = import ./packages.nix cluster system;
  treefmt = inputs.treefmt-nix.lib.evalModule pkgs ./treefmt.nix;
in
{
  inventory = import ./inventory-check.nix cluster system;
  secrets = import ./secret-check.nix cluster system;
  deployctl = pkgs.callPackage ../../rust/package.nix { withTests = true; };
  formatting = treefmt.config.build.check ../..;
  inherit (packages) docs;
}
