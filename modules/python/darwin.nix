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
  };
}
