//! Stages artifacts: the host fetches them by itself, the engine starts that, follows it, and tells how far it is.
//!
//! If the engine is lost, the host goes on; staging again follows it, or goes on where it was. What a host cannot fetch, since it is
//! in the repository, the engine sends ([`supply`]).

mod supply;

use std::time::Duration;

use deployctl_core::artifact::{
    Artifact, Job, Source, StagePhase, StageStatus, parse_stage_status,
};
use deployctl_core::inventory::Platform;
use deployctl_core::name::{HostName, ManagedPath};
use deployctl_core::plan::{ArtifactChange, Plan};
use deployctl_core::query::printable_line;
use deployctl_core::rendered::Rendered;
use deployctl_report::{HostReport, Outcome, Problem};

use crate::apply::outcome;
use crate::archive;
use crate::event::{Event, EventKind, StageProgress};
use crate::in_full;
use crate::prepare::{Asked, Prepared, is_meant};
use crate::run_context::RunContext;
use crate::stage::supply::Supply;
use crate::transport::{Limits, Output, Transport, TransportError};

/// Deadline of one question. A start writes a few lines and starts a unit.
const QUESTION: Duration = Duration::from_secs(60);
/// How long a host that cannot be reached is asked again.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// How often a job that was cut off, by a reboot or by a kill, is started again.
const RESTARTS: u32 = 3;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What was staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Staged {
    /// How many artifacts are whole now that were not.
    pub artifacts: usize,
    /// Bytes that came from their sources.
    pub bytes: u64,
}

/// Stages what a host declares, and changes nothing else.
pub async fn only(asked: Asked, context: RunContext) -> HostReport {
    let prepared = match asked {
        Ok(prepared) => prepared,
        Err(report) => return *report,
    };
    let Prepared {
        connection,
        rendered,
        plan,
        took_over,
        ..
    } = prepared;
    let outcome = if connection.is_sandbox() {
        let reason = "a sandbox has files only".to_owned();
        Outcome::Skipped { reason }
    } else if is_meant(&plan) {
        let mut staging = Staging::new(connection, &rendered.host, &context);
        staging.all(&rendered, &plan).await.map_or_else(
            |outcome| outcome,
            |Staged { artifacts, bytes }| Outcome::Staged { artifacts, bytes },
        )
    } else {
        let refusals = plan.refusals().map(|finding| Problem {
            message: finding.message.clone(),
            hint: finding.hint.clone(),
        });
        Outcome::Refused {
            reasons: refusals.collect(),
        }
    };
    HostReport {
        took_over,
        ..HostReport::ended(rendered.host, outcome)
    }
}

/// One artifact that is staged.
struct Task<'a> {
    /// Its kind and name.
    what: String,
    artifact: &'a Artifact,
    job: Job,
}

/// The staging on one host.
pub(crate) struct Staging<'a> {
    connection: Box<dyn Transport>,
    host: &'a HostName,
    context: &'a RunContext,
}

impl<'a> Staging<'a> {
    /// Over this connection.
    pub(crate) fn new(
        connection: Box<dyn Transport>,
        host: &'a HostName,
        context: &'a RunContext,
    ) -> Self {
        Self {
            connection,
            host,
            context,
        }
    }

    /// The connection, which may be a new one.
    pub(crate) fn into_connection(self) -> Box<dyn Transport> {
        self.connection
    }

    /// Stages all artifacts of `rendered` that `plan` found missing, one after the other. `Err` is how the host ends. Those that
    /// wait for what an apply brings come last, and are not tried.
    pub(crate) async fn all(
        &mut self,
        rendered: &Rendered,
        plan: &Plan,
    ) -> Result<Staged, Outcome> {
        let mut staged = Staged::default();
        let missing = plan.artifacts.iter().filter(|change| !change.staged);
        let (now, waiting): (Vec<_>, Vec<_>) = missing.partition(|change| change.awaits.is_empty());
        for change in now {
            staged.bytes += self.one(rendered, &change.base).await?;
            staged.artifacts += 1;
        }
        if !waiting.is_empty() {
            return Err(waits(self.host, &waiting));
        }
        Ok(staged)
    }

