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

  # macOS owns the operators' accounts: nix-darwin creates and deletes only users in knownUsers. sshd
  # reads these keys in addition to the account's own authorized_keys.
  users.users = lib.mapAttrs (_: operator: {
    openssh.authorizedKeys.keys = operator.keys;
  }) cluster.operators;
}
