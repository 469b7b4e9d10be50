# What every system of one host is made from, beside its platform's modules.
{ inventory, folder, ... }:
name:
let
  own = folder + "/${name}/configuration.nix";
in
{
  # What modules take: the facts of this host, of all hosts, and of the cluster.
  specialArgs = {
    host = inventory.hosts.${name};
    inherit (inventory) cluster hosts;
    hostName = name;
  };
  # The escape hatch.
  own = if builtins.pathExists own then [ own ] else [ ];
}
