# The names of the hosts for which `wanted` holds. A platform that is no platform counts as Linux:
# saying what is wrong with it is up to `deployctl inventory --check`.
{ inventory, folder, ... }:
let
  inherit (inventory) hosts;
  names = wanted: builtins.filter (name: wanted hosts.${name}) (builtins.attrNames hosts);
  isDarwin = host: (host.platform or null) == "darwin";
in
{
  # Those that can be NixOS: a host that runs Ubuntu and says nothing of what NixOS would boot from is none.
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
  # Their NixOS is written to a disk by disko, or to an image for Linode.
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
