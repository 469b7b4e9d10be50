{
  description = "A cluster of my own";

  # Where you took this template from.
  inputs.deployctl.url = "github:OWNER/deployctl";

  outputs =
    { deployctl, ... }:
    let
      cluster = deployctl.lib.mkCluster ./hosts;
    in
    {
      # Needs no input: it evaluates offline.
      inventory = import ./hosts;

      inherit (cluster) nixosConfigurations darwinConfigurations;
      packages = {
        x86_64-linux = cluster.packages "x86_64-linux";
        aarch64-linux = cluster.packages "aarch64-linux";
        aarch64-darwin = cluster.packages "aarch64-darwin";
      };
      checks = {
        x86_64-linux = cluster.checks "x86_64-linux";
        aarch64-linux = cluster.checks "aarch64-linux";
        aarch64-darwin = cluster.checks "aarch64-darwin";
      };
    };
}
