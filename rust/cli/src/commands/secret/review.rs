//! `deployctl secret list` and `check`: whether each file is what the facts say.

use std::fmt::Write as _;

use deployctl_core::secret::{Fault, Reader, Reviewed, review};
use deployctl_report::Verdict;
use serde_json::{Value, json};

use super::{Secrets, shown, warn_of_facts};
use crate::context::Context;
use crate::failure::Failure;
use crate::moment::date;
use crate::ui::{Tone, Ui};

/// All that are declared, then files that nothing declares.
pub(super) fn all(context: &Context, secrets: &Secrets) -> Result<Vec<Reviewed>, Failure> {
    let today = date(context.now());
    let days = secrets.vault.changed()?;
    let mut files = secrets.vault.names()?;
    let mut reviewed = Vec::new();
    for (name, secret) in secrets.declared() {
        files.remove(name.as_str());
        let changed = days.get(name.as_str()).and_then(|day| day.parse().ok());
        let file = secrets.vault.read(name.as_str())?;
        let recipients = secrets.recipients(secret);
        let faults = review(secret, &recipients, file.as_deref(), changed, today);
        reviewed.push(Reviewed {
            name: name.to_string(),
            readers: recipients.readers().into_iter().cloned().collect(),
            changed,
            faults,
        });
    }
    reviewed.extend(files.into_iter().map(|name| Reviewed {
        name,
        readers: Vec::new(),
        changed: None,
        faults: vec![Fault::Undeclared],
    }));
    Ok(reviewed)
}

pub(super) fn list(context: &Context, secrets: &Secrets) -> Result<Verdict, Failure> {
    let all = all(context, secrets)?;
    if context.ui.json {
        print_json(&all);
        return Ok(Verdict::Done);
    }
    let rows: Vec<[String; 4]> = all.iter().map(row).collect();
    let head = ["secret", "hosts", "changed", "state"].map(ToOwned::to_owned);
    let rows: Vec<&[String; 4]> = std::iter::once(&head).chain(&rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (name, hosts, changed) = (width(0), width(1), width(2));
    let mut text = String::new();
    for row in rows {
        let [a, b, c, d] = row;
        let _ = writeln!(text, "{a:name$}  {b:hosts$}  {c:changed$}  {d}");
    }
    context.ui.print(&text);
    Ok(Verdict::Done)
}

fn row(reviewed: &Reviewed) -> [String; 4] {
    let hosts: Vec<&str> = reviewed
        .readers
        .iter()
        .filter_map(|reader| match reader {
            Reader::Host(name) => Some(name.as_str()),
            Reader::Operator(_) => None,
        })
        .collect();
    let changed = reviewed.changed.map(|day| day.to_string());
    let state = match reviewed.faults.as_slice() {
        [] => "as declared".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first}, and {} more", rest.len()),
    };
    let none = |text: String| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    [
        reviewed.name.clone(),
        none(hosts.join(" ")),
        none(changed.unwrap_or_default()),
        state,
    ]
}

pub(super) fn check(context: &Context, secrets: &Secrets) -> Result<Verdict, Failure> {
    warn_of_facts(context.ui, &secrets.inventory);
    let all = all(context, secrets)?;
    let wrong = all.iter().any(|it| !it.faults.is_empty());
    if context.ui.json {
        print_json(&all);
    } else {
        let mut text = String::new();
        for reviewed in &all {
            text.push_str(&told(reviewed));
        }
        context.ui.print(&text);
    }
    Ok(if wrong {
        Verdict::ChecksFailed
    } else {
        Verdict::Done
    })
}

fn told(reviewed: &Reviewed) -> String {
    let place = shown(&reviewed.name);
    if reviewed.faults.is_empty() {
        return format!("pass  {}\n", reviewed.name);
    }
    let mut text = String::new();
    for fault in &reviewed.faults {
        let _ = writeln!(text, "{}  {place}: {fault}", Tone::Bad.of("fail"));
        let _ = writeln!(text, "      hint: {}", fault.hint(&reviewed.name));
    }
    text
}

fn print_json(all: &[Reviewed]) {
    let secrets: Vec<Value> =
        all.iter()
            .map(|it| {
                let faults = it.faults.iter().map(
                    |fault| json!({ "problem": fault.to_string(), "hint": fault.hint(&it.name) }),
                );
                json!({
                    "name": it.name,
                    "file": shown(&it.name),
                    "readers": it.readers,
                    "changed": it.changed.map(|day| day.to_string()),
                    "faults": faults.collect::<Vec<_>>(),
                })
            })
            .collect();
    Ui::print_json(&json!({ "version": 1, "secrets": secrets }));
}
