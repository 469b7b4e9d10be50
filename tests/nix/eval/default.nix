# Our modules, one at a time, on every host that they are for:
#
#   goldens    { nixos-cuda-time = text; … }, for `nix eval --write-to`
#   whole      platform → host → what all modules together set
#   one        platform → host → concern → what that module sets
let
  lib = import ./lib.nix;
  inventory = import ../../../hosts;
  folders = {
    nixos = ../../../modules/nixos;
    darwin = ../../../modules/darwin;
  };

  platforms = lib.filterAttrs (_: builtins.pathExists) folders;
  # Linux hosts always exist as NixOS systems too, whatever their platform today.
  hostsOf =
    platform:
    lib.filterAttrs (_: host: (platform == "darwin") == (host.platform == "darwin")) inventory.hosts
    // (import ./examples.nix).${platform} or { };
  concernsOf =
    platform:
    lib.filter (concern: concern != "default") (
      map (lib.removeSuffix ".nix") (
        lib.filter (lib.hasSuffix ".nix") (lib.attrNames (builtins.readDir platforms.${platform}))
      )
    );

  evaluate =
    platform: hostName: modules:
    let
      host = (hostsOf platform).${hostName};
      system = if platform == "darwin" then "${host.architecture}-darwin" else "${host.architecture}-linux";
    in
    builtins.addErrorContext "while evaluating ${platform} modules for ${hostName}" (
      import ./evaluate.nix {
        inherit lib modules;
        arguments = {
          inherit host hostName;
          inherit (inventory) cluster hosts;
          pkgs = import ./pkgs.nix { inherit lib system; };
        };
        stubs = (import ./stubs.nix { inherit lib host; }).${platform};
        isLines = import ./lines.nix platform;
      }
    );

  forEach = values: lib.mapAttrs (platform: _: lib.mapAttrs (name: _: values platform name) (hostsOf platform)) platforms;

  one = forEach (
    platform: hostName:
    lib.genAttrs (concernsOf platform) (
      concern: (evaluate platform hostName [ (platforms.${platform} + "/${concern}.nix") ]).set
    )
  );
  whole = forEach (
    platform: hostName:
    (evaluate platform hostName (
      map (concern: platforms.${platform} + "/${concern}.nix") (concernsOf platform)
    )).set
  );

  print = import ./print.nix lib;
in
{
  inherit one whole evaluate;
  hosts = lib.mapAttrs (platform: _: hostsOf platform) platforms;

  # What a module says of a host that does not have its concern is nothing, and no file.
  goldens = lib.mapAttrs (
    _: lib.mapAttrs (_: concerns: lib.mapAttrs' (concern: set: lib.nameValuePair "${concern}.json" (print set)) (lib.filterAttrs (_: set: set != { }) concerns))
  ) one;
}
