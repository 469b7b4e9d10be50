# What the NixOS modules of a repository's concerns set on a host, as ./default.nix takes it: units, files of /etc,
# kernel settings and secrets. The modules are evaluated without nixpkgs, and an option without a word here is an error.
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
        pkgs = {
          age = "/usr";
          perl = "/usr";
        };
        secretsFolder = folder + "/../secrets";
      };
      stubs = {
        age.identityPaths = [ "/etc/ssh/ssh_host_ed25519_key" ];
        system.activationScripts.agenix = { };
      };
      isLines = _: true;
    })
    set
    ;

  only =
    place: words: value:
    let
      strange = builtins.attrNames (removeAttrs value words);
    in
    lib.throwIf (strange != [ ]) "the stand-in has no word for ${place}${builtins.head strange}" value;
  known = only "" [ "age" "boot" "environment" "system" "systemd" ] set;
  settings = (only "boot." [ "kernel" ] (known.boot or { })).kernel.sysctl or { };
  etc = (only "environment." [ "etc" ] (known.environment or { })).etc or { };
  secrets = (only "age." [ "secrets" ] (known.age or { })).secrets or { };
  scripts = (only "system." [ "activationScripts" ] (known.system or { })).activationScripts or { };
  preflight = "deployctl/preflight";
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

  # As agenix does it: one folder in memory for each activation, links to the one that counts, and what fails does not
  # keep the others from being opened.
  opened = lib.optionalString (secrets != { }) (
    ''
      place=/run/agenix.d
      mkdir -p "$place"
      grep -q "$place ramfs" /proc/mounts || mount -t ramfs none "$place" -o nodev,nosuid,mode=0751
      former=$(basename "$(readlink /run/agenix || echo 0)")
      new=$place/$((former + 1))
      mkdir -p -m 0751 "$new"
    ''
    + lib.concatStrings (
      lib.mapAttrsToList (name: secret: ''
        (umask 0377; age --decrypt -i /etc/ssh/ssh_host_ed25519_key -o "$new/${name}" ${secret.file}) || :
        chown ${secret.owner}:${secret.group} "$new/${name}" || :
        chmod ${secret.mode} "$new/${name}" || :
        mkdir -p "$(dirname ${secret.path})"
        ln -sfn /run/agenix/${name} ${secret.path}
      '') secrets
    )
    + ''
      ln -sfn "$new" /run/agenix
      rm -rf "$place/$former"
    ''
  );
in
{
  units = lib.mapAttrs (_: unit: text unit.section unit.value) all;
  unwanted = builtins.attrNames (lib.filterAttrs (_: unit: !(unit.value ? wantedBy)) all);
  files = lib.mapAttrs (_: file: file.text) (removeAttrs etc [ preflight ]);
  preflight = (etc.${preflight} or { }).text or "";
  modes = lib.mapAttrs (_: file: file.mode) (lib.filterAttrs (_: file: file ? mode) etc);
  # NixOS has systemd-sysctl read a file; what no file says any more stays until the next boot.
  activate =
    lib.concatStrings (
      lib.mapAttrsToList (key: value: "sysctl -q -w ${key}=${toString value}\n") settings
    )
    + opened
    + lib.concatStrings (lib.mapAttrsToList (_: script: script.text) scripts);
}