    /// Stages one artifact; returns the bytes that came from its source since the job was first started, or that were sent now.
    async fn one(&mut self, rendered: &Rendered, base: &ManagedPath) -> Result<u64, Outcome> {
        let artifact = rendered.artifacts.get(base);
        let artifact = artifact.expect("the plan was made from it");
        let task = Task {
            what: format!("{} {}", artifact.kind, artifact.name),
            artifact,
            job: Job::new(base, artifact),
        };
        self.upload(&task.job).await?;
        let mut status = self.ask(&task.job.start()).await?;
        let mut progress = Progress::default();
        let mut supply = Supply::default();
        let mut restarts = 0;
        loop {
            status = match status.phase {
                StagePhase::Done => {
                    let bytes = match task.artifact.source {
                        Source::Upload(_) => supply.sent(),
                        Source::Https(_) | Source::Directory(_) => status.fetched,
                    };
                    let what = task.what;
                    self.tell(EventKind::Staged { what, bytes });
                    return Ok(bytes);
                }
                StagePhase::Failed => return Err(failed(self.host, &task.what, status)),
                StagePhase::Interrupted if restarts == RESTARTS => {
                    return Err(ended(self.host, &task, rendered.platform()));
                }
                StagePhase::Interrupted => {
                    restarts += 1;
                    self.ask(&task.job.start()).await?
                }
                StagePhase::Waiting => {
                    self.supply(&task, &status, &mut supply, &mut progress)
                        .await?
                }
                StagePhase::Running => self.follow(&task, &status, &mut progress).await?,
            };
        }
    }

    /// The next status of a job that runs.
    async fn follow(
        &mut self,
        task: &Task<'_>,
        status: &StageStatus,
        progress: &mut Progress,
    ) -> Result<StageStatus, Outcome> {
        self.tell_progress(&task.what, status, progress);
        self.pause(Duration::from_secs(1)).await;
        if self.context.interrupt.thrown() {
            self.tell(EventKind::StagingGoesOn(task.what.clone()));
            return Err(Outcome::Interrupted);
        }
        self.ask(&task.job.status()).await
    }

    fn tell_progress(&self, what: &str, status: &StageStatus, progress: &mut Progress) {
        let now = self.context.clock.monotonic();
        if let Some(progress) = progress.due(what, status, now) {
            self.tell(EventKind::Staging(progress));
        }
    }

    async fn upload(&mut self, job: &Job) -> Result<(), Outcome> {
        let archive = archive::pack(&job.bundle()).map_err(|source| {
            outcome::transport(&TransportError::Local {
                action: "pack the job".to_owned(),
                source,
            })
        })?;
        let limits = Limits::default().within(QUESTION);
        match self
            .connection
            .put(&archive, &job.directory(), limits)
            .await
        {
            Err(error @ (TransportError::Lost { .. } | TransportError::Timeout { .. })) => {
                self.reconnect(&error).await?;
                self.connection
                    .put(&archive, &job.directory(), limits)
                    .await
            }
            result => result,
        }
        .map_err(|error| outcome::transport(&error))
    }

    /// The answer to a verb, over a new connection where the old one is lost: the host goes on meanwhile.
    async fn ask(&mut self, script: &str) -> Result<StageStatus, Outcome> {
        let limits = Limits::default().within(QUESTION);
        loop {
            match self.connection.run(script, limits).await {
                Ok(output) => return read(self.host, &output),
                Err(error @ (TransportError::Lost { .. } | TransportError::Timeout { .. })) => {
                    self.reconnect(&error).await?;
                }
                Err(error) => return Err(outcome::transport(&error)),
            }
        }
    }

    /// Connects again; `lost` is why, and the host goes on meanwhile.
    async fn reconnect(&mut self, lost: &TransportError) -> Result<(), Outcome> {
        self.tell(EventKind::LinkLost(in_full(lost)));
        let hint = "a host that runs goes on staging by itself: stage again to follow it";
        self.connect_again(hint).await
    }

