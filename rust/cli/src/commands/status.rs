//! `deployctl status`: the truth from the hosts alone.

use std::fmt::Write as _;
use std::sync::Arc;

use deployctl_core::activation::machine::Phase;
use deployctl_core::activation::status::Status;
use deployctl_core::name::HostName;
use deployctl_core::query::printable_line;
use deployctl_engine::connect::Connector;
use deployctl_engine::{fleet, history};
use deployctl_report::Verdict;
use deployctl_report::text::{self, Style};

use super::{trouble, width};
use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::ui::{Tone, Ui};

type Answer = Result<Status, Failure>;

pub(super) async fn run(context: &Context, args: &args::Hosts) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts)?;
    let connector = context.connector(&inventory)?;
    let (asked, skipped) = super::askable(context, &inventory, &hosts);
    let answers = fleet::each(
        asked.iter().map(|host| (host.clone(), ())).collect(),
        context.jobs(),
        |host, ()| look(Arc::clone(&connector), host),
        |host, panic| {
            let message = format!("`{host}`: internal error: {panic}");
            Err(Failure::new(Verdict::Internal, message))
        },
    )
    .await;
    let all: Vec<(HostName, Answer)> = asked.into_iter().zip(answers).collect();
    if context.ui.json {
        let list: Vec<_> = all
            .iter()
            .map(|(host, answer)| json(host, answer))
            .collect();
        Ui::print_json(&list);
    } else {
        let width = width(&hosts);
        let mut text = String::new();
        for (host, answer) in &all {
            let _ = writeln!(
                text,
                "{host:width$}  {}",
                words(answer, context.global.sandbox.is_some())
            );
        }
        for (host, why) in &skipped {
            let _ = writeln!(text, "{host:width$}  {}", Tone::Dim.of(why));
        }
        context.ui.print(&text);
    }
    Ok(all
        .iter()
        .map(|(_, answer)| verdict(answer))
        .max_by_key(|verdict| verdict.badness())
        .unwrap_or(Verdict::Done))
}

async fn look(connector: Arc<dyn Connector>, host: HostName) -> Answer {
    let transport = connector.connect(&host).await?;
    history::status(transport.as_ref()).await.map_err(trouble)
}

fn verdict(answer: &Answer) -> Verdict {
    match answer {
        Err(failure) => failure.verdict,
        Ok(status) => match status.apply.as_ref().map(|apply| apply.phase) {
            Some(Phase::RollbackFailed) => Verdict::RollbackFailed,
            _ => Verdict::Done,
        },
    }
}

fn words(answer: &Answer, sandbox: bool) -> String {
    let status = match answer {
        Ok(status) => status,
        Err(failure) => return Tone::Bad.of(&failure.text()),
    };
    text::status(status, sandbox, Style::Ansi)
}

fn shown(text: &str) -> String {
    printable_line(text.as_bytes(), 300)
}

fn json(host: &HostName, answer: &Answer) -> serde_json::Value {
    let status = match answer {
        Ok(status) => status,
        Err(failure) => {
            let mut value = failure.json();
            value["host"] = host.as_str().into();
            return value;
        }
    };
    serde_json::json!({
        "host": host,
        "generation": status.generation,
        "apply": status.apply.as_ref().map(|apply| serde_json::json!({
            "id": shown(&apply.apply),
            "holder": shown(&apply.holder),
            "phase": apply.phase.word(),
            "base_generation": apply.base,
            "deadline_seconds": apply.deadline_seconds,
            "rebooted": apply.rebooted,
            "failure": apply.failure.as_ref().map(|failure| shown(&failure.text)),
            "reboot": apply.reboot.iter().map(|reason| shown(reason)).collect::<Vec<_>>(),
        })),
    })
}
