# The driver by its branch; persistence and power cap.
{
  config,
  host,
  hostName,
  lib,
  ...
}:
let
  facts = host.nvidia;
  drivers = config.boot.kernelPackages.nvidiaPackages;
  # nixpkgs names older branches by number, and the branches in development by other names.
  branchOf =
    name:
    if lib.hasPrefix "legacy_" name then
      lib.removePrefix "legacy_" name
    else
      lib.versions.major drivers.${name}.version;
  named =
    lib.filter (name: lib.hasPrefix "legacy_" name) (lib.attrNames drivers)
    ++ lib.filter (name: drivers ? ${name}) [
      "production"
      "latest"
    ];
  # Excludes drivers that are broken with this kernel, or lack the open modules that were asked for.
  usable =
    name:
    (builtins.tryEval drivers.${name}.drvPath).success
    && (!facts.open_modules || drivers.${name}.open or null != null);
  wanted = lib.findFirst (name: branchOf name == toString facts.branch) null named;
  # Thrown where it is used: NixOS evaluates the driver before it reports any assertion.
  declared =
    if wanted != null then
      drivers.${wanted}
    else
      throw ''
        hosts/${hostName}/default.nix: `nvidia.branch` is ${toString facts.branch}, which this nixpkgs does not
        have; set one of ${toString (lib.unique (map branchOf (lib.filter usable named)))}, or `hardware.nvidia.package` in hosts/${hostName}/configuration.nix
      '';
  # A host's own configuration may have chosen another.
  driver = config.hardware.nvidia.package;
in
{
  config = lib.mkIf (host ? nvidia) {
    nixpkgs.config.allowUnfree = true;

    # This option installs the driver, also on hosts without a screen or an X server.
    services.xserver.videoDrivers = [ "nvidia" ];
    hardware.graphics.enable = true;
    hardware.nvidia = {
      open = facts.open_modules;
      package = lib.mkDefault declared;
      nvidiaPersistenced = facts.persistence;
      # A graphical program.
      nvidiaSettings = false;
    };

    # Hardened services cannot load them through a setuid program.
    boot.kernelModules = facts.modules;

    systemd.services.nvidia-persistenced = lib.mkIf facts.persistence {
      unitConfig.ConditionPathExists = "/proc/driver/nvidia/version";
    };

    systemd.services.nvidia-power-limit = {
      description = "NVIDIA GPU power limit";
      # The limit is lost when the driver unloads.
      after = [ "nvidia-persistenced.service" ];
      wants = [ "nvidia-persistenced.service" ];
      wantedBy = [ "multi-user.target" ];
      unitConfig.ConditionPathExists = "/proc/driver/nvidia/version";
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = "yes";
      };
      path = [ driver.bin ];
      # After a switch to another driver the loaded module is older than the libraries until a reboot:
      # that is not a failure.
      script = ''
        watts=${toString facts.power_limit_watts}
        loaded=$(cat /sys/module/nvidia/version)
        installed=${driver.version}
        if [ "$loaded" != "$installed" ]; then
            printf 'driver %s is loaded and %s is installed: reboot to set the power limit\n' "$loaded" "$installed"
            exit 0
        fi
        # Each GPU of the declared name, whatever its number; another kind takes other limits.
        gpus=$(nvidia-smi --query-gpu=uuid,name --format=csv,noheader)
        printf '%s\n' "$gpus" | while IFS= read -r gpu; do
            if [ "''${gpu#*, }" = ${lib.escapeShellArg facts.gpu.name} ]; then
                nvidia-smi -i "''${gpu%%,*}" -pl "$watts" </dev/null
            fi
        done
      '';
    };
  };
}
