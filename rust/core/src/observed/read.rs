//! Turns the answers of a round into one [`Observed`].

use std::collections::{BTreeMap, BTreeSet};

use super::ask::asked;
use super::host::HostFacts;
use super::reading::Reading;
use super::{
    Clocks, Identity, ObserveScope, Observed, OsRelease, WayIn, apt, artifacts, complaints,
    firewall, host, packages, paths, places, settings, system, units, way_in,
};
use crate::precedence::{self, ConfigFiles};
use crate::query::{Answers, printable_line};
use crate::rendered::{Manifest, PathState};

/// Why the answers cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObserveError {
    /// Not even the first question was answered.
    #[error("the host did not say who it is: {cause}")]
    Silent {
        /// Why, as far as known.
        cause: String,
    },
    /// The host's file says no number.
    #[error("{}", no_number(found, *newest))]
    Number {
        /// What it says.
        found: String,
        /// The newest generation on the host; 0 if there is none.
        newest: u32,
    },
    /// The committed generation's record cannot be read.
    #[error(
        "the record of generation {generation} on the host, `/var/lib/deployctl/generations/{generation}/manifest.json`, cannot be read: {cause}; put the file back, or go on from an older generation: move `/var/lib/deployctl/generations/{generation}` away and write the older number into `/var/lib/deployctl/generation`"
    )]
    Manifest {
        /// Which generation.
        generation: u32,
        /// Why.
        cause: String,
    },
}

fn no_number(found: &str, newest: u32) -> String {
    let says = if found.is_empty() {
        "is empty".to_owned()
    } else {
        format!("says `{found}`, which is no number")
    };
    format!(
        "`/var/lib/deployctl/generation` on the host {says}, and its newest generation is {newest}; if that is what runs there, write it down: `echo {newest} >/var/lib/deployctl/generation`"
    )
}

/// Reads what the host answered to [`super::queries`] of the same scope.
///
/// What one unanswered query would have told is in [`Observed::unanswered`]; planning refuses where
/// it needs that. Only a host that says nothing, or whose own record is broken, is an error.
pub fn read(answers: &Answers, scope: &ObserveScope<'_>) -> Result<Observed, ObserveError> {
    let mut reading = Reading::of(answers);
    let host = match reading.answer("host") {
        Some(section) => host::parse(&section.stdout),
        None => HostFacts::default(),
    };
    let Some(uid) = host.uid else {
        return Err(ObserveError::Silent {
            cause: reading
                .unanswered
                .remove("host")
                .unwrap_or_else(|| "its answer cannot be read".to_owned()),
        });
    };
    let (generation, manifest) = match reading.answer("generation") {
        Some(section) => committed(&section.stdout)?,
        None => (0, None),
    };
    let found = files(&mut reading, scope, manifest.as_ref());
    let mut observed = begun(host, uid);
    observed.managed_bytes = found.bytes;
    observed.contents = found.contents;
    observed.paths = found.states;
    observed.generation = generation;
    observed.manifest = manifest;
    parts(&mut reading, scope, &mut observed);
    live(&mut reading, scope, &mut observed);
    if let Some(closure) = &scope.rendered.closure
        && !scope.sandbox
    {
        observed.system = system::read(&mut reading, closure);
    }
    observed.unanswered = reading.unanswered;
    Ok(observed)
}

/// The states of all paths that are asked about, and what else was found about them.
fn files(
    reading: &mut Reading<'_>,
    scope: &ObserveScope<'_>,
    manifest: Option<&Manifest>,
) -> paths::PathsSection {
    let mut found = paths::PathsSection::default();
    if let Some(section) = reading.asked_answer(scope, "paths", &[0]) {
        match paths::parse(&section.stdout) {
            Ok(parsed) => found = parsed,
            Err(cause) => reading.miss("paths", cause),
        }
    }
    let states = &mut found.states;
    let committed_paths = manifest.iter().flat_map(|manifest| manifest.paths.keys());
    if asked(scope, "paths") && !reading.unanswered.contains_key("paths") {
        for path in scope.rendered.entries.keys().chain(committed_paths) {
            states.entry(path.clone()).or_insert(PathState::Absent);
        }
    }
    if scope.sandbox {
        disown(states, scope, manifest);
    }
    found
}

