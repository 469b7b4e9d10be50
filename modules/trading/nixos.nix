# The trading engine's user, rights and unit. Its own deployment puts releases below
# <directory>/releases; the declared configuration is in a folder beside them.
{
  host,
  lib,
  pkgs,
  ...
}:
let
  facts = host.trading;
  inherit (facts) fix session;
  cpus = import ../cpu-list.nix facts.cpus;
  literal = import ../literal.nix;
  asks = facts.inference_socket != null && host ? vllm;
  # The server of vLLM that listens at its socket.
  servers = lib.filter (
    name: (host.vllm.instances.${name}.socket or null) == facts.inference_socket
  ) (lib.attrNames host.vllm.instances);

  environment = lib.concatLines (
    [
      "TRADING_STATE_DIRECTORY=${facts.state_directory}"
      "TRADING_CPUS=${cpus}"
    ]
    ++ lib.optional (host ? hugepages) "TRADING_HUGEPAGES=${host.hugepages.mount}"
    ++ lib.optional (
      facts.inference_socket != null
    ) "TRADING_INFERENCE_SOCKET=${facts.inference_socket}"
    ++ lib.optionals (fix != null) [
      "TRADING_FIX_BROKER=${fix.broker}"
      "TRADING_FIX_VENUE=${fix.venue}"
      "TRADING_FIX_HOST=${fix.gateway_host}"
      "TRADING_FIX_PORTS=${lib.concatMapStringsSep "," toString fix.gateway_ports}"
    ]
  );
in
{
  config = lib.mkIf (host ? trading) {
    users.groups.${facts.group} = { };
    users.users.${facts.user} = {
      isSystemUser = true;
      inherit (facts) group;
      home = facts.state_directory;
      extraGroups = lib.optional asks host.vllm.group;
    };

    systemd.tmpfiles.settings."10-deployctl-trading" = {
      # FIX sequence numbers outlive every release.
      ${literal facts.state_directory}.d = {
        mode = "0750";
        inherit (facts) user group;
      };
      ${literal facts.directory}.d.mode = "0755";
      "${literal facts.directory}/config/current"."L+".argument =
        "${pkgs.writeTextDir "engine.env" environment}";
    };

    # Exits 0 when the engine may be restarted; deployments of the engine call it.
    environment.etc."deployctl/libexec/trading-may-restart" = {
      mode = "0755";
      text = import ./nixos/may-restart.nix { inherit lib session; };
    };

    # Releases are linked for other distributions.
    programs.nix-ld.enable = true;

    systemd.slices.trading = {
      description = "Trading engine";
      before = [ "slices.target" ];
      sliceConfig = {
        AllowedCPUs = cpus;
        # Swapping stalls the engine for longer than an order may take.
        MemorySwapMax = "0";
      };
    };

    systemd.services.trading = {
      description = "Trading engine";
      after = [
        "network-online.target"
        "time-sync.target"
      ]
      ++ lib.optionals asks (map (name: "${name}.service") servers);
      wants = [ "network-online.target" ];
      wantedBy = lib.optional facts.start_at_boot "multi-user.target";
      # A switch never restarts the engine: a change takes effect at its next own start, outside
      # market hours.
      restartIfChanged = false;
      unitConfig = {
        # The first release is deployed after the first apply.
        ConditionPathExists = "${literal facts.directory}/current/bin/trading_engine";
        # A session that keeps breaking needs a person.
        StartLimitIntervalSec = 300;
        StartLimitBurst = 3;
      }
      // lib.optionalAttrs (host ? hugepages) { RequiresMountsFor = literal host.hugepages.mount; };
      serviceConfig = import ./nixos/service.nix { inherit cpus host lib; };
    };
  };
}
