# Environments that uv makes are staged and switched to by deployctl, beside the system.
{
  host,
  lib,
  pkgs,
  ...
}:
{
  config = lib.mkIf (host ? python) {
    # What staging fetches with.
    environment.systemPackages = [ pkgs.curl ];
    # Wheels are linked for other distributions: the programs in them are started by nix-ld, and what an interpreter of Nix
    # loads finds its libraries in the same place.
    programs.nix-ld.enable = true;
  };
}
