# Nix on the host: where it fetches from and whose signatures it accepts. Operators copy systems that
# a declared key has signed; no operator is a trusted user, who could do whatever root can.
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
      # NixOS would append its own cache and key; these lists are complete.
      substituters = lib.mkForce facts.substituters;
      trusted-public-keys = lib.mkForce facts.trusted_public_keys;
    };
  };
}