/// What the first answer says; nothing is known of the rest yet.
fn begun(host: HostFacts, uid: u32) -> Observed {
    let word = |key: &str| host.words.get(key).cloned().unwrap_or_default();
    Observed {
        identity: host.identity.unwrap_or(Identity {
            machine_id_sha256: String::new(),
            hostname: word("hostname"),
        }),
        os: host.os.unwrap_or(OsRelease {
            id: String::new(),
            version: String::new(),
        }),
        boot_id: word("boot"),
        kernel: word("kernel"),
        command_line: word("cmdline"),
        systemd: host.words.contains_key("systemd"),
        udev: host.words.contains_key("udev"),
        interfaces: host.interfaces,
        root: uid == 0,
        read_only: host.read_only,
        free_kib: host.free_kib,
        managed_bytes: 0,
        generation: 0,
        manifest: None,
        pending: host.pending,
        paths: BTreeMap::new(),
        contents: BTreeMap::new(),
        packages: BTreeMap::new(),
        units: BTreeMap::new(),
        failed_units: BTreeSet::new(),
        sysctls: BTreeMap::new(),
        modules: BTreeSet::new(),
        reboot_required: host.words.contains_key("reboot-required"),
        at_boot: host.at_boot,
        clocks: Clocks::default(),
        firewall: None,
        accounts: None,
        places: None,
        apt: None,
        artifacts: BTreeMap::new(),
        lacking: BTreeMap::new(),
        system: None,
        way_in: WayIn::default(),
        config: ConfigFiles::default(),
        complaints: Vec::new(),
        next_command_line: String::new(),
        unanswered: BTreeMap::new(),
    }
}

/// Packages, units, settings, the way in, files that are read together, and the clocks.
fn parts(reading: &mut Reading<'_>, scope: &ObserveScope<'_>, observed: &mut Observed) {
    // dpkg-query says 1 when it does not know a name: an answer all the same.
    if let Some(section) = reading.asked_answer(scope, "packages", &[0, 1]) {
        observed.packages = packages::parse(&section.stdout);
    }
    if let Some(section) = reading.asked_answer(scope, "units", &[0]) {
        observed.units = units::parse(&section.stdout);
    }
    if let Some(section) = reading.asked_answer(scope, "failed", &[0]) {
        observed.failed_units = units::parse_failed(&section.stdout);
    }
    if let Some(section) = reading.asked_answer(scope, "sysctls", &[0]) {
        observed.sysctls = settings::parse_sysctls(&section.stdout);
    }
    if let Some(section) = reading.asked_answer(scope, "modules", &[0, 1]) {
        observed.modules = settings::parse_modules(&section.stdout, scope.rendered.modules.keys());
    }
    if let Some(section) = reading.asked_answer(scope, "way-in", &[0]) {
        observed.way_in = way_in::parse(&section.stdout);
    }
    if let Some(section) = reading.asked_answer(scope, "config", &[0]) {
        let (config, boot) = config(&section.stdout);
        observed.config = config;
        observed.next_command_line = boot;
    }
    if !scope.timezones.is_empty()
        && let Some(section) = reading.asked_answer(scope, "clock", &[0, 1])
    {
        observed.clocks = settings::parse_clocks(&section.stdout);
    }
}

/// The files that are read together, and the `next=` line of the boot loader's first entry.
fn config(section: &[u8]) -> (ConfigFiles, String) {
    let text = String::from_utf8_lossy(section);
    let next = text.lines().find_map(|line| line.strip_prefix("next="));
    let next = printable_line(next.unwrap_or_default().trim().as_bytes(), 4096);
    (precedence::parse(section), next)
}

/// What decides whether a plan can be carried out, and what runs beside its files.
fn live(reading: &mut Reading<'_>, scope: &ObserveScope<'_>, observed: &mut Observed) {
    if let Some(section) = reading.asked_answer(scope, "places", &[0]) {
        let (places, accounts) = places::parse(&section.stdout);
        observed.places = Some(places);
        observed.accounts = Some(accounts);
        match firewall::parse(&section.stdout) {
            Ok(found) => observed.firewall = found,
            Err(cause) => reading.miss("firewall", cause),
        }
    }
    if let Some(section) = reading.asked_answer(scope, "complaints", &[0]) {
        observed.complaints = complaints::parse(&section.stdout);
    }
    if let Some(section) = reading.asked_answer(scope, "apt", &[0]) {
        observed.apt = Some(apt::parse(&section.stdout));
    }
    if let Some(section) = reading.asked_answer(scope, "artifacts", &[0]) {
        match artifacts::parse(&section.stdout, scope) {
            Ok(found) => {
                observed.artifacts = found.held;
                observed.lacking = found.lacking;
            }
            Err(cause) => reading.miss("artifacts", cause),
        }
    }
}

