//! The GPU as its driver sees it.

use deployctl_core::inventory::nvidia::Nvidia;
use deployctl_core::query::Query;

use crate::answer::{Answer, Found, Holds, Unreadable, number, value};
use crate::concern::kernel;
use crate::{Check, Declared};

pub(crate) const CONCERN: &str = "nvidia";

const NO_DRIVER: &str = "nvidia-smi is not installed: the driver comes with apply. \
     A machine without that GPU must not declare `nvidia`";

pub(super) fn checks(facts: &Nvidia, _: &Declared<'_>) -> Vec<Check> {
    // Never the table for people, and never pcie.link.gen.current, which drops when idle.
    let mut query = Query::new(
        "nvidia/gpus",
        "nvidia-smi --query-gpu=name,driver_version,memory.total,persistence_mode,power.limit,pcie.link.width.current,pcie.link.gen.max,compute_cap --format=csv,noheader,nounits",
    );
    // A GPU in trouble takes its time to say so.
    query.deadline = std::time::Duration::from_secs(20);
    let mut checks = vec![presence(
        &query,
        facts.gpu.name.as_str(),
        facts.gpu.count.unwrap_or(1),
    )];
    checks.extend(device(facts, &query));
    checks.extend(settings(facts, &query));
    checks.push(width(facts, &query));
    checks.push(branch(facts, &query));
    checks.extend(generation(facts, &query));
    checks.extend(module_checks(facts.open_modules));
    if !facts.modules.is_empty() {
        checks.push(kernel::modules(CONCERN, &kernel::names(&facts.modules)));
    }
    checks
}

/// What the GPU is.
fn device(facts: &Nvidia, query: &Query) -> [Check; 2] {
    let (name, memory) = (facts.gpu.name.as_str(), facts.gpu.memory_mib);
    let capability = facts.gpu.compute_capability.to_string();
    [
        check(
            "memory",
            query,
            format!("{memory} MiB of memory"),
            name,
            move |gpu| {
                let found: u32 = number("memory.total", gpu.memory)?;
                Ok(Found::when(found == memory, format!("{found} MiB")))
            },
        ),
        check(
            "capability",
            query,
            format!("compute capability {capability}"),
            name,
            move |gpu| Ok(Found::when(gpu.capability == capability, gpu.capability)),
        ),
    ]
}

/// How its driver is set.
fn settings(facts: &Nvidia, query: &Query) -> [Check; 2] {
    let (name, limit) = (facts.gpu.name.as_str(), facts.power_limit_watts);
    let mode = if facts.persistence {
        "Enabled"
    } else {
        "Disabled"
    };
    [
        check(
            "persistence",
            query,
            format!("persistence mode {mode}"),
            name,
            move |gpu| Ok(Found::when(gpu.persistence == mode, gpu.persistence)),
        ),
        check(
            "power-limit",
            query,
            format!("power limit {limit} W"),
            name,
            move |gpu| {
                let found: f64 = number("power.limit", gpu.power_limit)?;
                let holds = (found - f64::from(limit)).abs() < 0.5;
                Ok(Found::when(holds, format!("{found:.0} W")).or_hint(
                    "the limit is lost whenever the driver is loaded anew: look at its unit",
                ))
            },
        ),
    ]
}

/// How many lanes its slot gives it.
fn width(facts: &Nvidia, query: &Query) -> Check {
    let (name, width) = (facts.gpu.name.as_str(), facts.gpu.pcie_width);
    check(
        "pcie-width",
        query,
        format!("{width} PCIe lanes"),
        name,
        move |gpu| {
            let found: u8 = number("pcie.link.width.current", gpu.pcie_width)?;
            Ok(Found::when(found == width, format!("{found} lanes"))
                .or_hint("the slot has fewer lanes, shares them, or the card sits badly"))
        },
    )
}

