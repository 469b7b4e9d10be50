# The modules of every system of one host, besides its platform's.
{ inventory, folder, ... }:
name:
let
  own = folder + "/${name}/configuration.nix";
in
{
  # Module arguments: the facts of this host, of all hosts, and of the cluster.
  specialArgs = {
    host = inventory.hosts.${name};
    inherit (inventory) cluster hosts;
    hostName = name;
    secretsFolder = folder + "/../secrets";
  };
  # The escape hatch.
  own = if builtins.pathExists own then [ own ] else [ ];
}
