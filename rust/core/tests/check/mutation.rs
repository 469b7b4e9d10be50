//! Every check notices when the one thing it is about is not so.
//!
//! A good host's answer is changed as a hand on that host would change it, and the check must say so.

use std::collections::BTreeSet;

use deployctl_core::check::evaluate;

use crate::host::{checks_of, good_answers, section};

/// Check, text to find in the good answer, what stands there instead, and how the check must end.
/// An empty text replaces the whole answer.
type Mutation = (&'static str, &'static str, &'static str, &'static str);

const MUTATIONS: &[Mutation] = &[
    (
        "ssh/passwords",
        "passwordauthentication no",
        "passwordauthentication yes",
        "fail",
    ),
    ("ssh/passwords", "passwordauthentication no\n", "", "error"),
    (
        "ssh/keyboard-interactive",
        "kbdinteractiveauthentication no",
        "kbdinteractiveauthentication yes",
        "fail",
    ),
    (
        "ssh/public-keys",
        "pubkeyauthentication yes",
        "pubkeyauthentication no",
        "fail",
    ),
    (
        "ssh/root-login",
        "permitrootlogin without-password",
        "permitrootlogin yes",
        "fail",
    ),
    ("ssh/auth-tries", "maxauthtries 4", "maxauthtries 6", "fail"),
    (
        "ssh/login-grace",
        "logingracetime 30",
        "logingracetime 120",
        "fail",
    ),
    (
        "ssh/client-alive",
        "clientaliveinterval 60",
        "clientaliveinterval 0",
        "fail",
    ),
    (
        "ssh/allow-users",
        "allowusers root",
        "allowusers mallory",
        "fail",
    ),
    (
        "ssh/allow-users",
        "allowusers operator\nallowusers root\n",
        "",
        "fail",
    ),
    ("ssh/listening", ":22 ", ":2222 ", "fail"),
    (
        "ssh/keys/operator",
        "IHkS6uGBo5FVxjcBcmTz",
        "IHkS6uGBo5FVxjcBcmTy",
        "fail",
    ),
    ("ssh/keys/operator", "ssh-ed25519", "# ssh-ed25519", "fail"),
    ("ssh/keys/operator", "", "no such user\n", "fail"),
    ("time/offset", "0.000012345", "0.002012345", "fail"),
    ("time/offset", "Normal", "Not synchronised", "fail"),
    ("time/leap", "Normal", "Not synchronised", "fail"),
    (
        "time/synchronized",
        "NTPSynchronized=yes",
        "NTPSynchronized=no",
        "fail",
    ),
    ("time/synchronized", "", "CanNTP=yes\n", "error"),
    ("time/sources", "^,*,", "^,?,", "fail"),
    (
        "time/sources",
        "time.cloudflare.com",
        "ntp.ubuntu.com",
        "fail",
    ),
    (
        "time/unit/chrony.service",
        "ActiveState=active",
        "ActiveState=failed",
        "fail",
    ),
    (
        "time/unit/chrony.service",
        "UnitFileState=enabled",
        "UnitFileState=disabled",
        "fail",
    ),
    (
        "time/unit/chrony.service",
        "Names=chrony.service",
        "Names=ntpd.service",
        "error",
    ),
    (
        "network/address/cluster0/10.0.0.1/24",
        "\"10.0.0.1\"",
        "\"10.0.0.3\"",
        "fail",
    ),
    (
        "network/address/cluster0/10.0.0.1/24",
        "\"cluster0\"",
        "\"enp1s0f0\"",
        "fail",
    ),
    (
        "network/mtu/cluster0",
        "\"mtu\":9000",
        "\"mtu\":1500",
        "fail",
    ),
    ("network/mtu/cluster0", "", "[]\n", "error"),
    (
        "network/up/cluster0",
        "\"operstate\":\"UP\"",
        "\"operstate\":\"DOWN\"",
        "fail",
    ),
    (
        "network/rings/cluster0",
        "settings:\nRX:\t\t\t4096",
        "settings:\nRX:\t\t\t512",
        "fail",
    ),
    (
        "network/route/mac-mini",
        "\"dev\":\"cluster0\"",
        "\"dev\":\"enp4s0\"",
        "fail",
    ),
    (
        "network/sysctl/net.core.netdev_max_backlog",
        "backlog:16384",
        "backlog:1000",
        "fail",
    ),
    (
        "network/sysctl/net.core.rmem_max",
        "rmem_max:16777216",
        "rmem_max:212992",
        "fail",
    ),
    (
        "network/sysctl/net.core.wmem_max",
        "wmem_max:16777216",
        "wmem_max:212992",
        "fail",
    ),
    (
        "network/sysctl/net.ipv4.tcp_mtu_probing",
        "probing:1",
        "probing:0",
        "fail",
    ),
    (
        "network/sysctl/net.ipv4.tcp_rmem",
        "rmem:4096\t131072",
        "rmem:4096\t131071",
        "fail",
    ),
    (
        "network/sysctl/net.ipv4.tcp_wmem",
        "wmem:4096\t65536",
        "wmem:4096\t16384",
        "fail",
    ),
    (
        "network/sysctl/net.ipv4.tcp_wmem",
        "net/ipv4/tcp_wmem:",
        "gone:",
        "fail",
    ),
    (
        "kernel/release",
        "running 6.12.58-deployctl",
        "running 6.8.0-88-generic",
        "stale",
    ),
    ("kernel/release", "", "running 6.8.0-88-generic\n", "fail"),
    ("kernel/command-line", " preempt=full", "", "fail"),
    (
        "kernel/command-line",
        "mitigations=auto\nnext",
        "mitigations=auto mitigations=off\nnext",
        "stale",
    ),
    ("kernel/modules", "tcp_bbr\n", "", "fail"),
    (
        "kernel/symbols",
        "# CONFIG_RT_GROUP_SCHED is not set",
        "CONFIG_RT_GROUP_SCHED=y",
        "fail",
    ),
    (
        "kernel/symbols",
        "CONFIG_IO_URING=y",
        "# CONFIG_IO_URING is not set",
        "fail",
    ),
    ("kernel/symbols", "CONFIG_HZ_1000=y\n", "", "fail"),
    ("kernel/symbols", "", "none\n", "fail"),
    ("kernel/symbols", "", "config\n", "error"),
    ("kernel/btf", "btf=yes", "btf=no", "fail"),
    ("kernel/cgroup", "cgroup2fs", "tmpfs", "fail"),
    ("kernel/io-uring-group", "setting 986", "setting -1", "fail"),
    ("kernel/io-uring-group", "group 986", "group ", "fail"),
    (
        "kernel/sysctl/kernel.io_uring_disabled",
        "disabled:1",
        "disabled:2",
        "fail",
    ),
    (
        "kernel/sysctl/kernel.io_uring_disabled",
        "io_uring_disabled:1",
        "gone",
        "fail",
    ),
    (
        "kernel/sysctl/vm.swappiness",
        "swappiness:1",
        "swappiness:60",
        "fail",
    ),
    (
        "hugepages/pool",
        "HugePages_Total:    2048",
        "HugePages_Total:    1024",
        "fail",
    ),
    ("hugepages/pool", "HugePages_Total:    2048\n", "", "error"),
    (
        "hugepages/surplus",
        "HugePages_Surp:        0",
        "HugePages_Surp:        7",
        "fail",
    ),
    (
        "hugepages/size",
        "Hugepagesize:       2048",
        "Hugepagesize:       1048576",
        "fail",
    ),
    (
        "hugepages/mount",
        "mount hugetlbfs rw,relatime,gid=986,mode=0770,pagesize=2M,min_size=4294967296\n",
        "",
        "fail",
    ),
    ("hugepages/mount", ",min_size=4294967296", "", "fail"),
    ("hugepages/mount", "pagesize=2M", "pagesize=1024M", "fail"),
    (
        "hugepages/group",
        "directory trading",
        "directory root",
        "fail",
    ),
    ("hugepages/group", "trading 770", "trading 700", "fail"),
    (
        "hugepages/transparent",
        "always [madvise] never",
        "[always] madvise never",
        "fail",
    ),
    (
        "hugepages/sysctl/vm.nr_hugepages",
        "nr_hugepages:2048",
        "nr_hugepages:1023",
        "fail",
    ),
    (
        "hugepages/unit/mnt-huge.mount",
        "SubState=mounted",
        "SubState=dead\nActiveState=inactive",
        "fail",
    ),
    (
        "firewall/unit/nftables.service",
        "SubState=exited\nUnitFileState=enabled",
        "SubState=exited\nUnitFileState=disabled",
        "fail",
    ),
    (
        "trading/unit/trading.service",
        "UnitFileState=disabled",
        "UnitFileState=enabled",
        "fail",
    ),
    (
        "trading/unit/trading.service",
        "SubState=dead\nUnitFileState=disabled",
        "SubState=dead\nLoadState=not-found",
        "fail",
    ),
    (
        "nvidia/packages",
        "580.173.02-0ubuntu0.24.04.1 hold",
        "580.173.02-0ubuntu0.24.04.1 install",
        "fail",
    ),
    (
        "nvidia/packages",
        "nvidia-utils-580-server 580.173.02",
        "nvidia-utils-580-server 580.180.01",
        "fail",
    ),
    (
        "cuda/packages",
        "12.6.3-1 hold installed",
        "12.6.3-1 deinstall config-files",
        "fail",
    ),
    (
        "cuda/packages",
        "libnvinfer10 10.7.0.23-1+cuda12.6 hold installed\n",
        "",
        "fail",
    ),
    (
        "cuda/packages",
        "dpkg 1.22.6ubuntu6.5 install installed\n",
        "",
        "error",
    ),
    (
        "network/sysctl/net.ipv4.tcp_wmem",
        "kernel/ostype:Linux\n",
        "",
        "error",
    ),
    (
        "network/name/mac-mini",
        "address=10.0.0.2 ",
        "address=192.168.1.7 ",
        "fail",
    ),
    ("network/name/mac-mini", "", "address=\n", "fail"),
    (
        "vllm/unit/vllm.service",
        "ConditionResult=yes\nConditionTimestampMonotonic=5123456\nNames=vllm.service\nLoadState=loaded\nActiveState=active",
        "ConditionResult=no\nConditionTimestampMonotonic=5123456\nNames=vllm.service\nLoadState=loaded\nActiveState=inactive",
        "skip",
    ),
    (
        "vllm/unit/vllm.service",
        "ConditionResult=yes\nConditionTimestampMonotonic=5123456\nNames=vllm.service\nLoadState=loaded\nActiveState=active",
        "ConditionResult=no\nConditionTimestampMonotonic=0\nNames=vllm.service\nLoadState=loaded\nActiveState=inactive",
        "fail",
    ),
    (
        "vllm/unit/vllm.service",
        "ConditionResult=yes\nConditionTimestampMonotonic=5123456\nNames=vllm.service\nLoadState=loaded\nActiveState=active",
        "ConditionResult=yes\nConditionTimestampMonotonic=5123456\nNames=vllm.service\nLoadState=loaded\nActiveState=failed",
        "fail",
    ),
    (
        "system/hostname",
        "hostname=cuda",
        "hostname=ubuntu",
        "fail",
    ),
    ("system/timezone", "Australia/Sydney", "Etc/UTC", "fail"),
    ("system/timezone", "", "hostname=cuda\nzone=none\n", "fail"),
    (
        "system/user/operator",
        "user operator /bin/bash operator sudo",
        "absent operator",
        "fail",
    ),
    (
        "system/user/operator",
        "user operator",
        "user mallory",
        "error",
    ),
    (
        "system/user/research",
        "research inference video",
        "research video",
        "fail",
    ),
    (
        "system/user/research",
        "research /bin/bash",
        "research /usr/sbin/nologin",
        "fail",
    ),
    (
        "system/sudo/operator",
        "(ALL) NOPASSWD: ALL",
        "(ALL) ALL",
        "fail",
    ),
    (
        "system/sudo/operator",
        "",
        "sudo\nUser operator is not allowed to run sudo on cuda.\n",
        "fail",
    ),
    (
        "system/journal-size",
        "\"2147483648\"",
        "\"4294967296\"",
        "fail",
    ),
    (
        "system/journal-size",
        "\"JOURNAL_NAME\"",
        "\"NAME\"",
        "error",
    ),
    (
        "system/journal-retention",
        "MaxRetentionSec=90day",
        "MaxRetentionSec=1month",
        "fail",
    ),
    (
        "system/journal-retention",
        "\nMaxRetentionSec=90day",
        "",
        "fail",
    ),
    (
        "system/upgrade-blacklist",
        "\"libnvinfer\"",
        "\"libnv\"",
        "fail",
    ),
    (
        "system/upgrade-blacklist",
        "APT::Architecture \"amd64\";\n",
        "",
        "error",
    ),
    (
        "system/upgrade-reboot",
        "Automatic-Reboot \"false\"",
        "Automatic-Reboot \"true\"",
        "fail",
    ),
    ("system/watchdog", "1min", "0", "fail"),
    ("system/watchdog", "1min", "infinity", "fail"),
    (
        "system/failed-units",
        "",
        "NFailedUnits=1\nvllm.service loaded failed failed vLLM\n",
        "fail",
    ),
    (
        "system/failed-units",
        "NFailedUnits=0",
        "NFailedUnits=1",
        "error",
    ),
    (
        "firewall/input",
        "\"policy\":\"drop\"",
        "\"policy\":\"accept\"",
        "fail",
    ),
    (
        "firewall/output",
        "\"hook\":\"input\"",
        "\"hook\":\"output\"",
        "fail",
    ),
    (
        "firewall/service/ssh",
        "\"right\":22}",
        "\"right\":2222}",
        "fail",
    ),
    (
        "firewall/service/ssh",
        "{\"accept\":null}]}},{\"rule\":{\"family\":\"inet\",\"table\":\"deployctl\",\"chain\":\"input\",\"handle\":9",
        "{\"drop\":null}]}},{\"rule\":{\"family\":\"inet\",\"table\":\"deployctl\",\"chain\":\"input\",\"handle\":9",
        "fail",
    ),
    (
        "firewall/service/ssh",
        "\"handle\":8,\"comment\":\"ssh\"",
        "\"handle\":8,\"expr\":[{\"drop\":null}]}},{\"rule\":{\"family\":\"inet\",\"table\":\"deployctl\",\"chain\":\"input\",\"handle\":88",
        "fail",
    ),
    (
        "firewall/service/inference",
        "\"addr\":\"10.0.0.0\"",
        "\"addr\":\"10.1.0.0\"",
        "fail",
    ),
    (
        "firewall/service/inference",
        "\"right\":\"cluster0\"",
        "\"right\":\"enp4s0\"",
        "fail",
    ),
    ("firewall/service/iperf3", "5201", "5202", "fail"),
    (
        "firewall/nothing-else",
        "\"right\":5201",
        "\"right\":{\"range\":[5201,5300]}",
        "fail",
    ),
    (
        "firewall/nothing-else",
        "\"addr\":\"10.0.0.0\"",
        "\"addr\":\"0.0.0.0\"",
        "fail",
    ),
    (
        "firewall/nothing-else",
        "{\"match\":{\"op\":\"==\",\"left\":{\"meta\":{\"key\":\"iifname\"}},\"right\":\"lo\"}},",
        "",
        "fail",
    ),
    (
        "storage/mount/srv/models",
        "\"/srv/models\"",
        "\"/mnt\"",
        "fail",
    ),
    (
        "storage/mount/srv/models",
        "rw,noatime",
        "rw,relatime",
        "fail",
    ),
    (
        "storage/mount/srv/models",
        "\"label\":\"models\"",
        "\"label\":\"scratch\"",
        "fail",
    ),
    (
        "storage/mount/srv/models",
        "\"fstype\":\"ext4\"",
        "\"fstype\":\"xfs\"",
        "fail",
    ),
    (
        "storage/free/",
        "free / 314572800 /",
        "free / 10485760 /",
        "fail",
    ),
    (
        "storage/free/srv/models",
        "1258291200 /srv/models",
        "1258291200 /",
        "fail",
    ),
    (
        "storage/free/srv/models",
        "1258291200 /srv/models",
        "absent -",
        "fail",
    ),
    ("storage/free/srv/models", "1258291200", "1048576", "fail"),
    (
        "realtime/isolated",
        "isolated=4-7,12-15",
        "isolated=",
        "stale",
    ),
    (
        "realtime/isolated",
        "",
        "isolated=\nnohz_full=(null)\nmanager=0-15\n",
        "fail",
    ),
    (
        "realtime/nohz-full",
        "nohz_full=4-7,12-15\nmanager",
        "nohz_full=(null)\nmanager",
        "stale",
    ),
    (
        "realtime/nohz-full",
        "nohz_full=4-7,12-15",
        "nohz_full=4-7",
        "fail",
    ),
    (
        "realtime/manager",
        "",
        "isolated=\nnohz_full=(null)\nmanager=0-15\n",
        "fail",
    ),
    ("realtime/manager", "manager=0-3,8-11", "manager=", "error"),
    (
        "realtime/governor",
        "performance\nperformance\n",
        "performance\npowersave\n",
        "fail",
    ),
    ("realtime/governor", "performance\n", "", "fail"),
    ("realtime/limits", "rtprio=80", "rtprio=0", "fail"),
    (
        "realtime/limits",
        "memlock=unlimited",
        "memlock=8192",
        "fail",
    ),
    ("realtime/limits", "", "absent=user\n", "fail"),
    (
        "realtime/sysctl/kernel.sched_rt_runtime_us",
        ":950000",
        ":-1",
        "fail",
    ),
    ("nvidia/gpu", "RTX 3090,", "RTX 3090 Ti,", "fail"),
    ("nvidia/memory", "24576", "24564", "fail"),
    ("nvidia/capability", "8.6", "8.9", "fail"),
    ("nvidia/persistence", "Enabled", "Disabled", "fail"),
    ("nvidia/power-limit", "280.00", "350.00", "fail"),
    ("nvidia/power-limit", "280.00", "[N/A]", "error"),
    ("nvidia/pcie-width", ", 16,", ", 8,", "fail"),
    ("nvidia/branch", "580.173.02", "590.44.01", "fail"),
    (
        "nvidia/module-flavour",
        "Open Kernel Module for x86_64",
        "x86_64 Kernel Module",
        "fail",
    ),
    (
        "nvidia/module-flavour",
        "",
        "loaded=\ninstalled=580.173.02\n",
        "fail",
    ),
    (
        "nvidia/module-version",
        "installed=580.173.02",
        "installed=580.180.01",
        "stale",
    ),
    (
        "nvidia/module-version",
        "installed=580.173.02",
        "installed=",
        "fail",
    ),
    ("nvidia/modules", "nvidia_uvm\n", "", "fail"),
    (
        "cuda/nvcc",
        "release 12.6, V12.6.85",
        "release 12.8, V12.8.61",
        "fail",
    ),
    ("cuda/nvcc", "release 12.6", "version 12.6", "error"),
    (
        "cuda/settled",
        "Inst base-files",
        "Inst libnvinfer10",
        "fail",
    ),
    (
        "cuda/settled",
        "Inst base-files",
        "Remv cuda-toolkit-12-6",
        "fail",
    ),
    (
        "cuda/settled",
        "1 upgraded, 0 newly installed, 0 to remove and 4 not upgraded.\n",
        "",
        "error",
    ),
    ("vllm/socket", "", "found=nothing\n", "fail"),
    ("vllm/socket", "mode 660", "mode 755", "fail"),
    ("vllm/socket", "group inference", "group vllm", "fail"),
    ("vllm/health", "status 200", "status 503", "fail"),
    ("vllm/health", "status 200", "status 000", "fail"),
    (
        "vllm/model",
        "\"id\":\"llama-3.1-8b\"",
        "\"id\":\"llama-3.1-70b\"",
        "fail",
    ),
    ("vllm/model", "status 200", "status 401", "fail"),
    (
        "vllm/unit/vllm.service",
        "Names=vllm.service\nLoadState=loaded\nActiveState=active",
        "Names=vllm.service\nLoadState=loaded\nActiveState=activating",
        "fail",
    ),
    ("trading/account", "trading inference", "nogroup", "fail"),
    (
        "trading/account",
        "groups=trading inference",
        "groups=",
        "fail",
    ),
    (
        "trading/releases",
        "/opt/trading=root",
        "/opt/trading=nothing",
        "fail",
    ),
    (
        "trading/state",
        "/var/lib/trading=trading",
        "/var/lib/trading=root",
        "fail",
    ),
    (
        "trading/scheduling",
        "CPUSchedulingPolicy=1",
        "CPUSchedulingPolicy=0",
        "fail",
    ),
    (
        "trading/scheduling",
        "CPUSchedulingPriority=50",
        "CPUSchedulingPriority=99",
        "fail",
    ),
    (
        "trading/scheduling",
        "LoadState=loaded",
        "LoadState=not-found",
        "fail",
    ),
    (
        "trading/affinity",
        "CPUAffinity=4-7",
        "CPUAffinity=",
        "fail",
    ),
    (
        "trading/limits",
        "LimitMEMLOCK=infinity",
        "LimitMEMLOCK=8388608",
        "fail",
    ),
    ("trading/limits", "LimitRTPRIO=80", "LimitRTPRIO=0", "fail"),
    (
        "trading/limits",
        "RestrictRealtime=no",
        "RestrictRealtime=yes",
        "fail",
    ),
    ("trading/inference", "reachable=yes", "reachable=no", "fail"),
    (
        "extra/file/etc/motd.d/deployctl",
        "file 644 root root",
        "file 666 root root",
        "fail",
    ),
    (
        "extra/file/etc/motd.d/deployctl",
        "a23c9e49",
        "0000",
        "fail",
    ),
    (
        "extra/file/etc/motd.d/deployctl",
        "",
        "absent /etc/motd.d/deployctl\n",
        "fail",
    ),
    (
        "extra/packages",
        "htop 3.3.0-4build1 install installed\n",
        "",
        "fail",
    ),
];

