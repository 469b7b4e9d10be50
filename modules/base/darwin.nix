# What deployctl itself needs on a Mac.
{ pkgs, ... }:
{
  # host.sh needs GNU's `date`, `stat` and `timeout`, and `flock`: macOS has none of them.
  environment.systemPackages = [
    pkgs.coreutils
    pkgs.flock
  ];
}
