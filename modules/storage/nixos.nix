# Data file systems. The image or the installer makes those that the system boots from.
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
