//! `deployctl why PATH`: fact → template → file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use deployctl_core::name::{HostName, ManagedPath};
use deployctl_core::render::{Rendering, Why, render, why};
use deployctl_report::Verdict;

use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Why) -> Result<Verdict, Failure> {
    let path = ManagedPath::new(args.path.as_str())
        .map_err(|error| Failure::of(Verdict::Usage, &error))?;
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts.hosts)?;
    let (templates, facts) = context.sources(&inventory)?;
    let mut found = Vec::new();
    for host in &hosts {
        if let Rendering::Files(rendered) = render(&facts, host, &templates)? {
            found.extend(why(&rendered, &path, inventory.positions()).map(|why| (host, why)));
        }
    }
    if found.is_empty() {
        let message = format!("no selected host has `{path}` under management");
        return Err(Failure::usage(message).hint("`deployctl render` lists what is managed"));
    }
    if context.ui.json {
        let all: BTreeMap<_, _> = found.iter().map(|(host, why)| (host, json(why))).collect();
        Ui::print_json(&all);
    } else {
        let text: String = found.iter().map(|(host, why)| words(host, why)).collect();
        context.ui.print(&text);
    }
    Ok(Verdict::Done)
}

fn words(host: &HostName, why: &Why) -> String {
    let mut text = format!("{host}: {}\n  concern   {}\n", why.path, why.concern);
    if let Some(template) = &why.template {
        let _ = writeln!(text, "  template  {template}");
    }
    for source in &why.facts {
        let position = source.position.as_deref().unwrap_or("no known place");
        let _ = writeln!(text, "  fact      {}  ({position})", source.fact);
    }
    text
}

fn json(why: &Why) -> serde_json::Value {
    let facts: Vec<_> = why
        .facts
        .iter()
        .map(|source| serde_json::json!({"fact": source.fact, "position": source.position}))
        .collect();
    serde_json::json!({
        "path": why.path,
        "concern": why.concern,
        "template": why.template,
        "facts": facts,
    })
}
