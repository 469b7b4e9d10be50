# Secrets by agenix: it opens them with the host's SSH key, into memory, at activation and at boot.
{
  host,
  lib,
  secretsFolder,
  ...
}:
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
  };
}