/// Of which branch its driver is.
fn branch(facts: &Nvidia, query: &Query) -> Check {
    let (name, branch) = (facts.gpu.name.as_str(), facts.branch);
    check(
        "branch",
        query,
        format!("driver branch {branch}"),
        name,
        move |gpu| {
            let found = gpu.driver.split('.').next().unwrap_or_default();
            let found: u16 = number("driver_version", found)?;
            Ok(Found::when(
                found == branch,
                format!("driver {}", gpu.driver),
            ))
        },
    )
}

/// Which `PCIe` generation its slot gives it.
fn generation(facts: &Nvidia, query: &Query) -> Option<Check> {
    let (name, generation) = (facts.gpu.name.as_str(), facts.gpu.pcie_generation?);
    Some(check(
        "pcie-generation",
        query,
        format!("PCIe {generation}.0 or better"),
        name,
        move |gpu| {
            let found: u8 = number("pcie.link.gen.max", gpu.pcie_generation)?;
            Ok(Found::when(found >= generation, format!("PCIe {found}.0"))
                .or_hint("the firmware holds the slot back, a riser does, or it is another slot"))
        },
    ))
}

/// As many GPUs of the declared name as declared; others may be there beside them.
fn presence(query: &Query, name: &str, count: u8) -> Check {
    let expected = match count {
        1 => format!("a GPU named {name}"),
        count => format!("{count} GPUs named {name}"),
    };
    let name = name.to_owned();
    asking(query, "gpu", expected, move |gpus| {
        // Compared whole: a 3090 Ti is no 3090.
        let found = gpus.iter().filter(|gpu| gpu.name == name).count();
        let names: Vec<&str> = gpus.iter().map(|gpu| gpu.name).collect();
        let hint = if found > usize::from(count) {
            format!(
                "say `nvidia.gpu.count = {found}`: those beyond {count} are left without power cap"
            )
        } else if found > 0 {
            "a GPU is missing: look at its power and slot: lspci -nn | grep -i nvidia".to_owned()
        } else {
            "another GPU than declared is in the machine".to_owned()
        };
        Ok(Found::when(found == usize::from(count), names.join(", ")).or_hint(hint))
    })
}

