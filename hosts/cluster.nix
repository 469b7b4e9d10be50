# What is true of every host: who operates them, how they are linked, and the
# defaults that a host file may override attribute by attribute.
{
  cluster = {
    name = "home";

    # Who can log in. Every host's connection.user is one of these; deployctl refuses
    # a plan after which none of an operator's keys could log in.
    operators = {
      operator = {
        # Replace with your own: this key's private half was never kept.
        keys = [
          "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkS6uGBo5FVxjcBcmTzEDBLNVCPqcNJD/sAqVrs1bEb operator@macbook"
        ];
      };
    };

    # Point-to-point and shared segments. Addresses of endpoints end up in each
    # peer's hosts file; verification measures each link against its thresholds.
    links = {
      # 10 GbE. The seed's SFP+ DAC cannot meet the Mac's RJ45 port: an X540/X550
      # NIC on Cat6a is assumed, driven by ixgbe all the same (findings below).
      lan10g = {
        subnet = "10.0.0.0/24";
        mtu = 9000;
        endpoints = {
          cuda = {
            interface = "cluster0";
            address = "10.0.0.1";
          };
          mac-mini = {
            interface = "en0";
            address = "10.0.0.2";
          };
        };
        # MTU 1500 tops out at 9.415 Gbit/s of TCP payload, so 9.4 needs MTU 9000.
        min_gbits = 9.4;
        max_rtt_ms = 1.0;
        measure = {
          port = 5201;
          seconds = 10;
          streams = 4;
          pings = 20;
        };
      };
    };

    # Where a wish cannot work: what is declared instead, and why.
    findings = [
      {
        topic = "10GbE cable";
        wish = "X520-DA1 with an SFP+ DAC to the Mac mini";
        declared = "an RJ45 10GBASE-T NIC (X540-T1 or X550-T1, driver ixgbe) on Cat6a, to a Mac mini ordered with 10 GbE";
        reason = "the Mac mini has an RJ45 port only, and ixgbe rejects most 10GBASE-T SFP+ modules even with allow_unsupported_sfp=1";
        source = "intel/ethernet-linux-ixgbe#36";
      }
      {
        topic = "vLLM on CUDA 12.6";
        wish = "one CUDA 12.6 for the toolkit, PyTorch and vLLM";
        declared = "nvcc 12.6 system-wide; vLLM brings its own CUDA runtime in its venv; driver branch 580 serves both";
        reason = "vLLM publishes no cu126 wheels since the 0.10 series";
        source = "vllm-project/vllm#42756";
      }
      {
        topic = "9.4 Gbit/s";
        wish = "iperf3 at 9.4 Gbit/s or more";
        declared = "MTU 9000 on both ends, asserted before the measurement";
        reason = "at MTU 1500 the best TCP payload rate is 9.415 Gbit/s, so the check would flake";
        source = "10 x 1448/1538 Gbit/s";
      }
      {
        topic = "latency below 100 ms";
        wish = "vLLM latency below 100 ms for Llama 3.1 8B";
        declared = "time to first token, p95, 128-token prompt, concurrency 1, warm, prefix cache off";
        reason = "a 512-token prompt cannot meet 100 ms in bf16 even at the GPU's peak rate";
        source = "16.06 GB of weights at 936 GB/s; 71 TFLOP/s peak";
      }
      {
        topic = "70B on the Mac mini";
        wish = "a 70B model hosted in 48 GB of unified memory";
        declared = "a 32B model in 4 bits; 70B by raising mlx.wired_limit_mib";
        reason = "70B in 4 bits is 39.1 GB or more; the GPU's default limit is about 36 GiB, and raised limits have been seen to panic the kernel";
        source = "ml-explore/mlx-lm#883";
      }
      {
        topic = "TensorRT latency";
        wish = "inference in less than a microsecond";
        declared = "less than a millisecond, measured over the Unix socket from the trading path";
        reason = "launching one kernel on a GPU takes several microseconds already";
        source = "the seed's own trading integration asks for less than a millisecond";
      }
      {
        topic = "Thunderbolt between the Macs";
        wish = "Thunderbolt 4 from the Mac mini to the MacBook";
        declared = "no link: both are reached over the home network";
        reason = "the M4 Pro has Thunderbolt 5 and falls back to 4; the cable carries a network only while the MacBook is at the desk";
        source = "Apple's specifications of the Mac mini (2024)";
      }
    ];
  };

  defaults = {
    all = {
      tags = [ ];
      connection = {
        port = 22;
        user = "operator";
        jump = null;
      };
    };

    # For ubuntu and nixos: a host that changes its platform keeps these.
    linux = {
      connection.become = "sudo";
      system = {
        timezone = "Australia/Sydney";
        journald = {
          max_use_mib = 2048;
          max_retention_days = 90;
        };
        unattended_upgrades = {
          blacklist = [ ];
          automatic_reboot = false;
        };
        # Services that a library update must not restart.
        needrestart_exempt = [ ];
        # Hardware watchdog: null leaves it off.
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
        pools = [ "au.pool.ntp.org" ];
        servers = [
          "time.cloudflare.com"
          "time.google.com"
          "time1.google.com"
          "time2.google.com"
        ];
        makestep = {
          threshold_seconds = 1.0;
          limit = 3;
        };
        max_offset_ms = 1.0;
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
      # How the host gets a system that Nix builds.
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
      connection.become = "sudo";
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
