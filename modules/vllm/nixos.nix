# vLLM behind a unix socket that one group may use. nixpkgs has no module for it, and its package is
# years behind: the Python environment is /opt/vllm/<version>, made from wheels as on Ubuntu.
{
  host,
  lib,
  pkgs,
  secretsFolder,
  ...
}:
let
  facts = host.vllm;
  literal = import ../literal.nix;
  secret = "/etc/deployctl/secrets/${facts.credential}";
  arguments = [
    facts.model.path
    "--served-model-name ${facts.model.served_name}"
    "--uds ${facts.socket}"
    "--dtype ${facts.dtype}"
    "--max-model-len ${toString facts.max_model_len}"
    "--max-num-seqs ${toString facts.max_num_seqs}"
    "--gpu-memory-utilization ${builtins.toJSON facts.gpu_memory_utilization}"
    "--disable-fastapi-docs"
    "--disable-access-log-for-endpoints /health,/metrics"
    "--enable-per-request-metrics"
  ];
in
{
  config = lib.mkIf (host ? vllm) {
    users.groups.${facts.group} = { };
    users.users.${facts.user} = {
      isSystemUser = true;
      inherit (facts) group;
      home = "/var/lib/vllm";
    };

    # The key itself comes from an encrypted file and never enters the Nix store.
    systemd.tmpfiles.settings."10-deployctl-vllm" = {
      "/etc/deployctl/secrets".d.mode = "0700";
      "/opt/vllm/current"."L+".argument = facts.version;
    };

    # Wheels, and the Python that uv brings, are linked for other distributions.
    programs.nix-ld.enable = true;

    systemd.services.vllm = {
      description = "vLLM inference server for ${facts.model.id}";
      documentation = [ "https://docs.vllm.ai" ];
      after = [
        "network-online.target"
        "nvidia-persistenced.service"
        "nvidia-power-limit.service"
      ];
      wants = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      unitConfig = {
        RequiresMountsFor = literal facts.model.path;
        # The environment and the key are installed after the first apply; until then systemd skips it.
        ConditionPathExists = [
          "/opt/vllm/current/bin/vllm"
          secret
        ];
      };
      # agenix opens another value at the same path: it is the encrypted file that changes.
      restartTriggers = [
        facts.version
      ]
      ++
        lib.optional ((host.secrets.files or { }) ? ${facts.credential})
          "${secretsFolder + "/${facts.credential}.age"}";

      # No CUDA_HOME and no LD_LIBRARY_PATH: vLLM brings its own CUDA, and just-in-time compilation
      # would mix it with the system's toolkit. It does need the driver's own libraries.
      environment = {
        HOME = "/var/lib/vllm";
        HF_HOME = "/var/lib/vllm/hf";
        HF_HUB_OFFLINE = "1";
        VLLM_CACHE_ROOT = "/var/cache/vllm";
        TRITON_CACHE_DIR = "/var/cache/vllm/triton";
        TRITON_LIBCUDA_PATH = "/run/opengl-driver/lib";
        VLLM_NO_USAGE_STATS = "1";
        CUDA_DEVICE_ORDER = "PCI_BUS_ID";
        NIX_LD = "/run/current-system/sw/share/nix-ld/lib/ld.so";
        NIX_LD_LIBRARY_PATH = "/run/current-system/sw/share/nix-ld/lib:/run/opengl-driver/lib";
      };
      path = [
        pkgs.curl
        # For just-in-time compilation.
        pkgs.gcc
      ];

      # A crash leaves the socket behind, and vLLM binds without unlinking.
      preStart = "rm -f ${facts.socket}";
      # The key is passed in the environment: every user of the host can read a command line.
      script = ''
        VLLM_API_KEY=$(cat "$CREDENTIALS_DIRECTORY/api-key")
        export VLLM_API_KEY
        exec /opt/vllm/current/bin/vllm serve ${lib.concatStringsSep " \\\n    " arguments}
      '';
      # It does not tell systemd when it is ready: the start is complete when it answers.
      postStart = ''
        until curl --silent --fail --max-time 5 --output /dev/null --unix-socket ${facts.socket} http://localhost/health; do
            sleep 2
        done
      '';

      serviceConfig = {
        User = facts.user;
        Group = facts.group;
        UMask = "0007";
        RuntimeDirectory = "vllm";
        RuntimeDirectoryMode = "0750";
        StateDirectory = "vllm";
        CacheDirectory = "vllm";
        LoadCredential = "api-key:${secret}";
        TimeoutStartSec = facts.start_timeout_seconds;
        Restart = "on-failure";
        RestartSec = 15;
        LimitMEMLOCK = "infinity";
        LimitNOFILE = 65536;
        # Neither PrivateDevices= nor MemoryDenyWriteExecute=: it needs the GPU and compiles as it runs.
        DevicePolicy = "closed";
        DeviceAllow =
          if host.nvidia.gpu.count or 1 > 1 then
            # Every GPU, whatever its number, and the devices by which GPUs talk to each other.
            [ "char-nvidia* rw" ]
          else
            [
              "/dev/nvidia0 rw"
              "/dev/nvidiactl rw"
              "/dev/nvidia-uvm rw"
              "/dev/nvidia-uvm-tools rw"
            ];
        NoNewPrivileges = "yes";
        ProtectSystem = "strict";
        ProtectHome = "yes";
        PrivateTmp = "yes";
        ReadOnlyPaths = literal facts.model.path;
        RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6 AF_NETLINK";
      };
    };
  };
}
