//! One call of `verify`: what stays the same however often hosts are asked, and one round of asking.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use deployctl_checks::accepted::Difference;
use deployctl_checks::{LeftOut, Selection};
use deployctl_core::inventory::Inventory;
use deployctl_core::inventory::host::Architecture;
use deployctl_core::name::HostName;
use deployctl_engine::connect::{ConnectionPool, Connector};
use deployctl_engine::run_context::RunContext;
use deployctl_engine::runs;
use deployctl_engine::verify::{self, Held, Shipments, VerifyOptions, VerifyScope, Work};
use deployctl_report::text::{self, Beside};
use deployctl_report::{Problem, Report, Verdict};

use super::snapshots::Snapshots;
use crate::commands::pages::Pages;
use crate::commands::target_states::{Systems, TargetStates, target_states};
use crate::commands::width;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::moment::rfc3339;
use crate::ui::{Tone, Ui};
use crate::{args, env_vars, progress, show};

/// What stays the same from round to round.
pub(super) struct VerifyRun<'a> {
    pub(super) context: &'a Context,
    pub(super) args: &'a args::Verify,
    pub(super) snapshots: Snapshots,
    inventory: Inventory,
    hosts: Vec<HostName>,
    states: TargetStates,
    selection: Selection,
    pages: Pages,
    connector: Arc<dyn Connector>,
    /// The scope of the first round, until it is asked.
    first: Option<VerifyScope>,
}

/// One round.
pub(super) struct Round {
    pub(super) report: Report,
    /// What differs from what was accepted.
    pub(super) differences: Vec<Difference>,
    pub(super) left_out: LeftOut,
    /// What else the user should know, a line each.
    pub(super) notes: Vec<String>,
    /// When it was finished, in seconds since 1970.
    pub(super) at: u64,
}

impl<'a> VerifyRun<'a> {
    /// Everything that can go wrong before hosts are asked goes wrong here.
    pub(super) async fn new(context: &'a Context, args: &'a args::Verify) -> Result<Self, Failure> {
        let selection = Selection::parse(&args.only, &args.skip)?
            .gates(args.gate)
            .quick(args.quick);
        let pages = Pages::new(args.junit.as_deref(), args.html.as_deref())?;
        let inventory = context.inventory().await?;
        let hosts = select(&inventory, &args.hosts.hosts)?;
        let needed = args.accept || args.review || args.exit_code;
        let snapshots = Snapshots::read(context.ui, context.repo()?, &inventory, needed)?;
        let states = target_states(context, &inventory, &hosts, Systems::Remembered).await?;
        let mut connector = context.connector(&inventory)?;
        if args.watch.is_some() {
            connector = Arc::new(ConnectionPool::new(connector));
        }
        let mut run = Self {
            context,
            args,
            snapshots,
            inventory,
            hosts,
            states,
            selection,
            pages,
            connector,
            first: None,
        };
        // A selection that selects nothing is an error before any host is asked.
        run.first = Some(run.scope()?);
        Ok(run)
    }

    /// What one round asks.
    fn scope(&self) -> Result<VerifyScope, Failure> {
        Ok(VerifyScope::new(
            &self.inventory,
            &self.hosts,
            held(&self.states),
            &self.selection,
            !self.args.no_links,
        )?)
    }

    /// Asks everything that is selected.
    pub(super) async fn once(&mut self) -> Result<Round, Failure> {
        let first = self.first.take();
        let VerifyScope { work, coverage } = first.map_or_else(|| self.scope(), Ok)?;
        let connector = Arc::clone(&self.connector);
        let mut report = ask(self.context, connector, work, self.args).await?;
        coverage.drop_idle(&mut report);
        let mut notes = Vec::new();
        if !coverage.added.is_empty() {
            let added: Vec<&str> = coverage.added.iter().map(String::as_str).collect();
            notes.push(format!(
                "asked, too, since others need it: {}",
                added.join(", ")
            ));
        }
        if self.args.gate {
            notes.extend(report.unproven().map(|host| {
                format!("{host}: every gate was skipped, which proves nothing and is no success")
            }));
        }
        Ok(Round {
            differences: self.snapshots.differences(&report, &coverage),
            report,
            left_out: coverage.left_out,
            notes,
            at: self.context.now(),
        })
    }

    /// Everything there is to say of it, on standard output.
    pub(super) fn show(&self, done: &Round, lines: bool) {
        if !self.context.ui.json {
            let beside = Beside {
                left_out: done.left_out,
                differences: &done.differences,
            };
            return self.context.ui.print(&show::checks(&done.report, &beside));
        }
        let document = Document {
            at: rfc3339(done.at),
            report: &done.report,
            left_out: done.left_out,
            accepted: &done.differences,
        };
        if lines {
            Ui::print_json_line(&document);
        } else {
            Ui::print_json(&document);
        }
    }

