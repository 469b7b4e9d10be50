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
    };
    # 70B in 4 bits needs a raised wired limit: set it here.
    wired_limit_mib = null;
    host = "10.0.0.2";
    port = 8080;
    user = "_mlx";
    decode_concurrency = 8;
    # Before the first answer, 18 GB are read from disk.
    load_timeout_seconds = 180;
  };

  power = {
    computer_sleep = "never";
    restart_after_power_failure = true;
  };
}
