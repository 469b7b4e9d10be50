# The Linux CUDA node: full control from kernel to GPU instructions, and the only
# machine at home that can run the trading engine.
{
  description = "Linux CUDA node: RTX 3090, huge pages, vLLM, real-time trading code";
  platform = "ubuntu";
  architecture = "x86_64";
  tags = [
    "linux"
    "gpu"
    "inference"
    "trading"
  ];
  connection.address = "cuda.local";

  hardware = {
    board = "ASUS TUF B550-PLUS";
    cpu = {
      model = "AMD Ryzen 7 5700X";
      cores = 8;
      threads = 16;
    };
    memory_gib = 64;
    memory = "DDR4-3600";
    gpu = "NVIDIA GeForce RTX 3090 24 GB (used)";
    disks = [
      "Samsung 980 Pro 500GB (system)"
      "WD Black SN850X 2TB (models)"
    ];
    nics = [ "10GBASE-T, ixgbe (X540-T1 or X550-T1)" ];
    power_supply = "Corsair RM850x 850 W";
    case = "Fractal Design Meshify 2";
    cooler = "Noctua NH-U12S";
    ups = "CyberPower 1000VA";
  };

  system = {
    hostname = "cuda";
    unattended_upgrades.blacklist = [
      "nvidia-"
      "libnvidia-"
      "cuda-"
      "libcudnn"
      "libnvinfer"
      "libnvonnx"
      "linux-image-"
      "linux-headers-"
      "linux-modules-"
    ];
    needrestart_exempt = [
      "vllm"
      "trading"
    ];
    watchdog_seconds = 60;
  };

  ssh = { };
  time = { };

  network = {
    interfaces.cluster0 = {
      match = {
        driver = "ixgbe";
        mac = null;
      };
      addresses = [ "10.0.0.1/24" ];
      gateway = null;
      dhcp = false;
      mtu = 9000;
      # Descriptors per ring; 4096 is the hardware's maximum.
      rings = {
        rx = 4096;
        tx = 4096;
      };
      # Never block boot on the lab link.
      required_for_boot = false;
    };
    sysctl = {
      "net.core.rmem_max" = "16777216";
      "net.core.wmem_max" = "16777216";
      "net.ipv4.tcp_rmem" = "4096 131072 16777216";
      "net.ipv4.tcp_wmem" = "4096 65536 16777216";
      "net.core.netdev_max_backlog" = "16384";
      "net.ipv4.tcp_mtu_probing" = "1";
    };
  };

  firewall.services = [
    {
      name = "ssh";
      protocol = "tcp";
      ports = [ 22 ];
      from = [ ];
      interfaces = [ ];
    }
    # Only the host itself can answer for the name in `connection.address`.
    {
      name = "mdns";
      protocol = "udp";
      ports = [ 5353 ];
      from = [ ];
      interfaces = [ ];
    }
    {
      name = "inference";
      protocol = "tcp";
      ports = [ 8000 ];
      from = [ "10.0.0.0/24" ];
      interfaces = [ "cluster0" ];
    }
    {
      name = "iperf3";
      protocol = "tcp";
      ports = [ 5201 ];
      from = [ "10.0.0.0/24" ];
      interfaces = [ "cluster0" ];
    }
  ];

  storage = {
    mounts."/srv/models" = {
      # The label set by mkfs; prefer UUID=… once the disk is in the machine.
      source = "LABEL=models";
      fs_type = "ext4";
      options = [
        "noatime"
        "nofail"
        "x-systemd.device-timeout=10s"
      ];
    };
    min_free_gib = {
      "/" = 20;
      "/srv/models" = 100;
    };
  };

  # How NixOS is installed: a disk image and an installer.
  image = {
    kind = "disk";
    # From `ls -l /dev/disk/by-id` on the machine. Until the serial number is filled in, the
    # installer finds no such disk and erases none.
    device = "/dev/disk/by-id/nvme-Samsung_SSD_980_PRO_500GB_SERIAL";
    boot_mib = 1024;
    fs_type = "ext4";
    size_gib = 32;
  };

  kernel = {
    # "stock": the distribution's kernel, tuned by command line. "custom": built
    # from the symbols below, installed beside the stock one.
    flavour = "custom";
    command_line = [
      "preempt=full"
      "amd_pstate=active"
      "iommu=pt"
      "nmi_watchdog=0"
      "skew_tick=1"
      "tsc=reliable"
      "mitigations=auto"
    ];
    modules = [ "tcp_bbr" ];
    sysctl = {
      "vm.swappiness" = "1";
      # io_uring only for members of the group (kernel 6.6 and later).
      "kernel.io_uring_disabled" = "1";
    };
    io_uring_group = "trading";
    # "m" accepts a module or a built-in symbol; "n" means not set.
    symbols = {
      PREEMPT = "y";
      PREEMPT_DYNAMIC = "y";
      # NVIDIA's modules do not build with PREEMPT_RT.
      PREEMPT_RT = "n";
      HZ_1000 = "y";
      NO_HZ_FULL = "y";
      RCU_NOCB_CPU = "y";
      # With cgroup v2 it makes SCHED_FIFO fail with EPERM in every service.
      RT_GROUP_SCHED = "n";
      IO_URING = "y";
      HUGETLBFS = "y";
      CGROUP_HUGETLB = "y";
      HUGETLB_PAGE_OPTIMIZE_VMEMMAP = "y";
      TRANSPARENT_HUGEPAGE = "y";
      TRANSPARENT_HUGEPAGE_MADVISE = "y";
      BPF_SYSCALL = "y";
      BPF_JIT = "y";
      DEBUG_INFO_BTF = "y";
      CGROUP_BPF = "y";
      CGROUPS = "y";
      MEMCG = "y";
      CPUSETS = "y";
      CGROUP_SCHED = "y";
      IXGBE = "m";
      BLK_DEV_NVME = "y";
      R8169 = "m";
      EXT4_FS = "y";
      XFS_FS = "m";
      X86_AMD_PSTATE = "y";
      AMD_IOMMU = "y";
      CPU_FREQ_GOV_PERFORMANCE = "y";
      USB_HID = "m";
      USB_HIDDEV = "y";
      MODULES = "y";
      DRM = "m";
      TRIM_UNUSED_KSYMS = "n";
      KASAN = "n";
      MODULE_SIG_FORCE = "n";
    };
  };

  # 2048 pages of 2 MiB: the trading engine's 4 GiB arena.
  hugepages = {
    size_kib = 2048;
    count = 2048;
    mount = "/mnt/huge";
    group = "trading";
    transparent = "madvise";
  };

  # Ryzen 7 5700X: 8 cores, siblings i and i+8. CPU 0 stays housekeeping.
  realtime = {
    isolated_cpus = [
      4
      5
      6
      7
      12
      13
      14
      15
    ];
    max_priority = 80;
    rt_runtime_us = 950000;
    governor = "performance";
    group = "trading";
  };

  nvidia = {
    gpu = {
      name = "NVIDIA GeForce RTX 3090";
      memory_mib = 24576;
      compute_capability = "8.6";
      pcie_width = 16;
      pcie_generation = 4;
    };
    branch = 580;
    open_modules = true;
    # From Ubuntu's archive; NVIDIA's own repository must not supply the driver.
    packages = {
      nvidia-headless-580-server-open = "580.173.02-0ubuntu0.24.04.1";
      nvidia-utils-580-server = "580.173.02-0ubuntu0.24.04.1";
      nvidia-dkms-580-server-open = "580.173.02-0ubuntu0.24.04.1";
      nvidia-compute-utils-580-server = "580.173.02-0ubuntu0.24.04.1";
    };
    persistence = true;
    # Less than 1 % slower decoding than at 350 W, and within the UPS's budget.
    power_limit_watts = 280;
    modules = [
      "nvidia"
      "nvidia_uvm"
    ];
  };

  # Ubuntu 24.04's own archive has no such CUDA. The key came with Debian's package extrepo-offline-data; its fingerprint is the
  # one that others pin for this archive.
  apt.archives.nvidia = {
    uris = [ "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64" ];
    suites = [ "/" ];
    key = builtins.readFile ./nvidia.asc;
    fingerprints = [ "EB693B3035CD5710E231E123A4B469963BF863CC" ];
  };

  cuda = {
    version = "12.6";
    repository_origin = "NVIDIA CUDA";
    packages = {
      cuda-toolkit-12-6 = "12.6.3-1";
      cuda-nsight-systems-12-6 = "12.6.3-1";
      cuda-nsight-compute-12-6 = "12.6.3-1";
      cudnn9-cuda-12-6 = "9.5.0.50-1";
      libnvinfer10 = "10.7.0.23-1+cuda12.6";
      libnvinfer-plugin10 = "10.7.0.23-1+cuda12.6";
      libnvinfer-vc-plugin10 = "10.7.0.23-1+cuda12.6";
      libnvinfer-lean10 = "10.7.0.23-1+cuda12.6";
      libnvinfer-dispatch10 = "10.7.0.23-1+cuda12.6";
      libnvonnxparsers10 = "10.7.0.23-1+cuda12.6";
      libnvinfer-dev = "10.7.0.23-1+cuda12.6";
      libnvinfer-headers-dev = "10.7.0.23-1+cuda12.6";
      libnvinfer-headers-plugin-dev = "10.7.0.23-1+cuda12.6";
      libnvinfer-bin = "10.7.0.23-1+cuda12.6";
    };
    # apt pins for whole families, so that no transitive package is upgraded.
    pins = [
      {
        packages = [
          "libnvinfer*"
          "libnvonnxparsers*"
          "python3-libnvinfer*"
          "tensorrt*"
        ];
        version = "10.7.0.23-1+cuda12.6";
      }
      {
        packages = [
          "libcudnn9*"
          "cudnn9-cuda-12*"
          "cudnn9"
        ];
        version = "9.5.*";
      }
    ];
    libraries = [
      "libcudnn.so.9"
      "libnvinfer.so.10"
    ];
    programs = [
      "ncu"
      "nsys"
    ];
    # TensorRT 10.16.1 has the fix (NVIDIA's security bulletin 5836) and does not support CUDA 12.6. Accepted, since
    # this host only loads its own engines; without this line NixOS refuses to build.
    accepted_vulnerabilities."cuda12.6-tensorrt-10.14.1.48" = [ "CVE-2026-24188" ];
  };

  # What verification imports; vLLM's own PyTorch computes on the GPU.
  python.environments.vllm = {
    path = "/opt/vllm/current";
    imports = {
      torch = null;
      vllm = "0.33.0";
      "vllm.vllm_flash_attn" = null; # FlashAttention 2 and 3, as vLLM's wheel has them
      bitsandbytes = null;
    };
    # Small, since vLLM uses nine tenths of the memory.
    tensor = {
      size = 2048;
      max_error = 0.01;
    };
  };

  vllm = {
    version = "0.33.0";
    user = "vllm";
    group = "inference";
    instances.vllm = {
      model = {
        id = "meta-llama/Llama-3.1-8B-Instruct";
        path = "/srv/models/llama-3.1-8b-instruct";
        served_name = "llama-3.1-8b";
        # 15 GiB, and 1 GiB of KV cache for 8192 tokens: what has no room is refused before any host is contacted.
        weights_bytes = 16060522496;
        architecture = {
          layers = 32;
          kv_heads = 8;
          head_dim = 128;
          attention_heads = 32;
        };
      };
      gpus = [ 0 ];
      socket = "/run/vllm/vllm.sock";
      credential = "vllm-api-key";
      dtype = "bfloat16";
      # The model's own 131072 would need 16 GiB of KV cache besides 15 GiB of weights.
      max_model_len = 8192;
      max_num_seqs = 32;
      gpu_memory_utilization = 0.9;
      start_timeout_seconds = 900;
      latency = {
        ttft_ms_p95 = 100;
        itl_ms_p95 = 30;
        prompt_tokens = 128;
        output_tokens = 64;
        requests = 50;
        e2e_ms_p99 = 100;
      };
    };
  };

  # The other hosts use this for inference; the trading engine uses the socket.
  gateway = {
    address = "10.0.0.1";
    port = 8000;
    credential = "inference-api-key";
  };

  power.ups = {
    name = "cyberpower";
    server = "localhost";
    min_charge_percent = 90;
    min_runtime_seconds = 300;
  };

  monitoring.exporters = {
    node = {
      address = "127.0.0.1";
      port = 9100;
      path = "/metrics";
      metrics = [ "node_load1" ];
    };
    gpu = {
      address = "127.0.0.1";
      port = 9835;
      path = "/metrics";
      metrics = [ "nvidia_smi_" ];
    };
    ups = {
      address = "127.0.0.1";
      port = 9199;
      path = "/ups_metrics";
      metrics = [ "network_ups_tools_" ];
    };
  };

  trading = {
    user = "trading";
    group = "trading";
    directory = "/opt/trading";
    state_directory = "/var/lib/trading";
    # On this node the engine is started by hand, for development and benchmarks.
    start_at_boot = false;
    cpus = [
      4
      5
      6
      7
    ];
    priority = 50;
    inference_socket = "/run/vllm/vllm.sock";
    session = null;
    fix = null;
    probe = {
      memlock_mib = 256;
      cycles = 5000;
      interval_us = 1000;
      max_jitter_us = 100;
      echoes = 2000;
    };
  };
}
