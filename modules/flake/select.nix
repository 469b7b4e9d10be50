# The names of the hosts for which `wanted` holds. An unknown platform counts as Linux:
# `deployctl inventory --check` reports it.
{ inventory, folder, ... }:
let
  inherit (inventory) hosts;
  names = wanted: builtins.filter (name: wanted hosts.${name}) (builtins.attrNames hosts);
  isDarwin = host: (host.platform or null) == "darwin";
in
{
  # Hosts that can be NixOS: not a host that runs Ubuntu and does not say what NixOS would boot from.
  nixos = builtins.filter (
    name:
    let
      host = hosts.${name};
    in
    !isDarwin host
    && (
      (host.platform or null) != "ubuntu"
      || host ? image
      || builtins.pathExists (folder + "/${name}/configuration.nix")
    )
  ) (builtins.attrNames hosts);
  darwin = names isDarwin;
  ubuntu = names (host: (host.platform or null) == "ubuntu");
  # disko writes their NixOS to a disk, or it becomes an image for Linode.
  disk = names (host: (host.image.kind or null) == "disk");
  linode = names (host: (host.image.kind or null) == "linode");

  # systemOf NAME: the system that the host's packages are for, such as x86_64-linux.
  systemOf =
    name:
    let
      host = hosts.${name};
    in
    "${host.architecture}-${if isDarwin host then "darwin" else "linux"}";

  # forHosts NAMES FUNCTION: the attribute set NAME → FUNCTION NAME.
  forHosts =
    chosen: function:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = function name;
      }) chosen
    );
}
