//! The running kernel: command line, configuration, modules, and what they bring.

use std::collections::{BTreeMap, BTreeSet};

use deployctl_core::concern::KernelFeature;
use deployctl_core::inventory::kernel::{Flavour, Kernel, SymbolValue};
use deployctl_core::inventory::text::KernelSymbol;
use deployctl_core::kernel::LOCAL_VERSION;
use deployctl_core::name::ModuleName;
use deployctl_core::precedence::{self, ConfigFiles};
use deployctl_core::query::{Query, quote};

use crate::answer::{Answer, Found, Unreadable, value};
use crate::{Check, Declared, sysctl};

pub(super) use deployctl_core::precedence::grub::NEXT_BOOT;

pub(super) const CONCERN: &str = "kernel";

pub(super) fn checks(facts: &Kernel, declared: &Declared<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    if facts.flavour == Flavour::Custom {
        checks.push(release());
    }
    if !facts.command_line.is_empty() {
        checks.push(command_line(
            facts.command_line.iter().map(ToString::to_string).collect(),
        ));
    }
    if !facts.modules.is_empty() {
        checks.push(modules(CONCERN, &names(&facts.modules)));
    }
    if !facts.symbols.is_empty() {
        checks.push(symbols(&facts.symbols));
    }
    let wanted = |name: &str, feature: KernelFeature| {
        let symbol = facts.symbols.iter().find(|(s, _)| s.as_str() == name);
        symbol.is_some_and(|(_, value)| *value != SymbolValue::N) || declared.needs(feature)
    };
    checks.extend(features(
        wanted("DEBUG_INFO_BTF", KernelFeature::Btf),
        wanted("BPF_SYSCALL", KernelFeature::Bpf),
        wanted("IO_URING", KernelFeature::IoUring),
    ));
    if let Some(group) = &facts.io_uring_group {
        checks.push(io_uring_group(group.as_str()));
    }
    let settings = facts
        .sysctl
        .iter()
        .map(|(key, value)| (key.as_str(), value.to_string()));
    checks.extend(sysctl::checks(CONCERN, settings, declared));
    checks
}

/// The running command line and the next one.
fn boot_query() -> Query {
    Query::inline(
        "kernel/boot",
        format!(
            "printf 'running='; cat /proc/cmdline\n{NEXT_BOOT}\n{}",
            precedence::ASK_GRUB
        ),
    )
    .with_cap(256 * 1024)
}

/// The two command lines.
struct Boot<'a> {
    /// Of the running kernel.
    running: Vec<&'a str>,
    /// Of the next boot; empty where no boot loader of ours is.
    next: Vec<&'a str>,
}

impl Boot<'_> {
    /// Whether `parameter` is in effect in `words`: said, and not said otherwise later on.
    fn holds(words: &[&str], parameter: &str) -> bool {
        if !words.contains(&parameter) {
            return false;
        }
        // Every console= counts; of the others the last one does.
        match parameter.split_once('=') {
            Some((key, _)) if key != "console" => {
                let prefix = format!("{key}=");
                words.iter().rev().find(|word| word.starts_with(&prefix)) == Some(&parameter)
            }
            _ => true,
        }
    }
}

fn parse_boot<'a>(answer: &Answer<'a>) -> Result<Boot<'a>, Unreadable> {
    let lines = answer.pairs('=')?;
    let words = |key| {
        lines
            .get(key)
            .map(|line| line.split_whitespace().collect())
            .unwrap_or_default()
    };
    let boot = Boot {
        running: words("running"),
        next: words("next"),
    };
    if boot.running.is_empty() {
        return Err(Unreadable::new("no running command line in the answer"));
    }
    Ok(boot)
}

/// Our file of the command line.
const GRUB_FILE: &str = "/etc/default/grub.d/90-deployctl.cfg";

/// Why the next boot will not bring what is missing.
fn not_next(files: &ConfigFiles, missing: &[&str], boot: &Boot<'_>) -> String {
    if !files.has(GRUB_FILE) {
        return format!("`{GRUB_FILE}` is not there: an apply writes it");
    }
    let overruled = precedence::overruled(GRUB_FILE, files, |path| path == GRUB_FILE);
    match overruled
        .iter()
        .find(|found| missing.contains(&found.ours.key.as_str()))
    {
        Some(found) => format!(
            "`{}` sets the command line anew after ours: no reboot brings it",
            found.theirs.place
        ),
        None if boot.next.is_empty() => {
            "there is no /boot/grub/grub.cfg: another boot loader starts this host".to_owned()
        }
        None => "/boot/grub/grub.cfg does not have it: `update-grub` on the host".to_owned(),
    }
}

