# The same on NixOS.
{ host, lib, ... }:
let
  facts = host.newconcern;
  settings = ''
    MESSAGE=${lib.escapeShellArg facts.message}
    INTERVAL_SECONDS=${toString facts.interval_seconds}
  '';
in
{
  config = lib.mkIf (host ? newconcern) {
    environment.etc."newconcern.conf".text = settings;

    systemd.services.newconcern = {
      description = "newconcern";
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [ settings ];
      serviceConfig = {
        # systemd reads `$$` as `$`: the shell expands it.
        ExecStart = "/bin/sh -c '. /etc/newconcern.conf; while echo \"$$MESSAGE\"; do sleep \"$$INTERVAL_SECONDS\"; done'";
        DynamicUser = true;
        Restart = "always";
      };
    };
  };
}
