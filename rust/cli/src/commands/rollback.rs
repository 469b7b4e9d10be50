//! `deployctl rollback HOST`: an earlier generation, applied like any other configuration; with `--abandon` the end
//! of a rollback that failed.

mod abandon;

use deployctl_engine::history;
use deployctl_engine::rollout::Configuration;
use deployctl_report::Verdict;

use super::target_states::of_generation;
use super::{rollout, trouble};
use crate::args;
use crate::context::{Context, one_host};
use crate::failure::Failure;
use crate::show;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Rollback) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let host = one_host(&inventory, &args.host)?;
    let connection = context.connector(&inventory)?.connect(&host).await?;
    if args.abandon {
        return abandon::run(context, args, &host, connection.as_ref()).await;
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