fn command_line(parameters: Vec<String>) -> Check {
    let expected = format!("booted with {}", parameters.join(" "));
    Check::new(
        CONCERN,
        "command-line",
        &boot_query(),
        expected,
        move |answer| {
            let boot = parse_boot(answer)?;
            let missing: Vec<&str> = parameters
                .iter()
                .map(String::as_str)
                .filter(|parameter| !Boot::holds(&boot.running, parameter))
                .collect();
            let pending = missing
                .iter()
                .all(|parameter| Boot::holds(&boot.next, parameter));
            let evidence = if missing.is_empty() {
                format!("all {} in effect", parameters.len())
            } else {
                format!("not in effect: {}", missing.join(" "))
            };
            let files = precedence::parse(answer.text()?.as_bytes());
            Ok(Found::when(missing.is_empty(), evidence)
                .or_hint(not_next(&files, &missing, &boot))
                .or_after_reboot(
                    pending,
                    "the boot loader has it, the running kernel does not",
                ))
        },
    )
}

fn release() -> Check {
    let query = Query::new(
        "kernel/release",
        "printf 'running %s\\n' \"$(uname -r)\"; for f in /boot/vmlinuz-*-deployctl /run/current-system/kernel-modules/lib/modules/*-deployctl; do [ -e \"$f\" ] && printf 'installed %s\\n' \"${f##*/}\"; done; :",
    );
    let expected = format!("a kernel of our own runs: its release ends with {LOCAL_VERSION}");
    Check::new(CONCERN, "release", &query, expected, |answer| {
        let pairs = answer.pairs(' ')?;
        let running = value(&pairs, "running")?;
        Ok(
            Found::when(running.ends_with(LOCAL_VERSION), format!("{running} runs"))
                .or_hint("build the kernel from the declared symbols: `deployctl kernel build`")
                .or_after_reboot(
                    pairs.contains_key("installed"),
                    "a kernel of our own is installed",
                ),
        )
    })
}

/// Every module of `names` is loaded or built in; serves other concerns, too.
pub(crate) fn modules<S: AsRef<str>>(concern: &str, names: &[S]) -> Check {
    let words: Vec<String> = names.iter().map(|name| quote(name.as_ref())).collect();
    let query = Query::new(
        format!("{concern}/modules"),
        format!(
            "echo modules\ncut -d' ' -f1 /proc/modules 2>/dev/null\nr=$(uname -r)\nf=/lib/modules/$r/modules.builtin\n[ -r \"$f\" ] || f=/run/booted-system/kernel-modules$f\nset -- {}\nfor m do\n  [ -d \"/sys/module/$m\" ] && echo \"$m\"\n  [ -r \"$f\" ] && grep -q \"/$m\\.ko\" \"$f\" && echo \"$m\"\ndone\n:",
            words.join(" ")
        ),
    );
    let wanted: Vec<String> = names
        .iter()
        .map(|name| name.as_ref().replace('-', "_"))
        .collect();
    let expected = format!("loaded: {}", wanted.join(", "));
    Check::new(concern, "modules", &query, expected, move |answer| {
        let loaded = parse_modules(answer)?;
        let missing: Vec<&str> = wanted
            .iter()
            .map(String::as_str)
            .filter(|name| !loaded.contains(*name))
            .collect();
        let evidence = if missing.is_empty() {
            "all loaded".to_owned()
        } else {
            format!("not loaded: {}", missing.join(", "))
        };
        Ok(Found::when(missing.is_empty(), evidence)
            .or_hint("on the host: modprobe -v; the running kernel may not have it"))
    })
}

/// The names of modules as texts.
pub(super) fn names(modules: &BTreeSet<ModuleName>) -> Vec<&str> {
    modules.iter().map(ModuleName::as_str).collect()
}

fn parse_modules(answer: &Answer<'_>) -> Result<BTreeSet<String>, Unreadable> {
    let mut lines = answer.lines()?;
    if lines.next() != Some("modules") {
        return Err(Unreadable::new("no list of modules in the answer"));
    }
    Ok(lines.map(|name| name.replace('-', "_")).collect())
}

