# What a host does about secrets that it cannot open, or that hold nothing, on NixOS and macOS alike.
{
  lib,
  pkgs,
  secretsFolder,
}:
files:
let
  names = lib.attrNames files;
in
{
  # An apply runs it before it changes anything.
  preflight = ''
    set -- ${pkgs.age}/bin/age /etc/ssh/ssh_host_ed25519_key '${
      toString (map (name: "${name}:${secretsFolder + "/${name}.age"}") names)
    }'
    ${lib.readFile ../ubuntu/etc/deployctl/libexec/try-secrets}
  '';
  # The activation runs it once agenix has opened them.
  refuseEmpty = ''
    deployctl_secrets='${toString names}'
    ${lib.readFile ./refuse-empty.sh}
  '';
}
