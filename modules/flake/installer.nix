# An ISO that installs a host. It contains the host's whole system, so it needs no network, and
# `install-<host>`, which erases the declared disk and installs the system.
cluster: nixos: name:
let
  inherit (cluster) inputs inventory;
  system = (import ./select.nix cluster).systemOf name;
  host = inventory.hosts.${name};
  inherit (nixos.${name}.config.system.build) toplevel destroyFormatMount;

  keys = builtins.concatMap (operator: operator.keys) (
    builtins.attrValues inventory.cluster.operators
  );

  module =
    { modulesPath, pkgs, ... }:
    {
      imports = [ (modulesPath + "/installer/cd-dvd/installation-cd-minimal.nix") ];

      nixpkgs.hostPlatform = system;
      networking.hostName = "${name}-installer";
      # The operators, and only they, can also log in over the network.
      users.users.root.openssh.authorizedKeys.keys = keys;

      environment.systemPackages = [
        (pkgs.writeShellApplication {
          name = "install-${name}";
          runtimeInputs = [ pkgs.nixos-install-tools ];
          text = ''
            disk=${host.image.device}
            if ! [ -b "$disk" ]; then
              echo "there is no disk $disk, which image.device in hosts/${name}/default.nix names" >&2
              ls -l /dev/disk/by-id >&2
              exit 1
            fi
            lsblk "$disk"
            printf 'Everything on it will be lost. To go on, type the name of the host: '
            read -r answer
            [ "$answer" = ${name} ] || exit 1
            ${destroyFormatMount}/bin/disko-destroy-format-mount --yes-wipe-all-disks
            nixos-install --root /mnt --system ${toplevel} --no-root-password --no-channel-copy
            echo 'Done. Remove the stick and reboot.'
          '';
        })
      ];
      isoImage.storeContents = [ toplevel ];
    };
in
(inputs.nixpkgs.lib.nixosSystem { modules = [ module ]; }).config.system.build.isoImage