fn symbols(symbols: &BTreeMap<KernelSymbol, SymbolValue>) -> Check {
    let names: Vec<&str> = symbols.keys().map(KernelSymbol::as_str).collect();
    let pattern = quote(&format!(
        "^(# )?CONFIG_({})( is not set|=)",
        names.join("|")
    ));
    let query = Query::new(
        "kernel/symbols",
        format!(
            "f=/boot/config-$(uname -r)\n[ -r /proc/config.gz ] && f=/proc/config.gz\nif [ -r \"$f\" ]; then\n  echo config\n  case $f in *.gz) zcat \"$f\" ;; *) cat \"$f\" ;; esac | grep -E {pattern}\nelse\n  echo none\nfi\n:"
        ),
    );
    let letter = |value| match value {
        SymbolValue::Y => "y",
        SymbolValue::M => "m",
        SymbolValue::N => "n",
    };
    let wanted: BTreeMap<String, &str> = symbols
        .iter()
        .map(|(name, value)| (name.to_string(), letter(*value)))
        .collect();
    let expected = format!("{} symbols of the running kernel as declared", wanted.len());
    Check::new(CONCERN, "symbols", &query, expected, move |answer| {
        let Some(found) = parse_symbols(answer)? else {
            return Ok(Found::when(
                false,
                "neither /proc/config.gz nor /boot/config-RELEASE is there",
            )
            .or_hint("the running kernel's package is gone: reinstall it"));
        };
        let wrong: Vec<String> = wanted
            .iter()
            .filter_map(|(name, wanted)| {
                let found = found.get(name.as_str()).copied().unwrap_or("n");
                // What may be a module may be built in as well.
                let fine = found == *wanted || (*wanted == "m" && found == "y");
                (!fine).then(|| format!("{name} is {found}, not {wanted}"))
            })
            .collect();
        let evidence = if wrong.is_empty() {
            format!("all {}", wanted.len())
        } else {
            wrong.join(", ")
        };
        Ok(Found::when(wrong.is_empty(), evidence)
            .or_hint("only another kernel changes that: build one, or declare what this one has"))
    })
}

/// The symbols found; `None` if the host has no configuration of its kernel.
fn parse_symbols<'a>(
    answer: &Answer<'a>,
) -> Result<Option<BTreeMap<&'a str, &'a str>>, Unreadable> {
    let mut lines = answer.lines()?;
    match lines.next() {
        Some("none") => return Ok(None),
        Some("config") => {}
        _ => return Err(Unreadable::new("no kernel configuration in the answer")),
    }
    let symbols: BTreeMap<&str, &str> = lines
        .filter_map(|line| {
            if let Some(name) = line.strip_prefix("# CONFIG_") {
                return Some((name.strip_suffix(" is not set")?, "n"));
            }
            let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
            Some((name, value))
        })
        .collect();
    if symbols.is_empty() {
        return Err(Unreadable::new(
            "none of the symbols in the kernel configuration",
        ));
    }
    Ok(Some(symbols))
}

/// `kernel.io_uring_group` holds a group's number, which only the host knows.
fn io_uring_group(group: &str) -> Check {
    let query = Query::new(
        "kernel/io-uring-group",
        format!(
            "printf 'setting '; cat /proc/sys/kernel/io_uring_group 2>/dev/null || echo absent\nprintf 'group %s\\n' \"$(getent group {} | cut -d: -f3)\"",
            quote(group)
        ),
    );
    let expected = format!("kernel.io_uring_group is the number of group {group}");
    let group = group.to_owned();
    Check::new(CONCERN, "io-uring-group", &query, expected, move |answer| {
        let pairs = answer.pairs(' ')?;
        let setting = value(&pairs, "setting")?;
        let Some(number) = pairs.get("group").filter(|number| !number.is_empty()) else {
            return Ok(Found::when(false, format!("there is no group {group}"))
                .or_hint(crate::MADE_BY_APPLY));
        };
        Ok(Found::when(
            setting == *number,
            format!("it is {setting}, the group is {number}"),
        )
        .or_hint("kernels before 6.6 have no such setting"))
    })
}

/// By files alone: neither bpftool nor a program of ours is needed. BTF begins with a magic number, and who
/// may call `io_uring_setup` shows that it was built in.
const FEATURES_QUERY: &str = r#"[ "$(od -An -tx1 -N2 /sys/kernel/btf/vmlinux 2>/dev/null | tr -d ' ')" = 9feb ] && echo btf=yes || echo btf=no
printf 'cgroup='; stat -f -c %T /sys/fs/cgroup
printf 'bpf='; stat -f -c %T /sys/fs/bpf 2>/dev/null || echo none
printf 'jit='; cat /proc/sys/net/core/bpf_jit_enable 2>/dev/null || echo absent
grep -q 'sys_io_uring_setup$' /proc/kallsyms && echo io_uring=yes || echo io_uring=no
printf 'disabled='; cat /proc/sys/kernel/io_uring_disabled 2>/dev/null || echo absent"#;

/// What the running kernel can do beyond its symbols: eBPF and its types, cgroups, `io_uring`.
fn features(btf: bool, bpf: bool, io_uring: bool) -> Vec<Check> {
    let query = Query::new("kernel/features", FEATURES_QUERY);
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
