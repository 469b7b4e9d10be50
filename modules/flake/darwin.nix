# darwinConfigurations: every Mac.
cluster:
let
  inherit (cluster) inputs;
  hosts = import ./select.nix cluster;
  parts = import ./host.nix cluster;
  check = import ./inventory-check.nix cluster;
in
hosts.forHosts hosts.darwin (
  name:
  let
    system = hosts.systemOf name;
  in
  inputs.nix-darwin.lib.darwinSystem {
    inherit (parts name) specialArgs;
    modules = [
      inputs.agenix.darwinModules.default
      {
        nixpkgs.hostPlatform = system;
        # The schema cannot be bypassed: a build of this system builds the check first.
        # nix-darwin's `system.checks` is something else.
        system.systemBuilderArgs.inventoryCheck = check system;
      }
    ]
    ++ builtins.attrValues (import ../imports.nix cluster.modules "darwin")
    ++ (parts name).own;
  }
)
