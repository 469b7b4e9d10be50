# The same as on NixOS.
import ./nixos.nix
