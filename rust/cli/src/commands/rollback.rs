//! `deployctl rollback HOST`: an earlier generation, applied like any other configuration; with `--abandon` the end
//! of a rollback that failed.

use deployctl_core::activation::machine::Phase;
use deployctl_core::activation::status::ApplyStatus;
use deployctl_core::name::HostName;
use deployctl_core::query::printable_line;
use deployctl_engine::history;
use deployctl_engine::rollout::Configuration;
use deployctl_engine::transport::Transport;
use deployctl_report::Verdict;

use super::target_states::of_generation;
use super::{rollout, trouble};
use crate::context::{Context, one_host};
use crate::failure::Failure;
use crate::ui::Ui;
use crate::{args, show};

pub(super) async fn run(context: &Context, args: &args::Rollback) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let host = one_host(&inventory, &args.host)?;
    let connection = context.connector(&inventory)?.connect(&host).await?;
    if args.abandon {
        return abandon(context, args, &host, connection.as_ref()).await;
    }
    let generations = history::generations(connection.as_ref())
        .await
        .map_err(trouble)?;
    let to = match args.to {
        Some(to) => to,
        None => history::previous(&generations).ok_or_else(|| {
            Failure::usage(format!("`{host}` has no generation before the current one"))
                .hint("`deployctl history` lists them")
        })?,
    };
    let rendered = history::rendered(connection.as_ref(), to)
        .await
        .map_err(trouble)?;
    if rendered.host != host {
        let message = format!(
            "generation {to} of `{host}` was made for `{}`",
            rendered.host
        );
        return Err(Failure::new(Verdict::Refused, message));
    }
    drop(connection);
    context.ui.say(&format!(
        "{host}: this would bring back generation {to}, as a new generation"
    ));
    let former = of_generation(context, &inventory, rendered).await?;
    let states = vec![(host, Ok(former))];
    let asked = rollout::asked(
        context,
        &inventory,
        states,
        rollout::to_apply(&args.rollout),
    )
    .await?;
    let report = rollout::roll_out(
        context,
        "rollback",
        &inventory,
        asked,
        &args.rollout,
        Configuration::Former,
    )
    .await?;
    if context.ui.json {
        Ui::print_json(&report);
    } else {
        context.ui.print(&show::report(&report));
    }
    Ok(report.verdict(false))
}

/// Longest line that is shown of what a rollback left.
const LINE: usize = 1200;

/// The way on from a rollback that failed: a person has looked, and takes the host as it is.
async fn abandon(
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
