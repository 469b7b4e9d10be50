# What deployctl itself needs on a Mac.
{ pkgs, ... }:
{
  # host.sh and what stages artifacts need GNU's `date`, `find`, `stat` and `timeout`, and `flock`: macOS has none of them.
  environment.systemPackages = [
    pkgs.coreutils
    pkgs.findutils
    pkgs.flock
  ];
}
