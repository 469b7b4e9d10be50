# Every concern that a NixOS host may have; each takes effect only where the host declares it.
{
  imports = [
    ./cuda.nix
    ./deployctl.nix
    ./extra.nix
    ./firewall.nix
    ./hugepages.nix
    ./image.nix
    ./kernel.nix
    ./network.nix
    ./nix.nix
    ./nvidia.nix
    ./realtime.nix
    ./ssh.nix
    ./storage.nix
    ./system.nix
    ./time.nix
    ./trading.nix
    ./vllm.nix
  ];
}
