# Every concern of a Mac; each applies where the host declares it.
{
  imports = [
    ./power.nix
  ];
}
