# Data file systems. What the system itself boots from is the image's or the installer's.
{ host, lib, ... }:
{
  config = lib.mkIf (host ? storage) {
    fileSystems = lib.mapAttrs (_: mount: {
      device = mount.source;
      fsType = mount.fs_type;
      options = if mount.options == [ ] then [ "defaults" ] else mount.options;
    }) host.storage.mounts;
  };
}
