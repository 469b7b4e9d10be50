# Apple MLX node: a second inference server with 48 GB of unified memory.
{
  description = "Mac mini M4 Pro: MLX inference";
  platform = "darwin";
  architecture = "aarch64";
  tags = [
    "mac"
    "inference"
  ];
  connection.address = "mac-mini.local";

  hardware = {
    board = "Mac mini (2024)";
    cpu = {
      model = "Apple M4 Pro";
      cores = 14;
      threads = 14;
    };
    memory_gib = 48;
    memory = "unified, 273 GB/s";
    gpu = "20 cores, Metal";
    disks = [ "internal" ];
    nics = [ "10GBASE-T (build to order)" ];
    power_supply = null;
    ups = null;
  };

  system = {
    hostname = "mac-mini";
    timezone = "Australia/Sydney";
  };

  network = {
    interfaces.en0 = {
      service = "Ethernet";
      addresses = [ "10.0.0.2/24" ];
      mtu = 9000;
    };
  };

  mlx = {
    model = {
      id = "mlx-community/Qwen2.5-32B-Instruct-4bit";
      served_name = "mlx-qwen2.5-32b";
      # 32.8e9 parameters at 4.5 bits.
      weights_mib = 17579;
    };
    # What the memory plan of `inventory --check` reckons with; docs/hosts.md has one for 70B.
    kv_cache = {
      context_tokens = 8192;
      layers = 64;
      kv_heads = 8;
      head_dim = 128;
    };
    # A 70B model in 4 bits needs a raised limit.
    wired_limit_mib = null;
    host = "10.0.0.2";
    port = 8080;
    user = "_mlx";
    decode_concurrency = 8;
    prompt_concurrency = 1;
    prompt_cache_size = 10;
    prompt_cache_mib = 2048;
    # Before the first answer, 18 GB are read from disk.
    load_timeout_seconds = 180;
    # macOS gives agents 60 at most, whatever they ask for; whether daemons get more is unknown.
    exit_timeout_seconds = 60;
    restart_throttle_seconds = 30;
  };

  power = {
    computer_sleep = "never";
    restart_after_power_failure = true;
  };
}
