# What a host does about secrets that it cannot open, or that hold nothing, on NixOS and macOS alike.
{
  config,
  host,
  lib,
  pkgs,
  secretsFolder,
  ...
}:
let
  names = lib.attrNames host.secrets.files;
  # The program for all secrets; MORE is what it takes beside them.
  try = more: ''
    set -- ${config.age.ageBin or "${pkgs.age}/bin/age"} '${toString config.age.identityPaths}' '${
      toString (map (name: "${name}:${secretsFolder + "/${name}.age"}") names)
    }'${more}
    ${lib.readFile ../ubuntu/etc/deployctl/libexec/try-secrets}
  '';
in
{
  # An apply runs it before it changes anything.
  preflight = try "";
  # For macOS, where a daemon opens them once the activation is over.
  refuseEmptyBefore = ''
    (
    ${try " empty"}
    )
  '';
  # For NixOS, where the activation has opened them by then.
  refuseEmptyAfter = ''
    deployctl_secrets='${toString names}'
    ${lib.readFile ./refuse-empty.sh}
  '';
}
