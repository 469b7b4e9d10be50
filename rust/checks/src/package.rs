//! Installed packages, for every concern that declares some.

use std::collections::BTreeMap;

use deployctl_core::name::{ConcernName, PackageName};
use deployctl_core::query::{Query, quote};
use deployctl_core::rendered::{PackageWant, Rendered};

use super::Check;
use super::answer::{Answer, Found, Unreadable};

/// One check per concern with packages: each is installed, at its exact version where one is declared,
/// and held where that is declared.
pub(super) fn checks(rendered: &Rendered) -> Vec<Check> {
    let mut by_concern: BTreeMap<&ConcernName, BTreeMap<&PackageName, &PackageWant>> =
        BTreeMap::new();
    for (name, want) in &rendered.packages {
        for concern in want.concerns() {
            by_concern.entry(concern).or_default().insert(name, want);
        }
    }
    let query = query(rendered.packages.keys());
    by_concern
        .into_iter()
        .map(|(concern, packages)| {
            let wants: Vec<Want> = packages
                .iter()
                .map(|(name, want)| Want::new(name, want))
                .collect();
            let expected = wants.iter().map(Want::show).collect::<Vec<_>>().join(", ");
            Check::new(
                concern.as_str(),
                "packages",
                &query,
                expected,
                move |answer| judge(answer, &wants),
            )
            .reading_failures()
        })
        .collect()
}

/// Status 1 of dpkg-query only says that some are unknown: absent from the answer is what counts.
fn query<'a>(names: impl Iterator<Item = &'a PackageName>) -> Query {
    let names: Vec<String> = names.map(|name| quote(name.as_str())).collect();
    Query::new(
        "packages",
        format!(
            "dpkg-query -W -f='${{Package}} ${{Version}} ${{db:Status-Want}} ${{db:Status-Eflag}} ${{db:Status-Status}}\\n' dpkg {} 2>/dev/null",
            names.join(" ")
        ),
    )
}

struct Want {
    name: String,
    version: Option<String>,
    hold: bool,
}

impl Want {
    fn new(name: &PackageName, want: &PackageWant) -> Self {
        // dpkg-query prints the name without its architecture.
        let name = name.as_str();
        Self {
            name: name
                .split_once(':')
                .map_or(name, |(name, _)| name)
                .to_owned(),
            version: want.version.clone(),
            hold: want.hold,
        }
    }

    fn show(&self) -> String {
        let version = self
            .version
            .as_ref()
            .map(|v| format!(" {v}"))
            .unwrap_or_default();
        let held = if self.hold { " held" } else { "" };
        format!("{}{version}{held}", self.name)
    }
}

/// A package as dpkg knows it.
struct Installed<'a> {
    version: &'a str,
    held: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Installed,
    /// Unpacked, and not configured to the end.
    Unfinished,
    /// dpkg was ended while it unpacked it: only to be unpacked again.
    HalfUnpacked,
    Absent,
}

impl State {
    /// Of dpkg's words for a package's error flag and its status, see dpkg(1).
    fn of(flag: &str, status: &str) -> Self {
        match (flag, status) {
            ("reinstreq", _) | (_, "half-installed") => Self::HalfUnpacked,
            (_, "installed") => Self::Installed,
            (_, "unpacked" | "half-configured" | "triggers-awaited" | "triggers-pending") => {
                Self::Unfinished
            }
            _ => Self::Absent,
        }
    }

    fn show(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Unfinished => "unpacked or half configured",
            Self::HalfUnpacked => "half installed",
            Self::Absent => "not installed",
        }
    }
}

fn judge(answer: &Answer<'_>, wants: &[Want]) -> Result<Found, Unreadable> {
    let installed = parse(answer)?;
    let state = |want: &Want| {
        installed
            .get(want.name.as_str())
            .map_or(State::Absent, |package| package.state)
    };
    let wrong: Vec<String> = wants
        .iter()
        .filter_map(|want| {
            let name = &want.name;
            let package = match installed.get(name.as_str()) {
                Some(package) if package.state == State::Installed => package,
                _ => return Some(format!("{name} is {}", state(want).show())),
            };
            if let Some(version) = want.version.as_deref().filter(|v| *v != package.version) {
                return Some(format!("{name} is {}, not {version}", package.version));
            }
            (want.hold && !package.held).then(|| format!("{name} is not held"))
        })
        .collect();
    let any = |wanted| wants.iter().any(|want| state(want) == wanted);
    Ok(if wrong.is_empty() {
        Found::when(true, format!("{} as declared", wants.len()))
    } else if any(State::Unfinished) {
        // apt refuses all operations until that one is finished.
        Found::when(false, wrong.join(", "))
            .or_hint("an installation was interrupted: on the host, as root: `dpkg --configure -a`")
    } else if any(State::HalfUnpacked) {
        Found::when(false, wrong.join(", ")).or_hint("apply reinstalls what dpkg did not finish")
    } else {
        Found::when(false, wrong.join(", "))
            .or_hint("apply installs what is missing; a newer version goes back by hand only")
    })
}

/// `dpkg` itself is always asked for too, so that "no package" differs from "no answer".
fn parse<'a>(answer: &Answer<'a>) -> Result<BTreeMap<&'a str, Installed<'a>>, Unreadable> {
    let mut packages = BTreeMap::new();
    for line in answer.lines()? {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [name, version, want, flag, status] => {
                let package = Installed {
                    version,
                    held: want == "hold",
                    state: State::of(flag, status),
                };
                packages.insert(name, package);
            }
            // Known, never installed: dpkg-query leaves the version empty.
            [_, _, _, _] => {}
            _ => return Err(Unreadable(format!("`{line}` is no line of dpkg-query"))),
        }
    }
    if packages.contains_key("dpkg") {
        Ok(packages)
    } else {
        Err(Unreadable::new("dpkg does not list even itself"))
    }
}
