# Production trading VM in Sydney. Managed as it is (Ubuntu), never reinstalled
# by accident; NixOS is an explicit change of `platform`.
{
  description = "Linode Sydney: production trading over FIX to IBKR and the ASX";
  platform = "ubuntu";
  architecture = "x86_64";
  tags = [
    "linux"
    "production"
    "trading"
    "wan"
  ];
  connection.address = "172.105.183.244";

  hardware = {
    board = "Linode dedicated";
    cpu = {
      model = "AMD EPYC (8 dedicated vCPUs)";
      cores = 8;
      threads = 8;
    };
    memory_gib = 16;
    disks = [ "sda (system)" ];
    nics = [ "virtio_net" ];
    power_supply = null;
    ups = null;
  };

  system = {
    hostname = "linode";
    unattended_upgrades.blacklist = [
      "linux-image-"
      "linux-headers-"
      "linux-modules-"
      "libssl"
      "libc6"
    ];
    needrestart_exempt = [ "trading" ];
  };

  ssh = { };
  time = { };

  network = {
    # The provider's network helper owns eth0; only kernel settings are ours.
    interfaces = { };
    sysctl = {
      "net.core.default_qdisc" = "fq";
      "net.ipv4.tcp_congestion_control" = "bbr";
      "net.ipv4.tcp_mtu_probing" = "1";
      "net.core.netdev_max_backlog" = "16384";
    };
  };

  firewall = {
    output = "drop";
    services = [
      {
        name = "ssh";
        protocol = "tcp";
        ports = [ 22 ];
        from = [ ];
        interfaces = [ ];
      }
    ];
    egress = [
      {
        name = "dns-udp";
        protocol = "udp";
        ports = [ 53 ];
        to = [ ];
      }
      {
        name = "dns-tcp";
        protocol = "tcp";
        ports = [ 53 ];
        to = [ ];
      }
      {
        name = "ntp";
        protocol = "udp";
        ports = [ 123 ];
        to = [ ];
      }
      {
        name = "dhcp";
        protocol = "udp";
        ports = [ 67 ];
        to = [ ];
      }
      {
        name = "web";
        protocol = "tcp";
        ports = [
          80
          443
        ];
        to = [ ];
      }
      # IB Gateway, TCP 4000 and 4001 (TLS).
      {
        name = "ib-gateway";
        protocol = "tcp";
        ports = [
          4000
          4001
        ];
        to = [ ];
      }
    ];
  };

  storage = {
    mounts = { };
    min_free_gib."/" = 10;
  };

  # If it ever becomes NixOS: an image to upload.
  image = {
    kind = "linode";
    size_gib = 6;
  };

  kernel = {
    flavour = "stock";
    command_line = [
      "preempt=full"
      "nmi_watchdog=0"
      "skew_tick=1"
      "console=ttyS0,19200n8"
    ];
    modules = [ "tcp_bbr" ];
    sysctl = {
      "vm.swappiness" = "1";
      "kernel.io_uring_disabled" = "1";
    };
    io_uring_group = "trading";
    symbols = {
      IO_URING = "y";
      HUGETLBFS = "y";
      RT_GROUP_SCHED = "n";
      BPF_SYSCALL = "y";
      DEBUG_INFO_BTF = "y";
    };
  };

  # Half the world away: copied store paths are compressed.
  nix.compress = true;

  hugepages = {
    size_kib = 2048;
    count = 2048;
    mount = "/mnt/huge";
    group = "trading";
    transparent = "madvise";
  };

  realtime = {
    isolated_cpus = [
      4
      5
      6
      7
    ];
    max_priority = 80;
    rt_runtime_us = 950000;
    # The hypervisor owns frequency scaling.
    governor = null;
    group = "trading";
  };

  trading = {
    user = "trading";
    group = "trading";
    directory = "/opt/trading";
    state_directory = "/var/lib/trading";
    start_at_boot = true;
    cpus = [
      4
      5
      6
      7
    ];
    priority = 50;
    inference_socket = null;
    # No restart of the engine while the exchange is open, except with --force.
    session = {
      timezone = "Australia/Sydney";
      days = "Mon-Fri";
      open = "10:00";
      close = "16:12";
    };
    fix = {
      broker = "IBKR";
      venue = "ASX";
      # IB Gateway bridges the engine's FIX session; ports are the broker's.
      gateway_host = "127.0.0.1";
      gateway_ports = [
        4000
        4001
      ];
    };
    # Built on any machine for x86-64-v3; `verify` copies and tries it before it is released.
    engine = {
      artifact = "dist/trading-engine";
      build = [ ];
      version_arguments = [ "--version" ];
      version = null;
    };
    # Under a hypervisor, wake-ups are later than on bare metal.
    probe = {
      memlock_mib = 256;
      cycles = 5000;
      interval_us = 1000;
      max_jitter_us = 1000;
      echoes = 2000;
    };
  };
}
