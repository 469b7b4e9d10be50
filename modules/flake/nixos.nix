# nixosConfigurations: every Linux host that says what NixOS boots from, whatever its platform is today.
cluster:
let
  inherit (cluster) inputs;
  hosts = import ./select.nix cluster;
  parts = import ./host.nix cluster;
  check = import ./inventory-check.nix cluster;

  # What every system on a Linode has. The image's own module is only in the image.
  linode =
    { modulesPath, ... }:
    {
      imports = [ (modulesPath + "/virtualisation/linode-config.nix") ];
    };

  # disko passes kernel and modules to its image's machine as one package, and nixpkgs after 26.05 expects
  # the name of the kernel's file in it, too (nix-community/disko#1298).
  imageBuilder =
    { pkgs, lib, ... }:
    {
      disko.imageBuilder.pkgs = pkgs // {
        aggregateModules =
          modules:
          let
            kernel = lib.head modules;
          in
          pkgs.aggregateModules modules // lib.optionalAttrs (kernel ? target) { inherit (kernel) target; };
      };
    };
in
hosts.forHosts hosts.nixos (
  name:
  let
    system = hosts.systemOf name;
  in
  inputs.nixpkgs.lib.nixosSystem {
    inherit (parts name) specialArgs;
    modules = [
      inputs.agenix.nixosModules.default
      inputs.disko.nixosModules.disko
      {
        nixpkgs.hostPlatform = system;
        # The schema cannot be bypassed: a build of this system builds the check first.
        system.checks = [ (check system) ];
      }
    ]
    ++ (if builtins.elem name hosts.linode then [ linode ] else [ ])
    ++ (if builtins.elem name hosts.disk then [ imageBuilder ] else [ ])
    ++ builtins.attrValues (import ../imports.nix cluster.modules "nixos")
    ++ (parts name).own;
  }
)