/// Of the other host: what only it declares.
const OTHER: &[Mutation] = &[
    (
        "network/address/eth0/172.105.183.244/24",
        "172.105.183.244",
        "172.105.183.245",
        "fail",
    ),
    ("network/mtu/eth0", "\"mtu\":1500", "\"mtu\":1280", "fail"),
    (
        "network/up/eth0",
        "\"UP\",\"group",
        "\"LOWERLAYERDOWN\",\"group",
        "fail",
    ),
    (
        "network/sysctl/net.core.default_qdisc",
        ":fq\n",
        ":fq_codel\n",
        "fail",
    ),
    (
        "network/sysctl/net.ipv4.tcp_congestion_control",
        ":bbr",
        ":cubic",
        "fail",
    ),
    (
        "firewall/output",
        "\"policy\": \"drop\"",
        "\"policy\": \"accept\"",
        "fail",
    ),
    (
        "firewall/egress/dns-udp",
        "\"udp\", \"field\": \"dport\"}}, \"right\": 53",
        "\"udp\", \"field\": \"dport\"}}, \"right\": 54",
        "fail",
    ),
    (
        "firewall/egress/dns-tcp",
        "\"tcp\", \"field\": \"dport\"}}, \"right\": 53",
        "\"tcp\", \"field\": \"dport\"}}, \"right\": 54",
        "fail",
    ),
    ("firewall/egress/ntp", "123", "124", "fail"),
    (
        "firewall/egress/dhcp",
        "\"right\": 67",
        "\"right\": 68",
        "fail",
    ),
    ("firewall/egress/web", "[80, 443]", "[80]", "fail"),
    (
        "firewall/egress/ib-gateway",
        "[4000, 4001]",
        "[4000, 4000]",
        "fail",
    ),
    ("trading/process", "SCHED_FIFO", "SCHED_OTHER", "fail"),
    ("trading/process", "priority: 50", "priority: 1", "fail"),
    (
        "trading/process",
        "affinity list: 4-7",
        "affinity list: 0-7",
        "fail",
    ),
    ("trading/process", "", "absent\n", "fail"),
];

