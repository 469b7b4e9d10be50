# Every concern of a Mac; each takes effect only where the host declares it.
{
  imports = [
    ./deployctl.nix
    ./extra.nix
    ./mlx.nix
    ./network.nix
    ./nix.nix
    ./power.nix
    ./ssh.nix
    ./system.nix
  ];
}
