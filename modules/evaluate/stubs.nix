# Parts of `config` that our modules read and that others or nixpkgs set: marks and plain values.
{ host, pkgs }:
let
  # Where agenix looks for the host's keys.
  identityPaths = [ "/etc/ssh/ssh_host_ed25519_key" ];
in
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
    age = {
      inherit identityPaths;
      secrets = { };
    };
    # A host without `image` declares it in its configuration.nix.
    fileSystems."/" = { };
  };
  darwin = {
    age = { inherit identityPaths; };
    networking.hostName = host.system.hostname or "host";
    system.build.toplevel = "<toplevel>";
    users = {
      users = { };
      groups = { };
    };
  };
}
