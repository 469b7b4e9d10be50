# Wiring only: every output is one import.
{
  description = "Declares, deploys and verifies a handful of unlike machines";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { nixpkgs, ... }:
    {
      # Forces no input: it evaluates offline, and without nixpkgs. For that it has to
      # stand in this literal set; `packages`, when there are any, must be literal too.
      inventory = import ./hosts;

      formatter = {
        x86_64-linux = nixpkgs.legacyPackages.x86_64-linux.nixfmt-tree;
        aarch64-darwin = nixpkgs.legacyPackages.aarch64-darwin.nixfmt-tree;
      };
    };
}
