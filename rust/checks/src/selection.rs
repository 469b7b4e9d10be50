//! Which of all checks are made: `--only`, `--skip`, `--gate`, `--quick`.
//!
//! A pattern is a concern, a check's id or the beginning of one (`vllm`, `vllm/latency`), a link's name, or a
//! glob over any of these. Checks that a selected check needs are asked, too, and checks that need a left-out
//! one are left out.

use std::collections::{BTreeMap, BTreeSet};

use deployctl_core::name::HostName;

use super::Check;
use super::link::LinkCheck;

mod pattern;

use pattern::{Pattern, patterns};

/// Why a selection selects nothing, or makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// No word at all in an argument: a variable that is not set, most of the time.
    #[error("an empty pattern after `{option}` selects nothing; leave it out to mean all checks")]
    Empty {
        /// `--only` or `--skip`.
        option: &'static str,
    },
    /// A glob that cannot be parsed.
    #[error("`{option} {pattern}`: that is not a glob: {cause}")]
    BadGlob {
        /// `--only` or `--skip`.
        option: &'static str,
        /// The pattern.
        pattern: String,
        /// Why.
        cause: String,
    },
    /// A pattern that fits no check of the hosts that were selected.
    #[error("`{option} {pattern}` fits no check of {hosts}")]
    NoMatch {
        /// `--only` or `--skip`.
        option: &'static str,
        /// The pattern.
        pattern: String,
        /// The hosts that were looked at.
        hosts: String,
        /// The closest known name, or the known names.
        hint: Option<String>,
    },
    /// Everything that was offered is left out.
    #[error("nothing is left to check; left out: {why}")]
    Nothing {
        /// The options that leave it out.
        why: String,
    },
}

impl SelectionError {
    /// The next step.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::NoMatch { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    only: Vec<Pattern>,
    skip: Vec<Pattern>,
    gate: bool,
    quick: bool,
}

/// All checks that could be made.
#[derive(Debug, Default)]
pub struct Offered {
    /// By host.
    pub hosts: Vec<(HostName, Vec<Check>)>,
    /// Between hosts.
    pub links: Vec<LinkCheck>,
}

/// The checks to make, and what became of the others.
#[derive(Debug, Default)]
pub struct Chosen {
    /// By host; hosts without any are in [`Self::idle`] instead, unless they had none to begin with.
    pub hosts: Vec<(HostName, Vec<Check>)>,
    /// Between hosts.
    pub links: Vec<LinkCheck>,
    /// Hosts without any selected check: they need not be asked.
    pub idle: Vec<HostName>,
    /// How many were left out, and why.
    pub left_out: LeftOut,
    /// Ids that are made only because others need them.
    pub added: BTreeSet<String>,
}

/// How many checks were left out, and by what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// Fit no pattern of `--only`.
    pub only: usize,
    /// Fit one of `--skip`.
    pub skip: usize,
    /// Are no gates, with `--gate`.
    pub gate: usize,
    /// Load what they measure, with `--quick`.
    pub quick: usize,
    /// Need one that is left out.
    pub needs: usize,
}

impl LeftOut {
    /// Whether nothing was.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// `31 by --only, 2 that load by --quick`; empty for nothing.
    pub fn words(self) -> String {
        [
            (self.only, "by --only"),
            (self.skip, "by --skip"),
            (self.gate, "that are no gates"),
            (self.quick, "that load, by --quick"),
            (self.needs, "that need one of those"),
        ]
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, why)| format!("{number} {why}"))
        .collect::<Vec<_>>()
        .join(", ")
    }
}

/// Why one check is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Only,
    Skip,
    Gate,
    Quick,
    Needs,
}

impl Selection {
    /// Reads patterns as they are written on a command line; one word may hold several, separated by commas.
    pub fn parse<S: AsRef<str>>(only: &[S], skip: &[S]) -> Result<Self, SelectionError> {
        Ok(Self {
            only: patterns("--only", only)?,
            skip: patterns("--skip", skip)?,
            ..Self::default()
        })
    }

    /// Leaves out what is no gate.
    #[must_use]
    pub fn gates(self, gate: bool) -> Self {
        Self { gate, ..self }
    }

    /// Leaves out what loads what it measures.
    #[must_use]
    pub fn quick(self, quick: bool) -> Self {
        Self { quick, ..self }
    }

