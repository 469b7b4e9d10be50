# Files, packages and units that no concern covers, taken literally from the inventory. A file that
# NixOS reads from another place than other distributions goes there.
{
  host,
  hostName,
  lib,
  pkgs,
  secretsFolder,
  ...
}:
let
  facts = host.extra;
  files = facts.files or [ ];
  packages = facts.packages or { };
  units = facts.units or { };
  say = "hosts/${hostName}/default.nix: `extra.";
  instead = ", or declare it in hosts/${hostName}/configuration.nix";
  # A host that runs Ubuntu today may declare what only Ubuntu understands.
  onNixos = assertion: host.platform != "nixos" || assertion;
  literal = import ../literal.nix;

  # nixpkgs keeps the names of packages that it removed, and refuses what is broken, unfree or vulnerable.
  named = name: pkgs ? ${name};
  had = name: named name && (builtins.tryEval pkgs.${name}.drvPath).success;

  systemdFolder = "/etc/systemd/system/";
  # On NixOS each of these is one link to a folder that is built from packages.
  userFolder = "/etc/systemd/user/";
  udevFolder = "/etc/udev/rules.d/";
  kinds = [
    "unit"
    "drop-in"
    "user-unit"
    "udev"
    "sudo"
    "sshd"
    "unread"
    "etc"
    "other"
  ];
  kindOf =
    { path, ... }:
    let
      below = prefix: lib.hasPrefix prefix path;
      matches = {
        unit = below systemdFolder && !(lib.hasSuffix ".conf" path);
        drop-in = below systemdFolder;
        user-unit = below userFolder;
        udev = below udevFolder;
        sudo = below "/etc/sudoers.d/";
        sshd = below "/etc/ssh/sshd_config.d/";
        unread = lib.any below [
          "/etc/apt/"
          "/etc/cloud/"
          "/etc/default/"
          "/etc/logrotate.d/"
          "/etc/netplan/"
          "/etc/network/"
          "/etc/profile.d/"
          "/etc/security/limits.d/"
          "/etc/sysusers.d/"
        ];
        etc = below "/etc/";
        other = true;
      };
    in
    lib.findFirst (kind: matches.${kind}) "other" kinds;
  of = kind: lib.filter (file: kindOf file == kind) files;
  contentOf = kind: lib.concatMapStrings (file: "${file.content}\n") (of kind);
  # name → value for the files of a kind; the name is the path without `prefix`.
  each =
    kind: prefix: value:
    lib.listToAttrs (
      map (file: lib.nameValuePair (lib.removePrefix prefix file.path) (value file)) (of kind)
    );

  # packages KIND PREFIX FOLDER: each file of a kind as a package that contains it below FOLDER.
  packagesOf =
    kind: prefix: folder:
    map (file: pkgs.writeTextDir "${folder}/${lib.removePrefix prefix file.path}" file.content) (
      of kind
    );

  # The encrypted files of secrets, by the path that they have on other distributions.
  sealed = lib.mapAttrs' (
    name: _: lib.nameValuePair "/etc/deployctl/sealed/${name}.age" "${secretsFolder + "/${name}.age"}"
  ) (host.secrets.files or { });

  # A change of a file in `restart_on` counts as a change of the unit.
  triggers =
    unit:
    let
      restartOn = units.${unit}.restart_on or [ ];
      watched = lib.filter (file: lib.elem file.path restartOn && baseNameOf file.path != unit) files;
      contents =
        lib.concatMapStrings (file: file.content) watched
        + lib.concatMapStrings (path: sealed.${path} or "") restartOn;
    in
    lib.optionalString (contents != "") ''

      [Unit]
      X-Restart-Triggers=${builtins.hashString "sha256" contents}
    '';
  started = lib.attrNames (
    lib.filterAttrs (_: unit: unit.enabled == true || unit.running == true) units
  );
in
{
  config = lib.mkIf (host ? extra) {
    assertions =
      lib.mapAttrsToList (name: _: {
        assertion = onNixos (had name);
        message =
          if named name then
            "${say}packages.${name}` was removed or is refused by nixpkgs; `nix build nixpkgs#${name}`"
            + " says why; remove it${instead}"
          else
            "${say}packages.${name}` is not in nixpkgs; set the name that nixpkgs uses${instead}";
      }) packages
      ++ lib.mapAttrsToList (name: version: {
        assertion = onNixos (version == null);
        message =
          "${say}packages.${name}` is pinned to ${version}, and nixpkgs has one version of each package;"
          + " set null${instead}";
      }) (lib.filterAttrs (_: version: version != null) packages)
      ++ map (file: {
        assertion = onNixos false;
        message = "${say}files` has ${file.path}, which NixOS does not read; remove it${instead}";
      }) (of "unread");

    environment.systemPackages = map (name: pkgs.${name}) (lib.filter had (lib.attrNames packages));

    environment.etc = each "etc" "/etc/" (file: {
      text = file.content;
      inherit (file) mode group;
      user = file.owner;
    });

    systemd.tmpfiles.settings = lib.mkIf (of "other" != [ ]) {
      "10-deployctl-extra" = lib.mapAttrs' (path: lib.nameValuePair (literal path)) (
        each "other" "" (file: {
          "f+" = {
            argument = literal file.content;
            inherit (file) mode group;
            user = file.owner;
          };
        })
      );
    };

    security.sudo.extraConfig = lib.mkIf (of "sudo" != [ ]) (contentOf "sudo");
    # Last, since lines after a Match belong to it.
    services.openssh.extraConfig = lib.mkIf (of "sshd" != [ ]) (lib.mkAfter (contentOf "sshd"));

    systemd.units = each "unit" systemdFolder (file: {
      text = file.content + triggers (baseNameOf file.path);
    });
    systemd.packages =
      packagesOf "drop-in" systemdFolder "lib/systemd/system"
      ++ packagesOf "user-unit" userFolder "lib/systemd/user";
    services.udev.packages = lib.mkIf (of "udev" != [ ]) (
      packagesOf "udev" udevFolder "lib/udev/rules.d"
    );

    # NixOS does not read [Install].
    systemd.targets.multi-user.wants = lib.mkIf (started != [ ]) started;
  };
}