#[test]
fn a_broken_value_is_noticed() {
    let mut wrong = Vec::new();
    for (host, mutations) in [("cuda", MUTATIONS), ("linode", OTHER)] {
        let good = good_answers(host);
        let checks = checks_of(host);
        for (id, old, new, expected) in mutations {
            let check = checks.iter().find(|check| check.id == *id);
            let check = check.unwrap_or_else(|| panic!("no check `{id}`"));
            let answer = String::from_utf8(good[&check.query.id].stdout.clone()).unwrap();
            let broken = if old.is_empty() {
                (*new).to_owned()
            } else {
                assert!(
                    answer.contains(old),
                    "{id}: `{old}` is not in the good answer"
                );
                answer.replace(old, new)
            };
            let result = evaluate(check, Some(&section(0, broken)));
            if result.status.word() != *expected {
                wrong.push(format!("{id} with `{new}` is no {expected}: {result:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_check_is_without_a_mutation() {
    let mutated: BTreeSet<_> = MUTATIONS.iter().chain(OTHER).map(|(id, ..)| *id).collect();
    let checks = checks_of("cuda").into_iter().chain(checks_of("linode"));
    let forgotten: BTreeSet<_> = checks
        .map(|check| check.id)
        .filter(|id| !mutated.contains(id.as_str()))
        .collect();
    assert!(forgotten.is_empty(), "nothing breaks {forgotten:#?}");
}
