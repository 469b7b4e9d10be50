# Every concern that a NixOS host may have; each takes effect only where the host declares it.
{
  imports = import ../imports.nix ./.;
}
