# Name, time zone, operators, logs, upgrade policy, hardware watchdog.
{
  cluster,
  config,
  host,
  hostName,
  lib,
  pkgs,
  ...
}:
let
  facts = host.system;
  operators = removeAttrs cluster.operators [ "root" ];
  users = facts.users or { };

  # The only shell that NixOS has below /bin is sh.
  shells = {
    bash = pkgs.bashInteractive;
    sh = "/bin/sh";
    nologin = "/run/current-system/sw/bin/nologin";
  };
  withoutPassword = lib.filter (
    name: (config.users.users.${name}.hashedPasswordFile or null) == null
  ) (lib.attrNames operators);
  shellOf = user: shells.${baseNameOf user.shell} or user.shell;
in
{
  config = lib.mkIf (host ? system) {
    assertions = lib.mapAttrsToList (name: user: {
      assertion = shells ? ${baseNameOf user.shell};
      message =
        "hosts/${hostName}/default.nix: `system.users.${name}.shell` is ${user.shell}, which NixOS has"
        + " only where a package brings it; set /bin/bash, /bin/sh or /usr/sbin/nologin, or give this"
        + " user its shell in hosts/${hostName}/configuration.nix";
    }) users;

    warnings = lib.optional (!facts.sudo_passwordless && withoutPassword != [ ]) (
      "hosts/${hostName}/default.nix: `system.sudo_passwordless` is false, and no fact gives"
      + " ${toString withoutPassword} a password; on a new machine set it to true, or"
      + " `users.users.<name>.hashedPasswordFile` in hosts/${hostName}/configuration.nix"
    );

    networking.hostName = facts.hostname;
    time.timeZone = facts.timezone;

    users.users = lib.mkMerge [
      (lib.mapAttrs (_: _: {
        isNormalUser = true;
        extraGroups = [ "systemd-journal" ];
      }) operators)
      (lib.mapAttrs (_: user: {
        isNormalUser = true;
        extraGroups = user.groups;
        shell = shellOf user;
      }) users)
    ];

    security.sudo.extraRules = [
      {
        users = lib.attrNames cluster.operators;
        commands = [
          {
            command = "ALL";
            options = lib.optional facts.sudo_passwordless "NOPASSWD";
          }
        ];
      }
    ];

    services.journald.extraConfig = lib.mkIf (facts ? journald) ''
      SystemMaxUse=${toString facts.journald.max_use_mib}M
      MaxRetentionSec=${toString facts.journald.max_retention_days}day
    '';

    # The system changes only when it is deployed, never by itself.
    system.autoUpgrade.enable = false;

    # If the whole machine hangs, its hardware resets it.
    systemd.settings.Manager = lib.mkIf (facts.watchdog_seconds or null != null) {
      RuntimeWatchdogSec = toString facts.watchdog_seconds;
    };
  };
}
