# `image`: how the system gets onto its disk and boots from it.
{
  config,
  host,
  hostName,
  lib,
  ...
}:
let
  inherit (host) image;
  kind = host.image.kind or null;

  # The disk, by a name that never changes, in two partitions. disko.devices becomes `fileSystems`.
  # Not `mkIf`: disko's options are there only where its module is imported.
  disk = lib.optionalAttrs (kind == "disk") {
    disko.devices.disk.system = {
      type = "disk";
      inherit (image) device;
      imageSize = "${toString image.size_gib}G";
      content = {
        type = "gpt";
        partitions = {
          boot = {
            type = "EF00";
            size = "${toString image.boot_mib}M";
            content = {
              type = "filesystem";
              format = "vfat";
              mountpoint = "/boot";
              mountOptions = [ "umask=0077" ];
            };
          };
          root = {
            size = "100%";
            content = {
              type = "filesystem";
              format = image.fs_type;
              mountpoint = "/";
              mountOptions = [ "noatime" ];
            };
          };
        };
      };
    };

    boot = {
      loader = {
        systemd-boot = {
          enable = true;
          # As many kernels as fit into the partition with room to spare.
          configurationLimit = 10;
          # Otherwise anybody at the console could become root.
          editor = false;
        };
        # It boots by the path that every firmware tries: an image cannot set a machine's variables.
        efi.canTouchEfiVariables = false;
      };
      initrd.availableKernelModules = [
        "ahci"
        "nvme"
        "sd_mod"
        "usb_storage"
        "usbhid"
        "xhci_pci"
      ];
      growPartition = true;
    };
    fileSystems."/".autoResize = true;
    hardware.enableRedistributableFirmware = true;
  };

  # nixpkgs' linode-config.nix sets boot loader, serial console and file systems.
  linode = lib.optionalAttrs (kind == "linode") {
    image.modules.linode.virtualisation.diskSize = image.size_gib * 1024;
    # The trading engine must never be swapped out; the provider's swap disk stays unused.
    swapDevices = [ ];
  };

  # nixpkgs' own message says only that the option is not set.
  root = lib.optionalAttrs (kind == null) {
    assertions = [
      {
        assertion = config.fileSystems ? "/";
        message =
          "hosts/${hostName}/default.nix: no fact says what NixOS boots from; declare `image`, or `fileSystems` and"
          + " `boot.loader` in hosts/${hostName}/configuration.nix";
      }
    ];
  };
in
lib.mkMerge [
  root
  disk
  linode
]
