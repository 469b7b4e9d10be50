# Remote Login: keys only.
{
  host,
  hostName,
  lib,
  ...
}:
let
  inherit (host) ssh;
in
lib.mkIf (host ? ssh) {
  assertions = [
    {
      assertion = ssh.port == 22;
      message = "hosts/${hostName}/default.nix: set `ssh.port` to 22; on a Mac launchd owns the socket, and sshd's `Port` does nothing";
    }
  ];

  services.openssh.enable = true;

  # The first value wins: sorts before 100-macos.conf.
  environment.etc."ssh/sshd_config.d/000-deployctl.conf".text = ''
    # Managed by deployctl: change the inventory, not this file.
    PermitRootLogin ${ssh.permit_root_login}
    PasswordAuthentication no
    KbdInteractiveAuthentication no
    PubkeyAuthentication yes
    AllowUsers ${toString (lib.unique (ssh.allow_users ++ [ host.connection.user ]))}
    MaxAuthTries ${toString ssh.max_auth_tries}
    LoginGraceTime ${toString ssh.login_grace_seconds}
    ClientAliveCountMax 3
    ClientAliveInterval ${toString ssh.client_alive_interval_seconds}
    X11Forwarding no
  ''
  # nix-darwin has sshd ask a command for the declared keys.
  + lib.optionalString (ssh.exclusive_keys or false) ''
    AuthorizedKeysFile none
    TrustedUserCAKeys none
    HostbasedAuthentication no
    GSSAPIAuthentication no
  '';

  # launchd starts sshd for each connection, so an invalid file would lock everybody out at once.
  system.activationScripts.postActivation.text = ''
    echo 'checking sshd...' >&2
    /usr/sbin/sshd -t
  '';
}
