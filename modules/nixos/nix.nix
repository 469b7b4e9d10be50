# Nix on the host: what it fetches from and whose signatures it takes. Operators bring systems that
# are signed by a declared key; none of them is a trusted user, who could do as root does.
{ host, lib, ... }:
let
  facts = host.nix;
in
{
  config = lib.mkIf (host ? nix) {
    system.stateVersion = facts.state_version;

    nix.settings = {
      experimental-features = [
        "nix-command"
        "flakes"
      ];
      # NixOS appends its own cache and key to lists; these are all there are.
      substituters = lib.mkForce facts.substituters;
      trusted-public-keys = lib.mkForce facts.trusted_public_keys;
    };
  };
}
