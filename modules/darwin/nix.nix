# How the Mac gets what Nix builds for it.
{
  host,
  hostName,
  lib,
  ...
}:
let
  inherit (host) nix;
  # A number here, as opposed to NixOS's release.
  known = lib.elem nix.state_version (map toString (lib.range 1 7));
in
lib.mkIf (host ? nix) {
  assertions = [
    {
      assertion = known;
      message = "hosts/${hostName}/default.nix: `nix.state_version` is ${nix.state_version}; on a Mac it is one of 1 to 7: the one that its first nix-darwin had";
    }
  ];
  system.stateVersion = if known then lib.toInt nix.state_version else 6;

  nix.settings = {
    experimental-features = [
      "nix-command"
      "flakes"
    ];
    # The facts are all of them: nix-darwin would add its own after these.
    substituters = lib.mkForce nix.substituters;
    # What operators push is accepted by its signature; nobody becomes a trusted user.
    trusted-public-keys = lib.mkForce nix.trusted_public_keys;
  };
}
