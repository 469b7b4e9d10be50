//! The way on from a rollback that failed: a person has looked, and takes the host as it is.

use deployctl_core::activation::machine::Phase;
use deployctl_core::activation::status::ApplyStatus;
use deployctl_core::name::HostName;
use deployctl_core::query::printable_line;
use deployctl_engine::history;
use deployctl_engine::transport::Transport;
use deployctl_report::Verdict;

use super::super::trouble;
use crate::args;
use crate::context::Context;
use crate::failure::Failure;
use crate::ui::Ui;

/// Longest line that is shown of what a rollback left.
const LINE: usize = 1200;

pub(super) async fn run(
    context: &Context,
    args: &args::Rollback,
    host: &HostName,
    connection: &dyn Transport,
) -> Result<Verdict, Failure> {
    let before = history::status(connection).await.map_err(trouble)?;
    let failed = before
        .apply
        .filter(|apply| apply.phase == Phase::RollbackFailed)
        .ok_or_else(|| {
            Failure::new(
                Verdict::Refused,
                format!("no rollback of `{host}` has failed, so there is none to abandon"),
            )
            .hint("`deployctl status` says what it holds")
        })?;
    context.ui.say(&format!(
        "{host}: the rollback of apply {} failed: {}",
        shown(&failed.apply),
        left(&failed)
    ));
    let question = format!("take `{host}` as it is now, with what that left?");
    if !args.rollout.yes && !Ui::confirm(&question, "--yes")? {
        return Err(Failure::new(Verdict::Refused, "nothing was abandoned"));
    }
    let after = history::abandon(connection).await.map_err(trouble)?;
    let apply = after.apply.filter(|apply| apply.apply == failed.apply);
    match apply {
        Some(apply) if apply.phase == Phase::RolledBack => {
            context.ui.say(&format!(
                "{host}: taken as it is, at generation {}; `deployctl plan {host}` shows what differs",
                after.generation
            ));
            Ok(Verdict::Done)
        }
        _ => Err(Failure::new(
            Verdict::Internal,
            format!("`{host}` did not abandon apply `{}`", shown(&failed.apply)),
        )
        .hint("`deployctl status` says what it holds")),
    }
}

fn left(apply: &ApplyStatus) -> String {
    apply.failure.as_ref().map_or_else(
        || "the host gave no reason".to_owned(),
        |failure| shown(&failure.text),
    )
}

fn shown(text: &str) -> String {
    printable_line(text.as_bytes(), LINE)
}
