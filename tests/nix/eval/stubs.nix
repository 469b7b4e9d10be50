# What our modules read of `config` that other modules or nixpkgs set: marks and plain values.
{ lib, host }:
let
  driver =
    name:
    let
      package = {
        type = "derivation";
        outPath = "<nvidiaPackages.${name}>";
        version = "0";
        bin = package;
      };
    in
    package;
in
{
  nixos = {
    boot.kernelPackages = {
      kernel.version = "6.18.0";
      nvidiaPackages = lib.genAttrs [ "stable" "production" "legacy_580" "dc_580" ] driver;
    };
    networking.hostName = host.system.hostname or "host";
    system.build.toplevel = "<toplevel>";
    users = {
      users = { };
      groups = { };
    };
    age.secrets = { };
  };
  darwin = {
    networking.hostName = host.system.hostname or "host";
    system.build.toplevel = "<toplevel>";
    users = {
      users = { };
      groups = { };
    };
  };
}
