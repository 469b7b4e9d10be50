//! Looks for values wherever none may be: on all machines, on the controller, and in processes while commands run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, ensure};
use deployctl_core::rendered::Sha256Hex;
use deployctl_e2e::Machine;

use crate::cluster::{Cluster, Run};

/// What every value begins with, so that finding it anywhere means something. No other run has the same.
pub(crate) static POISON: LazyLock<String> = LazyLock::new(|| {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("poison-{}-{}x", std::process::id(), now.as_nanos())
});

/// `POISON` as a pattern that does not match itself.
fn pattern() -> String {
    POISON.trim_end_matches('x').to_owned() + "[x]"
}

/// Each line is a place, how much of it was looked at, and how often a value is there.
const LOOK: &str = "\
count() { printf '%s\\t%s\\t%s\\n' \"$1\" \"$2\" \"$3\"; }
sync
for place in /etc /home /nix /opt /root /srv /tmp /var /dev/shm; do
    [ -d \"$place\" ] || continue
    count \"$place\" \"$(find \"$place\" -type f 2>/dev/null | wc -l)\" \"$(grep -rl 'PATTERN' \"$place\" 2>/dev/null | wc -l)\"
done
count /run \"$(find /run -type f 2>/dev/null | wc -l)\" \"$(grep -rl 'PATTERN' /run --exclude-dir=credentials 2>/dev/null | grep -vc -e '^/run/deployctl/secrets/' -e '^/run/agenix')\"
count 'lines of the journal' \"$(journalctl -q | wc -l)\" \"$(journalctl -q | grep -c 'PATTERN')\"
";

/// The same on the controller, with every object of the repository's git. `/tmp` and its like belong to others, too: what
/// is newer than the world is looked at.
const LOOK_HERE: &str = "\
world=$2
cd \"$1\"
[ -e .git ] || git init -q . 2>/dev/null
git add -A; git -c user.name=t -c user.email=t@t commit -qm state >/dev/null || :
count() { printf '%s\\t%s\\t%s\\n' \"$1\" \"$2\" \"$3\"; }
count 'objects of git' \"$(git cat-file --batch-all-objects --batch-check | wc -l)\" \"$(git cat-file --batch-all-objects --batch | grep -ac 'PATTERN')\"
shift 2
for place in \"$@\"; do
    count \"${place##*/}\" \"$(find \"$place\" -type f 2>/dev/null | wc -l)\" \"$(grep -rl 'PATTERN' \"$place\" 2>/dev/null | wc -l)\"
done
for place in /dev/shm /tmp /var/tmp; do
    newer() { find \"$place\" -xdev -type f -newer \"$world/owner\" -print0 2>/dev/null; }
    count \"$place\" \"$(newer | tr -cd '\\0' | wc -c)\" \"$(newer | xargs -0r grep -l 'PATTERN' 2>/dev/null | wc -l)\"
done
";

/// Looks at the command line and the environment of every process of this computer again and again. Those of the
/// machines are among them.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

/// What was seen of processes.
#[derive(Debug, Default)]
struct Seen {
    rounds: usize,
    processes: usize,
    hits: usize,
    /// The commands of deployctl that were looked at while they ran.
    commands: BTreeSet<String>,
}

impl Watch {
    /// Starts; the commands are those that run in the world of `cluster`.
    pub(crate) fn start(cluster: &Cluster) -> Self {
        let world = format!("HOME={}", cluster.world.home().display());
        let (stop, seen) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Seen>>::default());
        let (over, shared) = (stop.clone(), seen.clone());
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                look_at_processes(
                    &mut shared.lock().unwrap_or_else(PoisonError::into_inner),
                    &world,
                );
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self {
            stop,
            seen,
            thread: Some(thread),
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn forget_hits(&self) {
        self.with(|seen| seen.hits = 0);
    }

    /// Fails unless each of `commands` was looked at while it ran.
    pub(crate) fn expect(&self, commands: &[&str]) -> Result<()> {
        self.with(|seen| {
            for command in commands {
                ensure!(
                    seen.commands.contains(*command),
                    "`{command}` was not looked at: {:?}",
                    seen.commands
                );
            }
            Ok(())
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn look_at_processes(seen: &mut Seen, world: &str) {
    seen.rounds += 1;
    let poison = POISON.as_bytes();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = process.file_name();
        if !name.to_string_lossy().bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        // A process may be gone by now.
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        seen.processes += 1;
        for text in [&line, &environment] {
            seen.hits += usize::from(text.windows(poison.len()).any(|it| it == poison));
        }
        let words = String::from_utf8_lossy(&line);
        let words: Vec<&str> = words.split('\0').collect();
        let mut variables = environment.split(|byte| *byte == 0);
        let is_ours = variables.any(|variable| variable == world.as_bytes());
        if is_ours && words[0].ends_with("/deployctl") && words.len() > 2 {
            let count = if words[1] == "secret" { 2 } else { 1 };
            seen.commands.insert(words[1..=count].join(" "));
        }
    }
}

/// The places that hold a value; all places are printed with their counts. `said` is what commands printed.
#[expect(clippy::print_stdout, reason = "the counts are the evidence")]
pub(crate) fn leaks(cluster: &Cluster, watch: &Watch) -> Result<Vec<String>> {
    let pattern = pattern();
    let mut table = BTreeMap::new();
    for machine in &cluster.machines {
        let rows = machine.ok(&LOOK.replace("PATTERN", &pattern))?;
        take(&mut table, machine.name(), &rows);
    }
    let scratch = cluster.world.scratch();
    let here = Command::new("sh")
        .args(["-c", &LOOK_HERE.replace("PATTERN", &pattern), "sh"])
        .arg(cluster.path(""))
        .arg(scratch.join(".."))
        .args([&scratch, &cluster.world.home(), &scratch.join("../nix")])
        .output()?;
    ensure!(here.status.success(), "{here:?}");
    take(&mut table, "controller", &String::from_utf8(here.stdout)?);
    watch.with(|seen| {
        let looked = format!("{} in {} rounds", seen.processes, seen.rounds);
        let row = "processes: command lines, environments";
        table.insert(format!("all: {row}"), (looked, seen.hits.to_string()));
    });
    for (place, (looked, found)) in &table {
        println!("{place:<44} {looked:>24} {found:>6}");
    }
    let hits = table.into_iter().filter(|(_, (_, found))| found != "0");
    Ok(hits.map(|(place, _)| place).collect())
}

fn take(table: &mut BTreeMap<String, (String, String)>, whose: &str, rows: &str) {
    for row in rows.lines() {
        let mut columns = row.split('\t').map(ToOwned::to_owned);
        let [place, looked, found] = [(); 3].map(|()| columns.next().unwrap_or_default());
        table.insert(format!("{whose}: {place}"), (looked, found));
    }
}

/// Runs deployctl, and keeps what it prints beside everything else that is looked at.
pub(crate) fn run(cluster: &Cluster, arguments: &[&str]) -> Result<Run> {
    keep(cluster, cluster.deployctl(arguments)?)
}

/// Puts what a run printed to what is looked at.
pub(crate) fn keep(cluster: &Cluster, run: Run) -> Result<Run> {
    let said = cluster.world.scratch().join("said");
    let mut all = fs::read(&said).unwrap_or_default();
    all.extend(run.stdout.bytes().chain(run.stderr.bytes()));
    fs::write(said, all)?;
    Ok(run)
}

/// Gives `name` a value, as a person types it.
pub(crate) fn set(cluster: &Cluster, name: &str, value: &str) -> Result<()> {
    let file = cluster.world.scratch().join("value");
    fs::write(&file, value)?;
    let mut command = cluster.command(&["secret", "set", name]);
    let run = Run::of(command.stdin(fs::File::open(&file)?));
    fs::remove_file(&file)?;
    keep(cluster, run?)?.expect(0);
    Ok(())
}

/// What a service of the machine was given.
pub(crate) fn given(machine: &Machine) -> Result<String> {
    machine.wait_until(Duration::from_secs(10), "[ -s /run/reader.sum ]")?;
    Ok(machine
        .ok("cut -d' ' -f1 /run/reader.sum")?
        .trim()
        .to_owned())
}

/// The same of a value.
pub(crate) fn sum(value: &str) -> String {
    Sha256Hex::of(value.as_bytes()).as_str().to_owned()
}
