# Name, time zone, and the operators' keys.
{
  cluster,
  host,
  lib,
  ...
}:
lib.mkIf (host ? system) {
  nixpkgs.hostPlatform = lib.mkDefault "${host.architecture}-darwin";

  networking = {
    computerName = host.system.hostname;
    hostName = host.system.hostname;
    localHostName = host.system.hostname;
  };

  time.timeZone = host.system.timezone;

  # Their accounts are macOS's own: nix-darwin neither creates nor deletes whom knownUsers does not
  # name. sshd reads these keys beside the account's own authorized_keys.
  users.users = lib.mapAttrs (_: operator: {
    openssh.authorizedKeys.keys = operator.keys;
  }) cluster.operators;
}
