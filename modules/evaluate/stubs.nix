# Parts of `config` that our modules read and that others or nixpkgs set: marks and plain values.
{ host, pkgs }:
{
  nixos = {
    boot.kernelPackages = pkgs.linuxPackages_6_18;
    networking.hostName = host.system.hostname or "host";
    system = {
      activationScripts.agenix = { };
      build.toplevel = "<toplevel>";
    };
    users = {
      users = { };
      groups = { };
    };
    age.secrets = { };
    # A host without `image` declares it in its configuration.nix.
    fileSystems."/" = { };
  };
  darwin = {
    networking.hostName = host.system.hostname or "host";
    system.build.toplevel = "<toplevel>";
    users = {
      users = { };
      groups = { };
    };
  };
}