/// The number on the first line, then the manifest.
fn committed(section: &[u8]) -> Result<(u32, Option<Manifest>), ObserveError> {
    let end = section.iter().position(|&byte| byte == b'\n');
    let (number, manifest) = section.split_at(end.unwrap_or(section.len()));
    let text = String::from_utf8_lossy(number);
    if let Some(rest) = text.strip_prefix("none ") {
        let (newest, found) = rest.split_once(' ').unwrap_or((rest, ""));
        let newest = newest.trim().parse().unwrap_or(0);
        let found = printable_line(found.trim().as_bytes(), 40);
        // A host that was never applied to may have an empty file as well as none.
        if newest == 0 && found.is_empty() {
            return Ok((0, None));
        }
        return Err(ObserveError::Number { found, newest });
    }
    let generation = text.trim().parse().map_err(|_| ObserveError::Number {
        found: printable_line(number, 40),
        newest: 0,
    })?;
    if generation == 0 {
        return Ok((0, None));
    }
    let manifest_is_missing = manifest.trim_ascii().is_empty();
    let manifest: Manifest =
        serde_json::from_slice(manifest).map_err(|cause| ObserveError::Manifest {
            generation,
            cause: if manifest_is_missing {
                "it is missing or empty".to_owned()
            } else {
                printable_line(cause.to_string().as_bytes(), 200)
            },
        })?;
    if manifest.version != 1 {
        return Err(ObserveError::Manifest {
            generation,
            cause: format!(
                "it has format {}, and this deployctl reads format 1",
                manifest.version
            ),
        });
    }
    Ok((generation, Some(manifest)))
}

