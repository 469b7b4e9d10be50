# Wiring only: every output is one import.
{
  description = "Declares, deploys and verifies a handful of unlike machines";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    nix-darwin = {
      url = "github:nix-darwin/nix-darwin/nix-darwin-26.05";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    disko = {
      url = "github:nix-community/disko";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    agenix = {
      url = "github:ryantm/agenix";
      inputs = {
        nixpkgs.follows = "nixpkgs";
        # Only its own tests use these.
        darwin.follows = "";
        home-manager.follows = "";
      };
    };
    treefmt-nix = {
      url = "github:numtide/treefmt-nix";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  # `inventory`, and the names of everything else, evaluate offline and without nixpkgs. For that,
  # these sets are literal, `packages` too: `nix eval .#x` looks for x there first.
  outputs =
    inputs:
    let
      cluster = {
        inherit inputs;
        folder = ./hosts;
        modules = [ ./modules ];
        inventory = import ./hosts;
      };
      packages = import ./modules/flake/packages.nix cluster;
      apps = import ./modules/flake/apps.nix cluster;
      checks = import ./modules/flake/checks.nix cluster;
      devShells = import ./modules/flake/shells.nix cluster;
      formatter = import ./modules/flake/formatter.nix inputs;
    in
    {
      inventory = import ./hosts;

      nixosConfigurations = import ./modules/flake/nixos.nix cluster;
      darwinConfigurations = import ./modules/flake/darwin.nix cluster;
      nixosModules = import ./modules/flake/modules.nix "nixos";
      darwinModules = import ./modules/flake/modules.nix "darwin";
      lib = import ./modules/flake/lib.nix inputs;
      templates = import ./modules/flake/templates.nix;

      packages = {
        x86_64-linux = packages "x86_64-linux";
        aarch64-linux = packages "aarch64-linux";
        aarch64-darwin = packages "aarch64-darwin";
      };
      apps = {
        x86_64-linux = apps "x86_64-linux";
        aarch64-linux = apps "aarch64-linux";
        aarch64-darwin = apps "aarch64-darwin";
      };
      checks = {
        x86_64-linux = checks "x86_64-linux";
        aarch64-linux = checks "aarch64-linux";
        aarch64-darwin = checks "aarch64-darwin";
      };
      devShells = {
        x86_64-linux = devShells "x86_64-linux";
        aarch64-linux = devShells "aarch64-linux";
        aarch64-darwin = devShells "aarch64-darwin";
      };
      formatter = {
        x86_64-linux = formatter "x86_64-linux";
        aarch64-linux = formatter "aarch64-linux";
        aarch64-darwin = formatter "aarch64-darwin";
      };
    };
}