    /// The exit code's meaning.
    pub(super) fn verdict(&self, done: &Round) -> Verdict {
        let verdict = if self.args.gate {
            done.report.verdict_of_gates()
        } else {
            done.report.verdict(false)
        };
        let differs = |difference: &Difference| self.snapshots.still(difference);
        if verdict == Verdict::Done && self.args.exit_code && done.differences.iter().any(differs) {
            Verdict::Pending
        } else {
            verdict
        }
    }

    /// Keeps the run for later pages, if it made all checks of a host or link. A failure to keep it is not an error.
    pub(super) fn keep(&self, done: &Round) {
        if !self.selection.is_whole() || self.context.global.sandbox.is_some() {
            return;
        }
        let Some(folder) = self.runs() else { return };
        if let Err(error) = runs::keep(&folder, &rfc3339(done.at), &done.report) {
            self.warn(&Failure::of(Verdict::Internal, &error));
        }
    }

    /// Writes the files that were asked for, however the run ended.
    pub(super) async fn write(&self, done: &Round) -> Result<(), Failure> {
        if self.pages.is_empty() {
            return Ok(());
        }
        let about = self.context.about(done.at).await;
        let mut earlier = Vec::new();
        if self.pages.html()
            && let Some(folder) = self.runs()
        {
            let (runs, trouble) = runs::read(&folder);
            if let Some(trouble) = trouble {
                self.warn(&Failure::of(Verdict::Internal, &trouble));
            }
            // This one was kept just now.
            earlier = runs;
            earlier.retain(|run| run.at != about.at || run.report != done.report);
        }
        self.pages.write(
            || text::junit(&done.report, &about),
            || text::html(&self.inventory, &done.report, &earlier, &about),
        )
    }

    /// Where earlier runs of this cluster are.
    fn runs(&self) -> Option<PathBuf> {
        let cluster = self.inventory.cluster().name.as_ref();
        env_vars::state_directory().map(|state| state.join(cluster).join("verify"))
    }

    fn warn(&self, failure: &Failure) {
        let word = Tone::Warn.of("warning");
        self.context.ui.say(&format!("{word}: {}", failure.text()));
    }
}

/// What the selected hosts should hold.
fn held(states: &TargetStates) -> impl Iterator<Item = Held<'_>> {
    states.iter().map(|(host, state)| {
        let rendered = state.as_ref().map(|state| &state.rendered);
        (host, rendered.map_err(Box::as_ref))
    })
}

/// A round for programs: the report, and what belongs to it.
#[derive(serde::Serialize)]
struct Document<'a> {
    at: String,
    #[serde(flatten)]
    report: &'a Report,
    left_out: LeftOut,
    accepted: &'a [Difference],
}

/// Asks what `work` holds.
pub(super) async fn ask(
    context: &Context,
    connector: Arc<dyn Connector>,
    work: Work,
    args: &args::Verify,
) -> Result<Report, Failure> {
    let names: Vec<_> = work.hosts.iter().map(|(host, _)| host.clone()).collect();
    let repository = context.repo()?;
    let shipments = Arc::new(Shipments::new(repository.clone(), hostprobes(args)));
    let options = VerifyOptions {
        force: args.force,
        jobs: context.jobs(),
    };
    let run = RunContext {
        clock: context.clock.clone(),
        sink: progress::sink(context.ui, width(&names), context.global.verbose),
        interrupt: context.interrupt.clone(),
        repository: Some(repository),
    };
    Ok(verify::run(connector, work, shipments, options, run).await)
}

/// The probe for every kind of host: the one that was named, or the one that was installed with us.
fn hostprobes(args: &args::Verify) -> BTreeMap<Architecture, Result<PathBuf, Problem>> {
    let named = args.hostprobe.clone().or_else(env_vars::hostprobe);
    let kinds = [
        (Architecture::X86_64, "x86_64"),
        (Architecture::Aarch64, "aarch64"),
    ];
    kinds
        .into_iter()
        .map(|(architecture, word)| {
            let found = match &named {
                Some(path) => Ok(path.clone()),
                None => installed(word),
            };
            (architecture, found)
        })
        .collect()
}

/// `../libexec/deployctl/hostprobe-ARCHITECTURE`, seen from the program.
fn installed(architecture: &str) -> Result<PathBuf, Problem> {
    let name = format!("hostprobe-{architecture}");
    let beside = std::env::current_exe().ok().and_then(|program| {
        let top = program.parent()?.parent()?;
        Some(top.join("libexec/deployctl").join(&name))
    });
    match beside {
        Some(path) if path.is_file() => Ok(path),
        _ => Err(Problem {
            message: format!("there is no `{name}` beside this program"),
            hint: Some(format!(
                "`cargo build --release --package hostprobe --target {architecture}-unknown-linux-musl` builds one, `--hostprobe FILE` names it"
            )),
        }),
    }
}