    /// Whether it selects every check.
    pub fn is_whole(&self) -> bool {
        self.only.is_empty() && self.skip.is_empty() && !self.gate && !self.quick
    }

    /// Takes from what is offered.
    ///
    /// # Errors
    /// A pattern that fits nothing, or nothing left of something.
    pub fn choose(&self, offered: Offered) -> Result<Chosen, SelectionError> {
        self.look_for_strays(&offered)?;
        let any = !offered.links.is_empty() || offered.hosts.iter().any(|(_, all)| !all.is_empty());
        let mut chosen = Chosen::default();
        for (host, checks) in offered.hosts {
            let had = checks.len();
            let kept = self.keep(checks, &mut chosen, |check| check, |_| None);
            if kept.is_empty() && had > 0 {
                chosen.idle.push(host);
            } else {
                chosen.hosts.push((host, kept));
            }
        }
        let link = |check: &LinkCheck| Some(check.link.as_ref().to_owned());
        chosen.links = self.keep(offered.links, &mut chosen, |link| &link.check, link);
        let left =
            chosen.links.len() + chosen.hosts.iter().map(|(_, all)| all.len()).sum::<usize>();
        if any && left == 0 {
            let why = chosen.left_out.words();
            return Err(SelectionError::Nothing { why });
        }
        Ok(chosen)
    }

    /// What of `all` stays.
    fn keep<T>(
        &self,
        all: Vec<T>,
        chosen: &mut Chosen,
        check: impl Fn(&T) -> &Check,
        link: impl Fn(&T) -> Option<String>,
    ) -> Vec<T> {
        let known: BTreeMap<&str, &Check> = all
            .iter()
            .map(|one| (check(one).id.as_str(), check(one)))
            .collect();
        let mut fates: BTreeMap<String, Option<Why>> = all
            .iter()
            .map(|one| {
                let fate = self.fate(check(one), link(one).as_deref());
                (check(one).id.clone(), fate)
            })
            .collect();
        // One round moves every chain by a step; a chain has fewer steps than there are checks.
        for _ in 0..known.len() {
            let mut changed = false;
            for (id, check) in &known {
                let Some(needed) = check.needs.as_deref() else {
                    continue;
                };
                if fates[*id].is_some() {
                    continue;
                }
                match fates.get(needed).copied() {
                    None | Some(None) => {}
                    Some(Some(Why::Only | Why::Gate)) => {
                        fates.insert(needed.to_owned(), None);
                        chosen.added.insert(needed.to_owned());
                        changed = true;
                    }
                    Some(Some(Why::Skip | Why::Quick | Why::Needs)) => {
                        fates.insert((*id).to_owned(), Some(Why::Needs));
                        changed = true;
                    }
                }
            }
            if !changed {
                break;
            }
        }
        all.into_iter()
            .filter(|one| {
                let counter = match fates[&check(one).id] {
                    None => return true,
                    Some(Why::Only) => &mut chosen.left_out.only,
                    Some(Why::Skip) => &mut chosen.left_out.skip,
                    Some(Why::Gate) => &mut chosen.left_out.gate,
                    Some(Why::Quick) => &mut chosen.left_out.quick,
                    Some(Why::Needs) => &mut chosen.left_out.needs,
                };
                *counter += 1;
                false
            })
            .collect()
    }

    fn fate(&self, check: &Check, link: Option<&str>) -> Option<Why> {
        let fits = |patterns: &[Pattern]| patterns.iter().any(|p| p.fits(check, link));
        if fits(&self.skip) {
            Some(Why::Skip)
        } else if self.quick && check.load {
            Some(Why::Quick)
        } else if !self.only.is_empty() && !fits(&self.only) {
            Some(Why::Only)
        } else if self.gate && !check.gate {
            Some(Why::Gate)
        } else {
            None
        }
    }

