# A host whose address ends in `.local` must answer for that name; on Ubuntu an installed service does.
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
