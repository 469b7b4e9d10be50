//! `deployctl gc`: releases of artifacts that are neither in use nor declared.

use std::fmt::Write as _;
use std::sync::Arc;

use deployctl_core::artifact::{Freed, FreedError};
use deployctl_core::name::HostName;
use deployctl_core::rendered::Rendered;
use deployctl_engine::collect::{CollectError, collect};
use deployctl_engine::connect::Connector;
use deployctl_engine::fleet;
use deployctl_report::Verdict;
use deployctl_report::text::size;

use super::target_states::{FILES_ONLY, Systems, target_states};
use super::width;
use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::ui::{Tone, Ui};

type Answer = Result<Vec<Freed>, Failure>;

pub(super) async fn run(context: &Context, args: &args::Gc) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts.hosts)?;
    let connector = context.connector(&inventory)?;
    let sandbox = context.global.sandbox.is_some();
    let (mut asked, mut skipped) = (Vec::new(), Vec::new());
    for (host, state) in target_states(context, &inventory, &hosts, Systems::Remembered).await? {
        match state {
            _ if sandbox => skipped.push((host, FILES_ONLY)),
            Ok(state) => asked.push((host, state.rendered)),
            Err(_) => skipped.push((host, "an internal error: what it declares is not known")),
        }
    }
    let names: Vec<HostName> = asked.iter().map(|(host, _)| host.clone()).collect();
    let free = args.yes;
    let answers = fleet::each(
        asked,
        context.jobs(),
        |_, rendered| one(Arc::clone(&connector), rendered, free),
        |host, panic| {
            let message = format!("`{host}`: internal error: {panic}");
            Err(Failure::new(Verdict::Internal, message))
        },
    )
    .await;
    let all: Vec<(HostName, Answer)> = names.into_iter().zip(answers).collect();
    if context.ui.json {
        let list: Vec<_> = all.iter().map(|(host, it)| json(host, it, free)).collect();
        Ui::print_json(&list);
    } else {
        let width = width(&hosts);
        let mut text = String::new();
        for (host, answer) in &all {
            let _ = write!(text, "{host:width$}  {}", words(answer, free));
        }
        for (host, why) in &skipped {
            let _ = writeln!(
                text,
                "{host:width$}  {}",
                Tone::Dim.of(&format!("skip: {why}"))
            );
        }
        context.ui.print(&text);
    }
    let verdicts = all.iter().map(|(_, answer)| match answer {
        Ok(_) => Verdict::Done,
        Err(failure) => failure.verdict,
    });
    let worst = verdicts.max_by_key(|verdict| verdict.badness());
    Ok(worst.unwrap_or(Verdict::Done))
}

async fn one(connector: Arc<dyn Connector>, rendered: Rendered, free: bool) -> Answer {
    let transport = connector.connect(&rendered.host).await?;
    let collected = collect(transport.as_ref(), &rendered, free).await;
    collected.map_err(|error| {
        let hint = error.hint();
        let verdict = match error {
            CollectError::Transport(error) => return error.into(),
            CollectError::Answer {
                source: FreedError::Denied(_),
                ..
            } => Verdict::Refused,
            CollectError::Answer { .. } => Verdict::Internal,
        };
        Failure::of(verdict, &error).hint_if_any(hint)
    })
}

/// What stays, what goes, and how much room that gives.
fn words(answer: &Answer, freed: bool) -> String {
    let all = match answer {
        Ok(all) => all,
        Err(failure) => return format!("{}\n", Tone::Bad.of(&failure.text())),
    };
    let going = all.iter().filter(|it| it.kept.is_none());
    let bytes = going.map(|it| it.bytes).fold(0, u64::saturating_add);
    let mut text = match (bytes, freed) {
        _ if all.iter().all(|it| it.kept.is_some()) => "nothing to free\n".to_owned(),
        (_, true) => format!("{} freed\n", size(bytes)),
        (_, false) => format!("{} can be freed: `--yes`\n", size(bytes)),
    };
    for Freed { path, bytes, kept } in all {
        let word = match kept {
            Some(why) => Tone::Dim.of(why),
            None if freed => "freed".to_owned(),
            None => "goes".to_owned(),
        };
        let _ = writeln!(text, "  {path}  {}  {word}", size(*bytes));
    }
    text
}

fn json(host: &HostName, answer: &Answer, freed: bool) -> serde_json::Value {
    match answer {
        Ok(releases) => {
            serde_json::json!({ "host": host, "freed": freed, "releases": releases })
        }
        Err(failure) => {
            let mut value = failure.json();
            value["host"] = host.as_str().into();
            value
        }
    }
}
