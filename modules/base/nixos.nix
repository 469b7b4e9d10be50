# What deployctl needs on a host: the tools of its program, and the unit that at boot undoes an apply
# that was not confirmed. On Ubuntu the program writes that unit itself.
{ pkgs, ... }:
let
  state = "/var/lib/deployctl";
in
{
  environment.systemPackages = [
    pkgs.coreutils
    pkgs.findutils
    pkgs.gawk
    pkgs.gnugrep
    pkgs.gnused
    pkgs.gnutar
    pkgs.util-linux
  ];

  systemd.services.deployctl-recover = {
    description = "deployctl: put back an apply that was not confirmed";
    after = [ "systemd-remount-fs.service" ];
    before = [
      "sysinit.target"
      "systemd-sysctl.service"
      "systemd-modules-load.service"
      "systemd-udevd.service"
      "systemd-tmpfiles-setup.service"
      "nftables.service"
      "network-pre.target"
      "systemd-networkd.service"
      "shutdown.target"
    ];
    conflicts = [ "shutdown.target" ];
    wantedBy = [ "sysinit.target" ];
    # A switch starts it, too, since the target wants it and it is not running. It leaves an apply alone
    # that is in progress or still has time.
    restartIfChanged = false;
    unitConfig = {
      ConditionPathExists = "${state}/lease";
      DefaultDependencies = false;
      RequiresMountsFor = "${state} /nix/store";
    };
    serviceConfig = {
      Type = "oneshot";
      ExecStart = "/bin/sh ${state}/host.sh recover --boot";
      SuccessExitStatus = "5 9";
    };
  };
}
