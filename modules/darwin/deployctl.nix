# What deployctl itself needs of a Mac.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  check = config.deployctl.inventoryCheck;
in
{
  options.deployctl.inventoryCheck = lib.mkOption {
    type = lib.types.nullOr lib.types.package;
    default = null;
    description = ''
      A derivation that fails where the inventory is wrong. The system is not built without it; it is
      no part of what is copied to the host.
    '';
  };

  config = {
    # host.sh needs GNU's `date`, `stat` and `timeout`, and `flock`: macOS has none of them.
    environment.systemPackages = [
      pkgs.coreutils
      pkgs.flock
    ];

    system.systemBuilderArgs = lib.mkIf (check != null) { inventoryCheck = "${check}"; };
  };
}
