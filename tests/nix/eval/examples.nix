# Hosts in addition to our own, by platform, so that every concern of every platform is evaluated.
{
  # Ubuntu's modules are rendered with this host, too.
  nixos.debian = builtins.fromJSON (builtins.readFile ../../fixtures/sample-host.json);

  # Files that NixOS puts elsewhere than their path says.
  nixos.example = {
    platform = "nixos";
    architecture = "x86_64";
    hardware.cpu.threads = 2;
    # Answers for itself below `.local`.
    connection = {
      address = "example.local";
      port = 22;
      user = "operator";
    };
    ssh = {
      port = 22;
      permit_root_login = "no";
      allow_users = [ "operator" ];
      max_auth_tries = 4;
      login_grace_seconds = 30;
      client_alive_interval_seconds = 60;
      exclusive_keys = true;
    };
    secrets.files = {
      api-key = { };
      ups-password = {
        owner = "nut";
        group = "nut";
        mode = "0440";
      };
      vllm-api-key = { };
    };
    storage.mounts."/data" = {
      source = "UUID=6a1bd4f0-5bd1-4a4b-a0a5-0f4c2c6f8d11";
      fs_type = "xfs";
      options = [ ];
    };
    hugepages = {
      size_kib = 1048576;
      count = 4;
      mount = "/mnt/huge%1G";
      group = "pages";
      transparent = "never";
    };
    nvidia = {
      gpu = {
        name = "NVIDIA GeForce RTX 3090";
        count = 2;
      };
      branch = 580;
      open_modules = true;
      persistence = true;
      power_limit_watts = 300;
      modules = [ "nvidia" ];
    };
    python = {
      uv = {
        wheel = {
          path = "uv-0.13.9-py3-none-musllinux_1_1_x86_64.whl";
          size = 1;
          sha256 = "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19";
        };
        mirror = "https://mirror.example/uv";
      };
      environments.serving = {
        path = "/opt/vllm/current";
        project = {
          pyproject = "";
          lock = "";
          python = "/run/current-system/sw/bin/python3.12";
        };
      };
    };
    release.programs.engine = {
      folder = "/opt/engine";
      archive = {
        path = "engine.tar.gz";
        size = 1;
        sha256 = "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19";
      };
      mirror = "https://mirror.example/engine";
      executables = [ "bin/engine" ];
    };
    models.snapshots.tiny = {
      manifest = {
        repository = "org/tiny";
        revision = "0123456789abcdef0123456789abcdef01234567";
        files = [ ];
      };
      folder = "/srv/models/tiny";
      hub = "https://hub.example";
    };
    vllm = {
      version = "0.33.0";
      user = "vllm";
      group = "inference";
      instances = {
        vllm = {
          model = {
            id = "org/model";
            path = "/srv/models/100%";
            served_name = "model";
          };
          gpus = [
            0
            1
          ];
          socket = "/run/vllm/vllm.sock";
          credential = "vllm-api-key";
          dtype = "bfloat16";
          max_model_len = 4096;
          max_num_seqs = 8;
          gpu_memory_utilization = 0.6;
          start_timeout_seconds = 300;
        };
        vllm-small = {
          model = {
            id = "org/small";
            path = "/srv/models/small";
            served_name = "small";
          };
          gpus = [ 1 ];
          address = "::1";
          port = 8001;
          credential = "vllm-api-key";
          dtype = "auto";
          kv_cache_dtype = "fp8";
          max_model_len = 2048;
          max_num_seqs = 4;
          gpu_memory_utilization = 0.2;
          start_timeout_seconds = 120;
        };
      };
    };
    extra = {
      files =
        map
          (
            file:
            {
              mode = "0644";
              owner = "root";
              group = "root";
            }
            // file
          )
          [
            {
              path = "/etc/systemd/system/report.service";
              content = "[Service]\nExecStart=/srv/report/run\n";
            }
            {
              path = "/etc/systemd/system/nginx.service.d/limits.conf";
              content = "[Service]\nLimitNOFILE=4096\n";
            }
            {
              path = "/etc/sudoers.d/report";
              content = "report ALL=(root) /srv/report/run\n";
              mode = "0440";
            }
            {
              path = "/etc/ssh/sshd_config.d/report.conf";
              content = "Match User report\nAllowTcpForwarding no\n";
            }
            {
              path = "/etc/udev/rules.d/70-report.rules";
              content = "SUBSYSTEM==\"tty\", KERNEL==\"ttyUSB%n\", GROUP=\"report\"\n";
            }
            {
              path = "/etc/systemd/user/report.timer";
              content = "[Timer]\nOnCalendar=daily\n";
            }
            {
              path = "/srv/report/config";
              content = "every \"day\" of %H at %-d\n";
              owner = "report";
              mode = "0640";
            }
          ];
      packages.jq = null;
      checks.report-size = {
        command = "du -sm /srv/report";
        status = 0;
        matches = "^[0-9]+\t/srv/report$";
        deadline_seconds = 10;
        retries = 0;
        gate = false;
      };
      units = {
        "report.service" = {
          enabled = true;
          running = true;
          restart_on = [
            "/etc/systemd/system/report.service"
            "/srv/report/config"
            "/etc/deployctl/sealed/api-key.age"
          ];
        };
        "unwanted.service" = {
          enabled = false;
          running = null;
          restart_on = [ ];
        };
      };
    };
  };

  darwin.example-mac = {
    platform = "darwin";
    architecture = "aarch64";
    secrets.files.api-key = { };
    tags = [ ];
    connection = {
      address = "example-mac.local";
      port = 22;
      user = "operator";
      jump = null;
      become = "sudo";
    };
    system = {
      hostname = "example-mac";
      timezone = "Europe/Berlin";
    };
    ssh = {
      port = 22;
      permit_root_login = "no";
      allow_users = [ "guest" ];
      max_auth_tries = 4;
      login_grace_seconds = 30;
      client_alive_interval_seconds = 60;
      exclusive_keys = true;
    };
    network.interfaces.en7 = {
      service = "USB 10/100/1000 LAN";
      addresses = [ "192.168.7.2/22" ];
      gateway = "192.168.4.1";
      mtu = 1500;
    };
    python = {
      uv = {
        wheel = {
          path = "uv-0.13.9-py3-none-macosx_11_0_arm64.whl";
          size = 1;
          sha256 = "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19";
        };
        mirror = "https://mirror.example/uv";
      };
      environments.serving = {
        path = "/opt/mlx/current";
        project = {
          pyproject = "";
          lock = "";
          python = "/run/current-system/sw/bin/python3.12";
        };
      };
    };
    release.programs.engine = {
      folder = "/opt/engine";
      archive = {
        path = "engine.tar.gz";
        size = 1;
        sha256 = "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19";
      };
      mirror = "https://mirror.example/engine";
      executables = [ "bin/engine" ];
    };
    models.snapshots.tiny = {
      manifest = {
        repository = "org/tiny";
        revision = "0123456789abcdef0123456789abcdef01234567";
        files = [ ];
      };
      folder = "/opt/models/tiny";
      hub = "https://hub.example";
    };
    mlx = {
      model = {
        id = "mlx-community/Llama-3.3-70B-Instruct-4bit";
        path = "/opt/models/tiny/current";
        served_name = "llama-70b";
      };
      wired_limit_mib = 43008;
      host = "127.0.0.1";
      port = 8080;
      user = "_mlx";
      decode_concurrency = 1;
      prompt_concurrency = 1;
      prompt_cache_size = 4;
      prompt_cache_mib = 2048;
      exit_timeout_seconds = 120;
      restart_throttle_seconds = 60;
    };
    power = {
      computer_sleep = 15;
      restart_after_power_failure = false;
    };
    nix = {
      state_version = "6";
      build_on = "controller";
      substitute = true;
      compress = false;
      substituters = [ "https://cache.nixos.org" ];
      trusted_public_keys = [ "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
    };
    extra = {
      files = [
        {
          path = "/etc/motd";
          mode = "0644";
          owner = "root";
          group = "wheel";
          content = "hello\n";
        }
      ];
      packages.jq = null;
      checks.assessments = {
        command = "spctl --status";
        status = 0;
        contains = [ "assessments enabled" ];
        deadline_seconds = 10;
        retries = 0;
        gate = false;
      };
    };
  };
}
