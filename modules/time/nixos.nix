# chrony with the declared sources only.
{ host, lib, ... }:
let
  facts = host.time;
in
{
  config = lib.mkIf (host ? time) {
    services.chrony = {
      enable = true;
      # The option guesses pools and servers from their names; the facts say which is which.
      servers = [ ];
      makestep = {
        threshold = facts.makestep.threshold_seconds;
        inherit (facts.makestep) limit;
      };
      # `rtcsync` and the module's own care of the hardware clock exclude each other.
      enableRTCTrimming = false;
      # No leapsectz: sources that smear leap seconds would be corrected twice.
      extraConfig = lib.concatLines (
        map (name: "pool ${name} iburst maxsources 4") facts.pools
        ++ map (name: "server ${name} iburst") facts.servers
        ++ [
          "rtcsync"
          "maxupdateskew 100.0"
        ]
      );
    };
  };
}
