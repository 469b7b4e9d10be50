# nixosConfigurations: every Linux host, whatever its platform is today.
cluster:
let
  inherit (cluster) inputs;
  hosts = import ./select.nix cluster;
  parts = import ./host.nix cluster;
  check = import ./inventory-check.nix cluster;

  # What every system on a Linode has. The image's own module comes with the image alone.
  linode =
    { modulesPath, ... }:
    {
      imports = [ (modulesPath + "/virtualisation/linode-config.nix") ];
    };
in
hosts.forHosts hosts.linux (
  name:
  let
    system = hosts.systemOf name;
  in
  inputs.nixpkgs.lib.nixosSystem {
    inherit (parts name) specialArgs;
    modules = [
      inputs.agenix.nixosModules.default
      inputs.disko.nixosModules.disko
      ../nixos
      {
        nixpkgs.hostPlatform = system;
        # The schema cannot be bypassed: a build of this system builds the check first.
        system.checks = [ (check system) ];
      }
    ]
    ++ (if builtins.elem name hosts.linode then [ linode ] else [ ])
    ++ (parts name).own;
  }
)