    /// Every pattern must match something: one that does not is a typing error.
    fn look_for_strays(&self, offered: &Offered) -> Result<(), SelectionError> {
        for pattern in self.only.iter().chain(&self.skip) {
            let on_host = |check: &Check| pattern.fits(check, None);
            let on_link = |one: &LinkCheck| pattern.fits(&one.check, Some(one.link.as_ref()));
            let fits = offered.hosts.iter().flat_map(|(_, all)| all).any(on_host)
                || offered.links.iter().any(on_link);
            if !fits {
                return Err(pattern.stray(offered));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::answer::Found;
    use deployctl_core::inventory::text::Label;
    use deployctl_core::query::Query;

    fn check(id: &str) -> Check {
        let (concern, what) = id.split_once('/').unwrap();
        let query = Query::new(id, "true");
        Check::new(concern, what, &query, "", |_| Ok(Found::when(true, "")))
    }

    fn load(id: &str, needs: &str) -> Check {
        let needs = Some(needs.to_owned());
        Check {
            load: true,
            needs,
            ..check(id)
        }
    }

    fn on_link(id: &str) -> LinkCheck {
        let mut made = check(&format!("link/{id}"));
        made.id = id.to_owned();
        let name = |name: &str| HostName::new(name).unwrap();
        LinkCheck {
            link: serde_json::from_value::<Label>("lan".into()).unwrap(),
            from: name("a"),
            peer: name("b"),
            check: made,
            server: None,
        }
    }

    fn offered() -> Offered {
        let a = vec![
            check("ssh/port").gate_if(true),
            check("vllm/health"),
            load("vllm/latency", "vllm/health"),
            check("extra/file/etc/motd"),
        ];
        let b = vec![check("ssh/port").gate_if(true), check("mlx/health")];
        Offered {
            hosts: vec![
                (HostName::new("a").unwrap(), a),
                (HostName::new("b").unwrap(), b),
            ],
            links: vec![on_link("lan/ping/a-to-b"), {
                let mut throughput = on_link("lan/throughput/a-to-b");
                throughput.check.load = true;
                throughput.check.needs = Some("lan/ping/a-to-b".to_owned());
                throughput
            }],
        }
    }

    fn told(selection: &Selection) -> String {
        match selection.choose(offered()) {
            Err(error) => format!("{error}\n  hint: {}\n", error.hint().unwrap_or("none")),
            Ok(chosen) => {
                let mut text = String::new();
                for (host, checks) in &chosen.hosts {
                    let ids: Vec<_> = checks.iter().map(|c| c.id.as_str()).collect();
                    let _ = writeln!(text, "{host}: {}", ids.join(" "));
                }
                for link in &chosen.links {
                    let _ = writeln!(text, "link: {}", link.check.id);
                }
                let _ = writeln!(
                    text,
                    "idle: {:?}, added: {:?}, left out: {}",
                    chosen.idle,
                    chosen.added,
                    chosen.left_out.words()
                );
                text
            }
        }
    }

    #[test]
    fn selections() {
        let mut text = String::new();
        for (only, skip) in [
            (&[][..], &[][..]),
            (&["vllm"][..], &[][..]),
            (&["vllm/latency"], &[]),
            (&["*/health"], &[]),
            (&["ssh,mlx"], &["ssh"]),
            (&["link"], &[]),
            (&["lan"], &["lan/throughput"]),
            (&["link/lan/ping"], &[]),
            (&["lan/*/a-to-b"], &["vllm"]),
            (&[], &["vllm/health"]),
            (&["extra/file/etc"], &[]),
            (&["vlm"], &[]),
            (&["vllm/latancy"], &[]),
            (&["vllm/lat"], &[]),
            (&["hugepages"], &[]),
            (&["toaster"], &[]),
            (&[], &["x*"]),
            (&["a["], &[]),
            (&["ssh,"], &[]),
            (&["ssh"], &["ssh/port"]),
        ] {
            let selection = Selection::parse(only, skip);
            let result = match &selection {
                Ok(selection) => told(selection),
                Err(error) => format!("{error}\n"),
            };
            let _ = write!(text, "# only {only:?} skip {skip:?}\n{result}\n");
        }
        let all = || Selection::parse::<&str>(&[], &[]).unwrap();
        assert!(all().is_whole());
        let _ = write!(text, "# gate\n{}\n", told(&all().gates(true)));
        let _ = write!(text, "# quick\n{}\n", told(&all().quick(true)));
        let latency = Selection::parse(&["vllm/latency"], &[]).unwrap();
        let _ = write!(text, "# only load, quick\n{}", told(&latency.quick(true)));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_host_without_checks_is_no_error() {
        let host = HostName::new("mac").unwrap();
        let offered = Offered {
            hosts: vec![(host, Vec::new())],
            links: Vec::new(),
        };
        let chosen = Selection::default().choose(offered).unwrap();
        assert_eq!(chosen.hosts.len(), 1);
        assert!(chosen.left_out.is_empty() && chosen.idle.is_empty());
    }
}
