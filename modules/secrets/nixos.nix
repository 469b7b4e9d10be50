# Secrets by agenix: it opens them with the host's SSH key, into memory, at activation and at boot.
{
  config,
  host,
  lib,
  pkgs,
  secretsFolder,
  ...
}@arguments:
let
  guard = import ./nixos/guard.nix arguments;
  # Where accounts are made by a service, agenix is one, too, and no part of the activation.
  byActivation = config.system.activationScripts ? agenix;
in
{
  # Without secrets, agenix and its options need not be there; `mkIf` would still want them.
  config = lib.optionalAttrs (host ? secrets) {
    age.secrets = lib.mapAttrs (name: secret: {
      file = secretsFolder + "/${name}.age";
      path = "/etc/deployctl/secrets/${name}";
      owner = secret.owner or "root";
      group = secret.group or "root";
      mode = secret.mode or "0400";
    }) host.secrets.files;
    environment.etc."deployctl/preflight".text = guard.preflight;
    system.activationScripts.deployctl-secrets = {
      deps = lib.optional byActivation "agenix";
      text = lib.optionalString byActivation guard.refuseEmptyAfter;
    };
  };
}
