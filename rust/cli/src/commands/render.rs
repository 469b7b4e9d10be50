//! `deployctl render`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use deployctl_core::name::HostName;
use deployctl_core::render::{Rendering, render};
use deployctl_core::rendered::{Entry, Rendered};
use deployctl_engine::files;
use deployctl_report::Verdict;

use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Render) -> Result<Verdict, Failure> {
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts.hosts)?;
    let (templates, facts) = context.sources(&inventory)?;
    let mut all: BTreeMap<HostName, Rendered> = BTreeMap::new();
    for host in &hosts {
        match render(&facts, host, &templates)? {
            Rendering::Files(rendered) => {
                all.insert(host.clone(), *rendered);
            }
            Rendering::NeedsClosure { beside, .. } => {
                let what = if beside.entries.is_empty() {
                    "no files"
                } else {
                    "links of artifacts alone"
                };
                context.ui.say(&format!(
                    "{host}: {what}: `deployctl build {host}` builds its system"
                ));
                if !beside.entries.is_empty() {
                    all.insert(host.clone(), *beside);
                }
            }
        }
    }
    if let Some(out) = &args.out {
        write(context, out, &all)?;
    } else if context.ui.json {
        Ui::print_json(&all);
    } else {
        let mut text = String::new();
        for (host, rendered) in &all {
            list(&mut text, host, rendered);
        }
        context.ui.print(&text);
    }
    Ok(Verdict::Done)
}

fn write(context: &Context, out: &Path, all: &BTreeMap<HostName, Rendered>) -> Result<(), Failure> {
    for (host, rendered) in all {
        let folder = out.join(host.as_str());
        if folder.is_symlink() {
            let message = format!("`{}` is a symbolic link", folder.display());
            return Err(Failure::usage(message)
                .hint("what is written there would land elsewhere; remove it"));
        }
        files::write_tree(&folder, rendered).map_err(|error| {
            let message = format!("cannot write below `{}`", folder.display());
            Failure::new(Verdict::Internal, message).cause(&error)
        })?;
        context.ui.say(&format!(
            "{host}: {} paths written below {}",
            rendered.entries.len(),
            folder.display()
        ));
    }
    Ok(())
}

fn list(text: &mut String, host: &HostName, rendered: &Rendered) {
    let _ = writeln!(text, "{host}");
    for (path, managed) in &rendered.entries {
        let what = match &managed.entry {
            Entry::File { ownership: o, .. } => format!("file {} {}:{}", o.mode, o.owner, o.group),
            Entry::Directory { ownership: o } => format!("dir  {} {}:{}", o.mode, o.owner, o.group),
            Entry::Symlink { target } => format!("link to {target}"),
            Entry::Absent => "absent".to_owned(),
        };
        let _ = writeln!(text, "  {path}  ({}, {what})", managed.concern);
    }
    for (package, want) in &rendered.packages {
        let version = want.version.as_deref().unwrap_or("any version");
        let hold = if want.hold { ", held" } else { "" };
        let _ = writeln!(text, "  package {package} {version}{hold}");
    }
    for (unit, want) in &rendered.units {
        let _ = writeln!(text, "  unit {unit}  ({})", want.concern);
    }
}