    /// Connects again. Gives up after [`PATIENCE`] with `hint`, at once where a new login is denied.
    async fn connect_again(&mut self, hint: &str) -> Result<(), Outcome> {
        let until = self.context.clock.monotonic() + PATIENCE;
        loop {
            if self.context.interrupt.thrown() {
                return Err(Outcome::Interrupted);
            }
            let error = match self.connection.reconnect().await {
                Ok(connection) => {
                    self.connection = connection;
                    self.tell(EventKind::Reconnected);
                    return Ok(());
                }
                Err(error) => error,
            };
            let unreachable = matches!(
                error,
                TransportError::Connect { .. }
                    | TransportError::NoShell { .. }
                    | TransportError::Lost { .. }
                    | TransportError::Timeout { .. }
            );
            if !unreachable {
                return Err(outcome::transport(&error));
            }
            if self.context.clock.monotonic() >= until {
                return Err(Outcome::Unreachable {
                    reason: Problem {
                        message: in_full(&error),
                        hint: Some(hint.to_owned()),
                    },
                });
            }
            self.pause(Duration::from_secs(3)).await;
        }
    }

    async fn pause(&self, pause: Duration) {
        tokio::select! {
            () = self.context.clock.sleep(pause) => {}
            () = self.context.interrupt.wait() => {}
        }
    }

    fn tell(&self, kind: EventKind) {
        let host = self.host.clone();
        (self.context.sink)(Event { host, kind });
    }
}

fn read(host: &HostName, output: &Output) -> Result<StageStatus, Outcome> {
    parse_stage_status(&output.stdout).map_err(|error| {
        let said = printable_line(&output.stderr, 300);
        Outcome::Failed {
            reason: Problem {
                message: format!("`{host}`: {error}"),
                hint: (!said.is_empty()).then(|| format!("the shell there said: {said}")),
            },
        }
    })
}

fn failed(host: &HostName, what: &str, status: StageStatus) -> Outcome {
    let (text, hint) = status.failure.map_or_else(
        || ("the host does not say why it ended".to_owned(), None),
        |failure| (failure.text, failure.hint),
    );
    let reason = Problem {
        message: format!("`{host}`: {what}: {text}"),
        hint,
    };
    Outcome::NotStaged { reason }
}

/// Something ends what stages it.
fn ended(host: &HostName, task: &Task<'_>, platform: Platform) -> Outcome {
    let what = &task.what;
    not_staged(
        format!("`{host}`: {what}: what stages it was ended again and again"),
        &who_ends(platform, &task.job),
    )
}

/// Where a host says what ended a job.
fn who_ends(platform: Platform, job: &Job) -> String {
    match platform {
        Platform::Ubuntu | Platform::Nixos => {
            "see who ends it: `journalctl -u 'deployctl-stage-*'` on the host".to_owned()
        }
        Platform::Darwin => format!("see how far it came: `{}/log` on the host", job.directory()),
    }
}

/// Artifacts that an apply stages after its first step.
fn waits(host: &HostName, waiting: &[&ArtifactChange]) -> Outcome {
    let each = waiting.iter().map(|change| {
        let needs: Vec<String> = change.awaits.iter().map(ToString::to_string).collect();
        format!("{} {} needs {}", change.kind, change.name, needs.join(", "))
    });
    let each: Vec<String> = each.collect();
    not_staged(
        format!(
            "`{host}`: {}: the host does not have that yet",
            each.join("; ")
        ),
        &format!(
            "`deployctl apply {host}` applies all else in a first step, and stages after that"
        ),
    )
}

fn not_staged(message: String, hint: &str) -> Outcome {
    let hint = Some(hint.to_owned());
    Outcome::NotStaged {
        reason: Problem { message, hint },
    }
}

/// When progress was last told, and how much was there.
#[derive(Debug, Default)]
struct Progress {
    last: Option<(Duration, u64)>,
    note: Option<String>,
}

impl Progress {
    /// What is to be told now, if anything: at first, whenever it begins to wait for something, and from time to time.
    fn due(&mut self, what: &str, status: &StageStatus, now: Duration) -> Option<StageProgress> {
        let waits = status.note.is_some() && status.note != self.note;
        self.note.clone_from(&status.note);
        let since = self.last.map(|(at, there)| (now.saturating_sub(at), there));
        if !waits && since.is_some_and(|(passed, _)| passed < TELL_EVERY) {
            return None;
        }
        self.last = Some((now, status.there));
        let rate = since.and_then(|(passed, there)| {
            let millis = u64::try_from(passed.as_millis())
                .ok()
                .filter(|it| *it > 0)?;
            Some(status.there.saturating_sub(there).saturating_mul(1000) / millis)
        });
        Some(StageProgress {
            what: what.to_owned(),
            there: status.there,
            total: status.total,
            rate,
            note: status.note.clone(),
        })
    }
}
