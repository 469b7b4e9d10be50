# What is true of every host: who operates them, and the defaults that a host's own file may override
# attribute by attribute.
{
  cluster = {
    name = "cluster";
    operators.operator.keys = [
      # Your public key, such as the one line of ~/.ssh/id_ed25519.pub. Nobody has the private
      # half of this one.
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkS6uGBo5FVxjcBcmTzEDBLNVCPqcNJD/sAqVrs1bEb operator"
    ];
    links = { };
    findings = [ ];
  };

  defaults = {
    all = {
      tags = [ ];
      connection = {
        port = 22;
        user = "operator";
        jump = null;
        become = "sudo";
      };
    };

    linux = {
      system = {
        timezone = "Etc/UTC";
        journald = {
          max_use_mib = 1024;
          max_retention_days = 30;
        };
        unattended_upgrades = {
          blacklist = [ ];
          automatic_reboot = false;
        };
        needrestart_exempt = [ ];
        watchdog_seconds = null;
        sudo_passwordless = true;
        users = { };
      };
      ssh = {
        port = 22;
        permit_root_login = "prohibit-password";
        allow_users = [
          "operator"
          "root"
        ];
        max_auth_tries = 4;
        login_grace_seconds = 30;
        client_alive_interval_seconds = 60;
      };
      time = {
        pools = [ "pool.ntp.org" ];
        servers = [ "time.cloudflare.com" ];
        makestep = {
          threshold_seconds = 1.0;
          limit = 3;
        };
        max_offset_ms = 10.0;
      };
      firewall = {
        input = "drop";
        output = "accept";
        services = [
          {
            name = "ssh";
            protocol = "tcp";
            ports = [ 22 ];
            from = [ ];
            interfaces = [ ];
          }
        ];
        egress = [ ];
      };
      nix = {
        state_version = "26.05";
        build_on = "controller";
        substitute = true;
        compress = false;
        substituters = [ "https://cache.nixos.org" ];
        trusted_public_keys = [ "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
      };
    };

    ubuntu.os = {
      id = "ubuntu";
      version = "24.04";
    };
    nixos.os = {
      id = "nixos";
      version = "26.05";
    };
    darwin = {
      os = {
        id = "macos";
        version = "26";
      };
      nix = {
        state_version = "6";
        build_on = "controller";
        substitute = true;
        compress = false;
        substituters = [ "https://cache.nixos.org" ];
        trusted_public_keys = [ "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
      };
    };
  };
}
