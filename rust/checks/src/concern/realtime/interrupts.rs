//! Interrupts, which must not come to isolated CPUs.

use std::collections::BTreeSet;

use deployctl_core::cpus;
use deployctl_core::query::Query;

use super::{CONCERN, NEXT_BOOT};
use crate::Check;
use crate::answer::{Answer, Found, Unreadable};

/// Where each handled interrupt really goes. The folder with the handler's name exists only for those.
const INTERRUPTS: &str = r#"echo interrupts
for d in /proc/irq/[0-9]*; do
  name=
  for n in "$d"/*/; do [ -d "$n" ] && name=${n%/}; done
  [ -n "$name" ] || continue
  list=$(cat "$d/effective_affinity_list" 2>/dev/null)
  [ -n "$list" ] || list=$(cat "$d/smp_affinity_list" 2>/dev/null)
  echo "irq ${d##*/} ${list:-none} ${name##*/}"
done
printf 'running='; cat /proc/cmdline"#;

pub(super) fn check(isolated: BTreeSet<u32>) -> Check {
    let query = Query::new("realtime/interrupts", format!("{INTERRUPTS}\n{NEXT_BOOT}"));
    let expected = format!("interrupts keep off {}", cpus::show(&isolated));
    Check::new(CONCERN, "interrupts", &query, expected, move |answer| {
        judge(answer, &isolated)
    })
}

fn judge(answer: &Answer<'_>, isolated: &BTreeSet<u32>) -> Result<Found, Unreadable> {
    let mut lines = answer.lines()?;
    if lines.next() != Some("interrupts") {
        return Err(Unreadable::new("no list of interrupts in the answer"));
    }
    let (mut count, mut disturbing) = (0, Vec::new());
    let (mut running, mut next) = (None, "");
    for line in lines {
        if let Some(words) = line.strip_prefix("running=") {
            running = Some(words);
        } else if let Some(words) = line.strip_prefix("next=") {
            next = words;
        } else {
            let [_, number, list, name] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else {
                return Err(Unreadable(format!("`{line}` is no interrupt")));
            };
            count += 1;
            if list != "none" && !is_queue(name) && !cpus::parse(list)?.is_disjoint(isolated) {
                disturbing.push(format!("{number} ({name}) on {list}"));
            }
        }
    }
    let running =
        running.ok_or_else(|| Unreadable::new("no running command line in the answer"))?;
    let says = |line: &str| {
        line.split_whitespace()
            .any(|w| w.starts_with("irqaffinity="))
    };
    let evidence = if disturbing.is_empty() {
        format!("{count} interrupts elsewhere")
    } else {
        disturbing.join(", ")
    };
    Ok(Found::when(disturbing.is_empty(), evidence)
        .or_hint(
            "irqbalance must not run; /proc/irq/N/smp_affinity_list moves one until the next boot",
        )
        .or_after_reboot(
            says(next) && !says(running),
            "the boot loader has irqaffinity=",
        ))
}

/// Whether it is of a disk's queue for certain CPUs: the kernel forbids to move it, and it comes only after
/// what those CPUs have asked of the disk themselves.
fn is_queue(name: &str) -> bool {
    let Some((disk, queue)) = name.strip_prefix("nvme").and_then(|n| n.split_once('q')) else {
        return false;
    };
    [disk, queue]
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}
