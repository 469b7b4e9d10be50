# A host that is reached by a name below `.local` answers for it itself: on Ubuntu what is installed there does.
{ host, lib, ... }:
let
  address = lib.removeSuffix "." (lib.toLower (host.connection.address or ""));
in
{
  config = lib.mkIf (lib.hasSuffix ".local" address) {
    services.avahi = {
      enable = true;
      hostName = lib.removeSuffix ".local" address;
      publish = {
        enable = true;
        addresses = true;
      };
    };
  };
}
