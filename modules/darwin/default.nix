# Every concern of a Mac; each takes effect only where the host declares it.
{
  imports = import ../imports.nix ./.;
}
