# The same on macOS.
{ host, lib, ... }:
let
  facts = host.newconcern;
in
{
  config = lib.mkIf (host ? newconcern) {
    environment.etc."newconcern.conf".text = ''
      MESSAGE=${lib.escapeShellArg facts.message}
      INTERVAL_SECONDS=${toString facts.interval_seconds}
    '';

    launchd.daemons.newconcern.serviceConfig = {
      ProgramArguments = [
        "/bin/sh"
        "-c"
        ". /etc/newconcern.conf; while echo \"$MESSAGE\"; do sleep \"$INTERVAL_SECONDS\"; done"
      ];
      RunAtLoad = true;
      KeepAlive = true;
    };
  };
}
