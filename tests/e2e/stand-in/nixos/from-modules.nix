# What the NixOS modules of a repository's concerns set on a host, as ./default.nix takes it: units, files of /etc
# and kernel settings. The modules are evaluated without nixpkgs, and an option without a word here is an error.
{
  name,
  inventory,
  folder,
}:
let
  lib = import ../evaluate/lib.nix;
  inherit (import ../evaluate/generators.nix) toINI;

  modules = builtins.filter builtins.pathExists (
    map (concern: folder + "/${concern}/nixos.nix") (builtins.attrNames (builtins.readDir folder))
  );
  inherit
    (import ../evaluate/evaluate.nix {
      inherit lib modules;
      arguments = {
        inherit (inventory) cluster hosts;
        host = inventory.hosts.${name};
        hostName = name;
        # The machine is a Debian, whose programs are all in one place.
        pkgs.perl = "/usr";
      };
    })
    set
    ;

  only =
    place: words: value:
    let
      strange = builtins.attrNames (removeAttrs value words);
    in
    lib.throwIf (strange != [ ]) "the stand-in has no word for ${place}${builtins.head strange}" value;
  known = only "" [ "boot" "environment" "systemd" ] set;
  settings = (only "boot." [ "kernel" ] (known.boot or { })).kernel.sysctl or { };
  etc = (only "environment." [ "etc" ] (known.environment or { })).etc or { };
  systemd = only "systemd." [ "services" "timers" ] (known.systemd or { });

  # The text of a unit, as nixpkgs writes it; what it is reloaded for is a digest there, too.
  text =
    section: unit:
    let
      described = only "a unit's " [
        "description"
        "reloadTriggers"
        "serviceConfig"
        "timerConfig"
        "wantedBy"
      ] unit;
    in
    toINI { listsAsDuplicateKeys = true; } {
      Unit = {
        Description = described.description;
      }
      // lib.optionalAttrs (described ? reloadTriggers) {
        X-Reload-Triggers = builtins.hashString "sha256" (toString described.reloadTriggers);
      };
      ${section} = described."${lib.toLower section}Config";
    };
  units =
    section: suffix: set:
    lib.mapAttrs' (unit: value: lib.nameValuePair "${unit}.${suffix}" { inherit value section; }) set;
  all =
    units "Service" "service" (systemd.services or { })
    // units "Timer" "timer" (systemd.timers or { });
in
{
  units = lib.mapAttrs (_: unit: text unit.section unit.value) all;
  unwanted = builtins.attrNames (lib.filterAttrs (_: unit: !(unit.value ? wantedBy)) all);
  files = lib.mapAttrs (_: file: file.text) etc;
  modes = lib.mapAttrs (_: file: file.mode) (lib.filterAttrs (_: file: file ? mode) etc);
  # NixOS has systemd-sysctl read a file; what no file says any more stays until the next boot.
  activate = lib.concatStrings (
    lib.mapAttrsToList (key: value: "sysctl -q -w ${key}=${toString value}\n") settings
  );
}
