# Any number of vLLM servers, each its own unit. nixpkgs has no module for it, and its package is years behind: the
# Python environment is /opt/vllm/<version>, made from wheels as on Ubuntu.
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
  service = import ./nixos/service.nix;

  # The link of a model of `models` is switched beside the system.
  pinned =
    instance:
    let
      snapshots = builtins.attrValues (host.models.snapshots or { });
      isServed = snapshot: "${snapshot.folder}/current" == instance.model.path;
      hash = snapshot: builtins.hashString "sha256" (builtins.toJSON snapshot.manifest);
    in
    map hash (builtins.filter isServed snapshots);

  # Where it listens, as options of vLLM.
  listens =
    instance:
    if instance ? socket then
      [ "--uds ${instance.socket}" ]
    else
      [
        "--host ${instance.address}"
        "--port ${toString instance.port}"
      ];

  # What curl asks for its health.
  health =
    instance:
    if instance ? socket then
      "--unix-socket ${instance.socket} http://localhost/health"
    else if lib.hasInfix ":" instance.address then
      "'http://[${instance.address}]:${toString instance.port}/health'"
    else
      "http://${instance.address}:${toString instance.port}/health";

  arguments =
    instance:
    [
      instance.model.path
      "--served-model-name ${instance.model.served_name}"
    ]
    ++ listens instance
    ++ [ "--dtype ${instance.dtype}" ]
    ++ lib.optional (instance ? kv_cache_dtype) "--kv-cache-dtype ${instance.kv_cache_dtype}"
    ++ lib.optional (
      lib.length instance.gpus > 1
    ) "--tensor-parallel-size ${toString (lib.length instance.gpus)}"
    ++ [
      "--max-model-len ${toString instance.max_model_len}"
      "--max-num-seqs ${toString instance.max_num_seqs}"
      "--gpu-memory-utilization ${builtins.toJSON instance.gpu_memory_utilization}"
      "--disable-fastapi-docs"
      "--disable-access-log-for-endpoints /health,/metrics"
      "--enable-per-request-metrics"
    ];

  unit =
    name: instance:
    {
      description = "vLLM inference server for ${instance.model.id}";
      documentation = [ "https://docs.vllm.ai" ];
      after = [
        "network-online.target"
        "nvidia-persistenced.service"
        "nvidia-power-limit.service"
      ]
      # Where both use a GPU, each counts what is free there while it loads: one starts after the other.
      ++ map (other: "${other}.service") (
        lib.filter (
          other: other < name && lib.any (gpu: lib.elem gpu instance.gpus) facts.instances.${other}.gpus
        ) (lib.attrNames facts.instances)
      );
      wants = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      unitConfig = {
        RequiresMountsFor = literal instance.model.path;
        # The environment and the key are installed after the first apply; until then systemd skips it.
        ConditionPathExists = [
          "/opt/vllm/current/bin/vllm"
          "/etc/deployctl/secrets/${instance.credential}"
        ];
      };
      # agenix opens another value at the same path: it is the encrypted file that changes.
      restartTriggers = [
        facts.version
      ]
      ++
        lib.optional ((host.secrets.files or { }) ? ${instance.credential})
          "${secretsFolder + "/${instance.credential}.age"}"
      ++ pinned instance;

      # No CUDA_HOME and no LD_LIBRARY_PATH: vLLM brings its own CUDA, and just-in-time compilation
      # would mix it with the system's toolkit. It does need the driver's own libraries.
      environment = {
        HOME = "/var/lib/${name}";
        HF_HOME = "/var/lib/${name}/hf";
        HF_HUB_OFFLINE = "1";
        VLLM_CACHE_ROOT = "/var/cache/${name}";
        TRITON_CACHE_DIR = "/var/cache/${name}/triton";
        TRITON_LIBCUDA_PATH = "/run/opengl-driver/lib";
        VLLM_NO_USAGE_STATS = "1";
        CUDA_DEVICE_ORDER = "PCI_BUS_ID";
        # The driver shows it the GPUs of DeviceAllow= alone, and numbers these from 0.
        CUDA_VISIBLE_DEVICES = lib.concatMapStringsSep "," toString (
          lib.genList lib.id (lib.length instance.gpus)
        );
        NIX_LD = "/run/current-system/sw/share/nix-ld/lib/ld.so";
        NIX_LD_LIBRARY_PATH = "/run/current-system/sw/share/nix-ld/lib:/run/opengl-driver/lib";
      };
      path = [
        pkgs.curl
        # For just-in-time compilation.
        pkgs.gcc
      ];

      # The key is passed in the environment: every user of the host can read a command line.
      script = ''
        VLLM_API_KEY=$(cat "$CREDENTIALS_DIRECTORY/api-key")
        export VLLM_API_KEY
        exec /opt/vllm/current/bin/vllm serve ${lib.concatStringsSep " \\\n    " (arguments instance)}
      '';
      # It does not tell systemd when it is ready: the start is complete when it answers.
      postStart = ''
        until curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null ${health instance}; do
            sleep 2
        done
      '';
      serviceConfig = service { inherit facts instance name; };
    }
    # A crash leaves the socket behind, and vLLM binds without unlinking.
    // lib.optionalAttrs (instance ? socket) { preStart = "rm -f ${instance.socket}"; };
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

    systemd.services = lib.mapAttrs unit facts.instances;
  };
}
