# Files and packages that no concern covers, taken literally from the inventory.
{
  host,
  hostName,
  lib,
  pkgs,
  ...
}:
let
  files = host.extra.files or [ ];
  packages = host.extra.packages or { };
  units = host.extra.units or { };
  here = "hosts/${hostName}/default.nix";

  plain =
    file:
    lib.hasPrefix "/etc/" file.path
    && file.mode == "0644"
    && file.owner == "root"
    && lib.elem file.group [
      "root"
      "wheel"
    ];
in
lib.mkIf (host ? extra) {
  assertions =
    map (file: {
      assertion = plain file;
      message = "${here}: `extra.files` has ${file.path} (${file.mode} ${file.owner}:${file.group}); on a Mac it can be a file below /etc with mode 0644, root:wheel; write an activation script in hosts/${hostName}/configuration.nix for others";
    }) files
    ++ lib.mapAttrsToList (name: version: {
      assertion = version == null;
      message = "${here}: `extra.packages.${name}` names version ${toString version}; on a Mac the pinned nixpkgs says which: use null";
    }) packages
    ++ lib.optional (units != { }) {
      assertion = false;
      message = "${here}: `extra.units` are systemd's; on a Mac declare `launchd.daemons` in hosts/${hostName}/configuration.nix";
    };

  environment = {
    etc = lib.listToAttrs (
      map (file: lib.nameValuePair (lib.removePrefix "/etc/" file.path) { text = file.content; }) files
    );
    systemPackages = lib.mapAttrsToList (
      name: _: pkgs.${name} or (throw "${here}: `extra.packages.${name}` is not in nixpkgs")
    ) packages;
  };
}
