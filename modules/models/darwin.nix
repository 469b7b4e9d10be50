# Weights are staged and switched to by deployctl, beside the system.
{
  host,
  lib,
  pkgs,
  ...
}:
{
  config = lib.mkIf (host ? models) {
    # What staging fetches with.
    environment.systemPackages = [ pkgs.curl ];
  };
}
