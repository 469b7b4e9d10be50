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
        "backlog=16384",
        "backlog=1000",
        "fail",
    ),
    (
        "network/sysctl/net.core.rmem_max",
        "rmem_max=16777216",
        "rmem_max=212992",
        "fail",
    ),
    (
        "network/sysctl/net.core.wmem_max",
        "wmem_max=16777216",
        "wmem_max=212992",
        "fail",
    ),
    (
        "network/sysctl/net.ipv4.tcp_mtu_probing",
        "probing=1",
        "probing=0",
        "fail",
    ),
    (
        "network/sysctl/net.ipv4.tcp_rmem",
        "rmem=4096\t131072",
        "rmem=4096\t131071",
        "fail",
    ),
    (
        "network/sysctl/net.ipv4.tcp_wmem",
        "wmem=4096\t65536",
        "wmem=4096\t16384",
        "fail",
    ),
    (
        "network/sysctl/net.ipv4.tcp_wmem",
        "net/ipv4/tcp_wmem=",
        "net/ipv4/tcp_wmem absent ",
        "error",
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
        "disabled=1",
        "disabled=2",
        "fail",
    ),
    (
        "kernel/sysctl/kernel.io_uring_disabled",
        "io_uring_disabled=1",
        "io_uring_disabled absent",
        "fail",
    ),
    (
        "kernel/sysctl/vm.swappiness",
        "swappiness=1",
        "swappiness=60",
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
        "mount hugetlbfs rw,relatime,gid=986,mode=0770,pagesize=2M,min_size=4194304k\n",
        "",
        "fail",
    ),
    ("hugepages/mount", ",min_size=4194304k", "", "fail"),
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
        "nr_hugepages=2048",
        "nr_hugepages=1023",
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
];

#[test]
fn a_broken_value_is_noticed() {
    let good = good_answers("cuda");
    let checks = checks_of("cuda");
    for (id, old, new, expected) in MUTATIONS {
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
        assert_eq!(
            result.status.word(),
            *expected,
            "{id} with `{new}`: {result:#?}"
        );
    }
}

#[test]
fn no_check_is_without_a_mutation() {
    let mutated: BTreeSet<_> = MUTATIONS.iter().map(|(id, ..)| *id).collect();
    let forgotten: Vec<_> = checks_of("cuda")
        .into_iter()
        .map(|check| check.id)
        .filter(|id| !mutated.contains(id.as_str()))
        .collect();
    assert!(forgotten.is_empty(), "nothing breaks {forgotten:#?}");
}
