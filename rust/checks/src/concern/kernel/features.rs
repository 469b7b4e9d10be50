//! What the running kernel can do beyond its symbols: eBPF and its types, cgroups, `io_uring`.

use std::collections::BTreeMap;

use deployctl_core::query::Query;

use super::CONCERN;
use crate::Check;
use crate::answer::{Found, Unreadable, value};

/// By files alone: neither bpftool nor a program of ours is needed. BTF begins with a magic number, and who
/// may call `io_uring_setup` shows that it was built in.
const QUERY: &str = r#"[ "$(od -An -tx1 -N2 /sys/kernel/btf/vmlinux 2>/dev/null | tr -d ' ')" = 9feb ] && echo btf=yes || echo btf=no
printf 'cgroup='; stat -f -c %T /sys/fs/cgroup
printf 'bpf='; stat -f -c %T /sys/fs/bpf 2>/dev/null || echo none
printf 'jit='; cat /proc/sys/net/core/bpf_jit_enable 2>/dev/null || echo absent
grep -q 'sys_io_uring_setup$' /proc/kallsyms && echo io_uring=yes || echo io_uring=no
printf 'disabled='; cat /proc/sys/kernel/io_uring_disabled 2>/dev/null || echo absent"#;

pub(super) fn checks(btf: bool, bpf: bool, io_uring: bool) -> Vec<Check> {
    let query = Query::new("kernel/features", QUERY);
    let feature = |what: &str, expected: &str, judge: Judge| {
        Check::new(CONCERN, what, &query, expected, move |answer| {
            let pairs = answer.pairs('=')?;
            judge(&pairs)
        })
    };
    let mut checks = Vec::new();
    if btf {
        checks.push(feature(
            "btf",
            "the kernel describes its types (BTF)",
            |told| {
                let found = value(told, "btf")?;
                Ok(Found::when(found == "yes", format!("btf is {found}")))
            },
        ));
    }
    if bpf {
        checks.push(feature("bpf", "eBPF is compiled, and its filesystem is mounted", |told| {
            let (mounted, jit) = (value(told, "bpf")?, value(told, "jit")?);
            let holds = mounted == "bpf_fs" && ["1", "2"].contains(&jit);
            let evidence = format!("/sys/fs/bpf is {mounted}, bpf_jit_enable is {jit}");
            Ok(Found::when(holds, evidence)
                .or_hint("systemd mounts it where the kernel has BPF_SYSCALL: systemctl status sys-fs-bpf.mount"))
        }));
    }
    checks.push(feature("cgroup", "cgroup version 2", |told| {
        let found = value(told, "cgroup")?;
        Ok(Found::when(
            found == "cgroup2fs",
            format!("cgroup is {found}"),
        ))
    }));
    if io_uring {
        checks.push(feature("io-uring", "the kernel has io_uring, and does not forbid it to all", |told| {
            let (built, disabled) = (value(told, "io_uring")?, value(told, "disabled")?);
            // 1 lets a group use it, which other checks look at; older kernels have no such setting.
            let holds = built == "yes" && ["0", "1", "absent"].contains(&disabled);
            let evidence = format!("built in: {built}, io_uring_disabled is {disabled}");
            Ok(Found::when(holds, evidence).or_hint(if built == "yes" {
                "a hardening profile may have set it: grep -r io_uring_disabled /etc/sysctl.d /usr/lib/sysctl.d"
            } else {
                "this kernel was built without IO_URING"
            }))
        }));
    }
    checks
}

type Judge = fn(&BTreeMap<&str, &str>) -> Result<Found, Unreadable>;
