# For clusters in other repositories.
inputs: {
  # mkInventory FOLDER: the inventory of a folder like hosts/.
  mkInventory = import ./inventory.nix;

  # mkCluster { hosts; modules; }: the outputs that this flake has for its hosts/, for another folder.
  # `modules` is a folder of concerns. They are added to ours, and replace those of the same name. Without
  # it, the folder modules/ beside `hosts` is taken, if there is one. mkCluster FOLDER does that, too.
  mkCluster =
    given:
    let
      hosts = given.hosts or given;
      beside = hosts + "/../modules";
      own = given.modules or (if builtins.pathExists beside then beside else null);
      cluster = {
        inherit inputs;
        folder = hosts;
        modules = [ ../. ] ++ (if own == null then [ ] else [ own ]);
        inventory = import ./inventory.nix hosts;
      };
    in
    {
      inherit (cluster) inventory;
      nixosConfigurations = import ./nixos.nix cluster;
      darwinConfigurations = import ./darwin.nix cluster;
      packages = import ./packages.nix cluster;
      checks = system: {
        inventory = import ./inventory-check.nix cluster system;
        secrets = import ./secret-check.nix cluster system;
      };
    };
}
