# sshd: keys only. It adds ways to log in and never removes the operator's.
{
  cluster,
  host,
  lib,
  ...
}:
let
  facts = host.ssh;
  # The facts override a platform's profile, such as Linode's.
  fact = lib.mkOverride 90;
  withKeys = lib.filterAttrs (_: user: user.keys != [ ]) (host.system.users or { });
in
{
  config = lib.mkIf (host ? ssh) {
    services.openssh = {
      enable = true;
      # Both ports, while the port is being changed.
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

    # Keys in home directories stay valid; these are added in /etc/ssh/authorized_keys.d.
    users.users = lib.mapAttrs (_: user: { openssh.authorizedKeys.keys = user.keys; }) (
      withKeys // cluster.operators
    );
  };
}
