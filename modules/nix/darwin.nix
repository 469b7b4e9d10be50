# Where the Mac fetches store paths from, and whose signatures it accepts.
{
  host,
  hostName,
  lib,
  ...
}:
let
  inherit (host) nix;
  # A number, unlike NixOS's release.
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
    # The facts are the complete list: nix-darwin would append its own.
    substituters = lib.mkForce nix.substituters;
    # Paths that operators copy are accepted by signature; no operator becomes a trusted user.
    trusted-public-keys = lib.mkForce nix.trusted_public_keys;
  };
}
