# Secrets by agenix: it opens them with the host's SSH key at activation and at boot.
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
in
{
  # Without secrets, agenix and its options need not be there; `mkIf` would still want them.
  config = lib.optionalAttrs (host ? secrets) {
    age.secrets = lib.mapAttrs (name: secret: {
      file = secretsFolder + "/${name}.age";
      path = "/etc/deployctl/secrets/${name}";
      owner = secret.owner or "root";
      group = secret.group or "wheel";
      mode = secret.mode or "0400";
    }) host.secrets.files;
    environment.etc."deployctl/preflight".text = guard.preflight;
    # agenix opens them by a daemon, so all that an activation can do is to refuse before it begins.
    system.activationScripts.preActivation.text = lib.mkBefore guard.refuseEmptyBefore;
  };
}
