# Releases of programs are staged and switched to by deployctl, beside the system.
{
  host,
  lib,
  pkgs,
  ...
}:
{
  config = lib.mkIf (host ? release) {
    # What staging fetches and unpacks with.
    environment.systemPackages = [
      pkgs.curl
      pkgs.gnutar
      pkgs.gzip
      pkgs.bzip2
      pkgs.xz
      pkgs.zstd
    ];
  };
}
