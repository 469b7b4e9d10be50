# For clusters in other repositories.
inputs: {
  # mkInventory FOLDER: the inventory of a folder like hosts/.
  mkInventory = import ./inventory.nix;

  # mkCluster FOLDER: the outputs that this flake has for its hosts/, for another folder.
  mkCluster =
    folder:
    let
      cluster = {
        inherit inputs folder;
        inventory = import ./inventory.nix folder;
      };
    in
    {
      inherit (cluster) inventory;
      nixosConfigurations = import ./nixos.nix cluster;
      darwinConfigurations = import ./darwin.nix cluster;
      packages = import ./packages.nix cluster;
      checks = system: { inventory = import ./inventory-check.nix cluster system; };
    };
}