/// In a sandbox everything belongs to whoever runs it: owners count as right.
fn disown(
    states: &mut BTreeMap<crate::name::ManagedPath, PathState>,
    scope: &ObserveScope<'_>,
    manifest: Option<&Manifest>,
) {
    for (path, state) in states {
        let wanted = scope
            .rendered
            .entries
            .get(path)
            .map(|entry| PathState::of(&entry.entry))
            .or_else(|| manifest?.paths.get(path).cloned());
        let (
            PathState::File { ownership, .. } | PathState::Directory { ownership },
            Some(
                PathState::File {
                    ownership: wanted, ..
                }
                | PathState::Directory { ownership: wanted },
            ),
        ) = (state, wanted)
        else {
            continue;
        };
        ownership.owner = wanted.owner;
        ownership.group = wanted.group;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::name::HostName;
    use crate::query::Section;
    use crate::rendered::Rendered;

    fn section(stdout: &[u8]) -> Section {
        Section {
            status: Some(0),
            stdout: stdout.to_vec(),
            stderr: Vec::new(),
            truncated: false,
        }
    }

    fn answers(changed: &[(&str, Section)]) -> Answers {
        let mut answers: Answers = [
            (
                "host",
                "uid 0\nos ID=debian\nos VERSION_ID=\"12\"\nhostname box\nsystemd yes\n",
            ),
            ("generation", "0\n"),
            ("paths", ""),
            ("packages", ""),
            ("units", ""),
            ("failed", ""),
            ("sysctls", ""),
            ("modules", ""),
            ("places", ""),
        ]
        .into_iter()
        .map(|(id, text)| (id.to_owned(), section(text.as_bytes())))
        .collect();
        for (id, section) in changed {
            answers.insert((*id).to_owned(), section.clone());
        }
        answers
    }

    fn empty() -> Rendered {
        Rendered::empty(HostName::new("box").unwrap())
    }

    fn read_with(changed: &[(&str, Section)]) -> Result<Observed, ObserveError> {
        let rendered = empty();
        read(
            &answers(changed),
            &ObserveScope {
                rendered: &rendered,
                sandbox: false,
                timezones: &[],
            },
        )
    }

    #[test]
    fn recorded_answers_become_facts() {
        let observed = read_with(&[
            (
                "packages",
                section(
                    b"chrony\tamd64\t4.5-1ubuntu4\tinstall\tinstalled\n\
                      libc6\ti386\t2.39\tinstall\tconfig-files\n\
                      libc6\tamd64\t2.39-0ubuntu8\thold\tinstalled\n\
                      gone\tamd64\t\tunknown\tnot-installed\n",
                ),
            ),
            (
                "units",
                section(
                    b"Id=ssh.service\nNames=sshd.service ssh.service\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\n\n\
                      Id=no.service\nNames=no.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n",
                ),
            ),
            (
                "failed",
                section("● a.service loaded failed failed A\nb.mount loaded failed failed B\n".as_bytes()),
            ),
            ("sysctls", section(b"net/ipv4/tcp_rmem:4096\t131072\t6291456\nnet/ipv4/conf/eth0.1/rp_filter:2\n")),
        ])
        .unwrap();
        insta::assert_json_snapshot!((
            observed.os,
            observed.packages,
            observed.units,
            observed.failed_units,
            observed.sysctls
        ));
    }

    #[test]
    fn what_was_not_answered_is_told() {
        let late = Section {
            status: None,
            ..section(b"")
        };
        let failed = Section {
            status: Some(127),
            stderr: b"sh: 1: dpkg-query: \x1b[31mnot found\n".to_vec(),
            ..section(b"")
        };
        let cut = Section {
            truncated: true,
            ..section(b"x")
        };
        let observed = read_with(&[
            ("units", late.clone()),
            ("packages", failed),
            ("sysctls", cut),
            ("paths", section(b"f\x00644\0root")),
        ])
        .unwrap();
        let mut said: Vec<_> = observed
            .unanswered
            .iter()
            .map(|(id, why)| format!("{id}: {why}"))
            .collect();
        for broken in [
            read_with(&[("host", late)]),
            read_with(&[("host", section(b"-bash: nonsense\n"))]),
            read_with(&[("generation", section(b"many\n"))]),
            read_with(&[("generation", section(b"3\n{\"version\": 1,"))]),
        ] {
            said.push(broken.unwrap_err().to_string());
        }
        insta::assert_snapshot!(said.join("\n"), @"
        config: it was not asked
        packages: exit status 127: sh: 1: dpkg-query: not found
        paths: it ends where an owner should stand
        sysctls: the answer is too long
        units: no answer in time
        way-in: it was not asked
        the host did not say who it is: no answer in time
        the host did not say who it is: its answer cannot be read
        `/var/lib/deployctl/generation` on the host says `many`, which is no number, and its newest generation is 0; if that is what runs there, write it down: `echo 0 >/var/lib/deployctl/generation`
        the record of generation 3 on the host, `/var/lib/deployctl/generations/3/manifest.json`, cannot be read: EOF while parsing a value at line 2 column 14; put the file back, or go on from an older generation: move `/var/lib/deployctl/generations/3` away and write the older number into `/var/lib/deployctl/generation`
        ");
    }

    #[test]
    fn an_os_is_read_from_any_spelling() {
        let cases = [
            "ID=debian\nVERSION_ID=\"12\"\n",
            "ID='ubuntu'\nVERSION_ID=24.04",
            "ID=arch\n",
            "NAME=x\nID=\nVERSION_ID=\"",
            "ID=\"\x1b[31mevil\"\n",
        ];
        let read: Vec<_> = cases
            .iter()
            .map(|text| {
                let os = super::super::parse_os_release(text);
                format!("{:?} {:?}", os.id, os.version)
            })
            .collect();
        insta::assert_snapshot!(read.join("\n"), @r#"
        "debian" "12"
        "ubuntu" "24.04"
        "arch" ""
        "" "\""
        "evil" ""
        "#);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(
            id in prop::sample::select(vec!["host", "generation", "paths", "packages", "units", "failed", "sysctls", "modules", "places"]),
            noise in prop::collection::vec(any::<u8>(), 0..300),
            words in "[fdl=0-9a-z\\x00 \\t\\n./]{0,200}",
        ) {
            let _ = read_with(&[(id, section(&noise))]);
            let _ = read_with(&[(id, section(words.as_bytes()))]);
        }
    }
}
