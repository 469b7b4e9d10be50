# sshd: keys only. It adds ways to log in and never removes the operator's.
{
  cluster,
  host,
  lib,
  ...
}:
let
  facts = host.ssh;
  exclusive = facts.exclusive_keys or false;
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
      }
      // lib.optionalAttrs exclusive {
        AuthorizedKeysCommand = "none";
        TrustedUserCAKeys = "none";
        HostbasedAuthentication = false;
      };
    }
    // lib.optionalAttrs exclusive { authorizedKeysInHomedir = false; };

    # These are in /etc/ssh/authorized_keys.d; keys in home directories stay valid beside them unless facts say otherwise.
    users.users = lib.mapAttrs (_: user: { openssh.authorizedKeys.keys = user.keys; }) (
      withKeys // cluster.operators
    );
  };
}
