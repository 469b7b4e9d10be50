# The contents of default.nix; modules get `modulesLib` as their `lib`: ours, or nixpkgs' own.
{ modulesLib }:
let
  lib = import ../../../modules/evaluate/lib.nix;
  inventory = import ../../../hosts;
  # Platform → concern → its module.
  platforms = lib.genAttrs [ "nixos" "darwin" ] (
    import ../../../modules/imports.nix [ ../../../modules ]
  );
  # Linux hosts always exist as NixOS systems, too, whatever their platform is today.
  hostsOf =
    platform:
    lib.filterAttrs (_: host: (platform == "darwin") == (host.platform == "darwin")) inventory.hosts
    // (import ./examples.nix).${platform} or { };
  concernsOf = platform: lib.attrNames platforms.${platform};

  evaluate =
    platform: hostName: modules:
    let
      host = (hostsOf platform).${hostName};
      system =
        if platform == "darwin" then "${host.architecture}-darwin" else "${host.architecture}-linux";
      pkgs = import ../../../modules/evaluate/pkgs.nix {
        inherit lib system;
        names = import ./packages.nix;
      };
    in
    builtins.addErrorContext "while evaluating ${platform} modules for ${hostName}" (
      import ../../../modules/evaluate/evaluate.nix {
        inherit lib modules;
        arguments = {
          inherit host hostName pkgs;
          lib = modulesLib;
          inherit (inventory) cluster hosts;
          secretsFolder = "/secrets";
        };
        stubs = (import ../../../modules/evaluate/stubs.nix { inherit host pkgs; }).${platform};
        isLines = import ./lines.nix platform;
      }
    );

  # All modules together, with one more that a test adds.
  together =
    extra: platform: hostName:
    evaluate platform hostName (lib.attrValues platforms.${platform} ++ [ extra ]);
  contracts = lib.mapAttrs (platform: _: lib.importJSON (../contract + "/${platform}.json")) (
    lib.filterAttrs (platform: _: builtins.pathExists (../contract + "/${platform}.json")) platforms
  );
  examine = platform: (import ./contract.nix lib).examine contracts.${platform};

  forEach =
    values:
    lib.mapAttrs (
      platform: _: lib.mapAttrs (name: _: values platform name) (hostsOf platform)
    ) platforms;

  one = forEach (
    platform: hostName:
    lib.genAttrs (concernsOf platform) (
      concern: (evaluate platform hostName [ platforms.${platform}.${concern} ]).set
    )
  );
  # Together, so that a conflict between two modules shows, too.
  examined = lib.intersectAttrs contracts (
    forEach (platform: hostName: examine platform (together { } platform hostName))
  );
  breaches = lib.concatLists (
    lib.mapAttrsToList (
      platform: hosts:
      lib.concatLists (
        lib.mapAttrsToList (name: found: map (text: "${platform} ${name}: ${text}") found.wrong) hosts
      )
      ++ map (path: "contract/${platform}.json: no module sets ${path}") (
        lib.subtractLists (lib.concatMap (found: found.used) (lib.attrValues hosts)) (
          lib.attrNames contracts.${platform}.options
        )
      )
      ++ map (path: "contract/${platform}.json: ${path} was not verified") (
        lib.filter (path: !contracts.${platform}.options.${path}.verified) (
          lib.attrNames contracts.${platform}.options
        )
      )
    ) examined
  );

  print = import ../../../modules/evaluate/print.nix lib;
in
{
  inherit one breaches;
  # What we add to a Mac's activation: before its daemons are loaded, before its own power settings, and at its
  # end.
  activations = lib.mapAttrs (
    hostName: _:
    let
      scripts = (together { } "darwin" hostName).set.system.activationScripts or { };
    in
    lib.concatMapStringsSep "\n" (step: scripts.${step}.text or "") [
      "launchd"
      "power"
      "postActivation"
    ]
  ) (hostsOf "darwin");
  # How one more module breaks the contract.
  breachesWith =
    platform: hostName: extra:
    (examine platform (together extra platform hostName)).wrong;
  hosts = lib.mapAttrs (platform: _: hostsOf platform) platforms;

  printed = lib.mapAttrs (_: lib.mapAttrs (_: lib.mapAttrs (_: print))) one;

  # A module sets nothing on a host without its concern; a host on which no module sets anything has no file.
  goldens = lib.mapAttrs (
    _: hosts:
    lib.mapAttrs' (hostName: concerns: lib.nameValuePair "${hostName}.json" (print concerns)) (
      lib.filterAttrs (_: concerns: concerns != { }) (
        lib.mapAttrs (_: lib.filterAttrs (_: set: set != { })) hosts
      )
    )
  ) one;
}
