# Command line, modules and settings of the kernel, and its configuration where it is our own.
# Isolation and huge pages add their words of the command line themselves.
{
  host,
  lib,
  pkgs,
  ...
}:
let
  facts = host.kernel;
  custom = facts.flavour == "custom";
  group = facts.io_uring_group;
  # What nixpkgs' linode-config.nix says as well, so that it stands there once.
  ofTheProfile = lib.optional ((host.image.kind or null) == "linode") "console=ttyS0,19200n8";

  # nixpkgs says much about its kernels already. What must be built in wins over that; what may be
  # a module gives way to it; what must be off is also off when nothing offers it.
  wanted = {
    y = lib.mkForce lib.kernel.yes;
    m = lib.mkDefault (lib.kernel.option lib.kernel.module);
    n = lib.mkForce (lib.kernel.option lib.kernel.no);
  };
  symbols = lib.mapAttrs (_: value: wanted.${value}) facts.symbols;
  # One of these may be chosen, and nixpkgs chooses another than `PREEMPT`.
  preemption = lib.optionalAttrs (facts.symbols.PREEMPT or "n" == "y") {
    PREEMPT_LAZY = wanted.n;
    PREEMPT_NONE = wanted.n;
    PREEMPT_VOLUNTARY = wanted.n;
  };

  # What checks know our own kernel by, as on Ubuntu.
  localVersion = "-deployctl";
in
{
  config = lib.mkIf (host ? kernel) {
    boot.kernelParams = lib.subtractLists ofTheProfile facts.command_line;
    boot.kernelModules = facts.modules;
    boot.kernel.sysctl = facts.sysctl;

    # A long-term series, by name: newer ones have come before the NVIDIA driver could follow.
    boot.kernelPackages = lib.mkDefault (
      if custom then
        pkgs.linuxPackagesFor (
          pkgs.linux_6_18.override {
            argsOverride.modDirVersion = pkgs.linux_6_18.version + localVersion;
          }
        )
      else
        pkgs.linuxPackages_6_18
    );

    boot.kernelPatches = lib.mkIf custom [
      {
        name = "deployctl";
        patch = null;
        structuredExtraConfig =
          preemption // symbols // { LOCALVERSION = lib.mkForce (lib.kernel.freeform localVersion); };
      }
    ];

    users.groups = lib.mkIf (group != null) { ${group} = { }; };

    # kernel.io_uring_group takes a number, which only the host knows.
    systemd.services.io-uring-group = lib.mkIf (group != null) {
      description = "Group that may use io_uring";
      documentation = [ "https://docs.kernel.org/admin-guide/sysctl/kernel.html#io-uring-group" ];
      after = [ "systemd-sysctl.service" ];
      wantedBy = [ "multi-user.target" ];
      # Kernels before 6.6 have no such setting.
      unitConfig.ConditionPathExists = "/proc/sys/kernel/io_uring_group";
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = "yes";
      };
      path = [ pkgs.getent ];
      script = ''
        group=${group}
        entry=$(getent group "$group")
        gid=''${entry#*:*:}
        printf '%s\n' "''${gid%%:*}" >/proc/sys/kernel/io_uring_group
      '';
    };
  };
}