/// A check of every GPU of the declared name. Without one it would only repeat that.
fn check(
    what: &str,
    query: &Query,
    expected: String,
    name: &str,
    judge: impl Fn(&Gpu<'_>) -> Result<Found, Unreadable> + Send + Sync + 'static,
) -> Check {
    let name = name.to_owned();
    asking(query, what, expected, move |gpus| {
        let mut all: Option<Found> = None;
        for gpu in gpus.iter().filter(|gpu| gpu.name == name) {
            let found = judge(gpu)?;
            all = Some(match all {
                None => found,
                Some(before) => both(before, found),
            });
        }
        all.ok_or_else(|| Unreadable(format!("no GPU named {name} in the answer")))
    })
    .needing("nvidia/gpu")
}

/// What two GPUs show: the evidence of both where it differs, and what is wrong with either.
fn both(first: Found, second: Found) -> Found {
    let evidence = if first.evidence.ends_with(&second.evidence) {
        first.evidence
    } else {
        format!("{}, {}", first.evidence, second.evidence)
    };
    let holds = match first.holds {
        Holds::Yes => second.holds,
        wrong => wrong,
    };
    Found {
        evidence,
        holds,
        measured: Vec::new(),
    }
}

fn asking(
    query: &Query,
    what: &str,
    expected: String,
    judge: impl Fn(&[Gpu<'_>]) -> Result<Found, Unreadable> + Send + Sync + 'static,
) -> Check {
    Check::new(
        CONCERN,
        what,
        query,
        expected,
        move |answer| match trouble(answer) {
            Some(trouble) => Ok(trouble),
            None => judge(&parse(answer)?),
        },
    )
    .reading_failures()
    .where_missing(NO_DRIVER)
}

/// The error of nvidia-smi, on either stream and with any status.
fn trouble(answer: &Answer<'_>) -> Option<Found> {
    let words = answer.everything();
    let first = words
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let no = |hint: &str| Holds::No(Some(hint.to_owned()));
    let holds = if words.contains("Driver/library version mismatch") {
        Holds::AfterReboot(
            "the driver was upgraded, the old one's module is still loaded".to_owned(),
        )
    } else if words.contains("couldn't communicate with the NVIDIA driver") {
        no("the driver's module is not loaded: modprobe nvidia, dkms status, mokutil --sb-state")
    } else if words.contains("No devices were found") {
        no("the driver sees no GPU: lspci -nn | grep -i nvidia; dmesg | grep -i nvrm")
    } else if [
        "GPU is lost",
        "ERR!",
        "Unable to determine the device handle",
    ]
    .iter()
    .any(|sign| words.contains(sign))
    {
        no("the GPU has fallen off the bus: power off, look at its power and slot")
    } else {
        return None;
    };
    Some(Found {
        evidence: first.to_owned(),
        holds,
        measured: Vec::new(),
    })
}

struct Gpu<'a> {
    name: &'a str,
    driver: &'a str,
    memory: &'a str,
    persistence: &'a str,
    power_limit: &'a str,
    pcie_width: &'a str,
    pcie_generation: &'a str,
    capability: &'a str,
}

/// One GPU a line, in the order of the query's fields.
fn parse<'a>(answer: &Answer<'a>) -> Result<Vec<Gpu<'a>>, Unreadable> {
    if answer.status != 0 {
        return Err(Unreadable(format!(
            "nvidia-smi ended with status {}",
            answer.status
        )));
    }
    answer
        .lines()?
        .map(|line| match line.split(", ").collect::<Vec<_>>()[..] {
            [
                name,
                driver,
                memory,
                persistence,
                power_limit,
                pcie_width,
                pcie_generation,
                capability,
            ] => Ok(Gpu {
                name,
                driver,
                memory,
                persistence,
                power_limit,
                pcie_width,
                pcie_generation,
                capability,
            }),
            _ => Err(Unreadable(format!("`{line}` has not eight fields"))),
        })
        .collect()
}

fn module_checks(open: bool) -> Vec<Check> {
    let query = Query::new(
        "nvidia/module",
        "if [ -r /proc/driver/nvidia/version ]; then sed -n 's/^NVRM version: */loaded=/p' /proc/driver/nvidia/version; else echo loaded=; fi\nprintf 'installed='; modinfo -F version nvidia 2>/dev/null || echo",
    );
    let flavour = if open { "open" } else { "proprietary" };
    let absent = || {
        Found::when(false, "no nvidia module is loaded")
            .or_hint("modprobe nvidia; dkms status; the running kernel needs its own build of it")
    };
    vec![
        Check::new(
            CONCERN,
            "module-flavour",
            &query,
            format!("the {flavour} kernel module is loaded"),
            move |answer| {
                let pairs = answer.pairs('=')?;
                let loaded = value(&pairs, "loaded")?;
                if loaded.is_empty() {
                    return Ok(absent());
                }
                Ok(Found::when(
                    loaded.contains("Open Kernel Module") == open,
                    loaded,
                ))
            },
        ),
        Check::new(
            CONCERN,
            "module-version",
            &query,
            "the loaded module is the installed one",
            move |answer| {
                let pairs = answer.pairs('=')?;
                let (loaded, installed) = (value(&pairs, "loaded")?, value(&pairs, "installed")?);
                if loaded.is_empty() {
                    return Ok(absent());
                }
                let same =
                    !installed.is_empty() && loaded.split_whitespace().any(|w| w == installed);
                let evidence = if installed.is_empty() {
                    format!("none is installed for the running kernel; loaded: {loaded}")
                } else {
                    format!("installed {installed}, loaded {loaded}")
                };
                Ok(Found::when(same, evidence)
                    .or_hint("the running kernel needs its own build of the module: dkms status")
                    .or_after_reboot(
                        !installed.is_empty(),
                        "another driver is installed than loaded",
                    ))
            },
        ),
    ]
}
