# sshd: keys only. Adds to the ways in, never takes the operator's away.
{
  cluster,
  host,
  lib,
  ...
}:
let
  facts = host.ssh;
  # What a platform's profile says of sshd, such as Linode's, gives way to the facts.
  fact = lib.mkOverride 90;
  withKeys = lib.filterAttrs (_: user: user.keys != [ ]) (host.system.users or { });
in
{
  config = lib.mkIf (host ? ssh) {
    services.openssh = {
      enable = true;
      # At both while the port is on the move.
      ports = lib.unique [
        facts.port
        host.connection.port
      ];
      settings = {
        PubkeyAuthentication = true;
        PasswordAuthentication = fact false;
        KbdInteractiveAuthentication = fact false;
        PermitEmptyPasswords = false;
        PermitRootLogin = fact facts.permit_root_login;
        AllowUsers = lib.unique (facts.allow_users ++ [ host.connection.user ]);
        MaxAuthTries = facts.max_auth_tries;
        LoginGraceTime = facts.login_grace_seconds;
        ClientAliveInterval = facts.client_alive_interval_seconds;
        ClientAliveCountMax = 3;
        X11Forwarding = fact false;
        UseDns = fact false;
      };
    };

    # Keys in home directories stay good; these are beside them, in /etc/ssh/authorized_keys.d.
    users.users = lib.mapAttrs (_: user: { openssh.authorizedKeys.keys = user.keys; }) (
      withKeys // cluster.operators
    );
  };
}
