# Command line, modules and settings of the kernel, and its configuration if it is built here.
# Isolation and huge pages add their own words to the command line.
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
  # nixpkgs' linode-config.nix sets this, too; it must not appear twice.
  ofTheProfile = lib.optional ((host.image.kind or null) == "linode") "console=ttyS0,19200n8";

  # nixpkgs configures its kernels already. A symbol that must be built in overrides that, one that may
  # be a module gives way to it, and one that must be off may also be missing from the source.
  wanted = {
    y = lib.mkForce lib.kernel.yes;
    m = lib.mkDefault (lib.kernel.option lib.kernel.module);
    n = lib.mkForce (lib.kernel.option lib.kernel.no);
  };
  symbols = lib.mapAttrs (_: value: wanted.${value}) facts.symbols;
  # Exactly one of these can be set, and nixpkgs does not choose `PREEMPT`.
  preemption = lib.optionalAttrs (facts.symbols.PREEMPT or "n" == "y") {
    PREEMPT_LAZY = wanted.n;
    PREEMPT_NONE = wanted.n;
    PREEMPT_VOLUNTARY = wanted.n;
  };

  # Checks recognize our own kernel by this suffix, as on Ubuntu.
  localVersion = "-deployctl";
in
{
  config = lib.mkIf (host ? kernel) {
    boot.kernelParams = lib.subtractLists ofTheProfile facts.command_line;
    boot.kernelModules = facts.modules;
    boot.kernel.sysctl = facts.sysctl;

    # A named long-term series: the NVIDIA driver has lagged behind newer ones.
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
