//! `deployctl inventory`

use std::fmt::Write as _;

use deployctl_checks::{FolderScope, askable};
use deployctl_core::inventory::{Inventory, reference, schema};
use deployctl_core::name::HostName;
use deployctl_report::Verdict;

use crate::args;
use crate::context::{Context, select};
use crate::failure::Failure;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Inventory) -> Result<Verdict, Failure> {
    if args.schema {
        Ui::print_json(&schema(&context.concerns()?));
        return Ok(Verdict::Done);
    }
    if args.reference {
        context.ui.print(&reference(&context.concerns()?));
        return Ok(Verdict::Done);
    }
    let inventory = context.inventory().await?;
    let hosts = select(&inventory, &args.hosts.hosts)?;
    if args.check {
        context.check_templates()?;
        askable(&inventory, inventory.hosts().keys(), FolderScope::Own)?;
        super::secret::warn_of_facts(context.ui, &inventory);
        let count = inventory.hosts().len();
        let hosts = if count == 1 { "host" } else { "hosts" };
        context
            .ui
            .say(&format!("the inventory is valid: {count} {hosts}"));
    } else if context.ui.json {
        Ui::print_json(&chosen(&inventory, &hosts));
    } else {
        context.ui.print(&table(&inventory, &hosts));
    }
    Ok(Verdict::Done)
}

/// The inventory as it came, with only these hosts.
fn chosen(inventory: &Inventory, hosts: &[HostName]) -> serde_json::Value {
    let mut value = inventory.value().clone();
    if let Some(all) = value["hosts"].as_object_mut() {
        all.retain(|name, _| hosts.iter().any(|host| host.as_str() == name));
    }
    value
}

fn table(inventory: &Inventory, hosts: &[HostName]) -> String {
    let width = super::width(hosts);
    let mut text = String::new();
    for name in hosts {
        let host = inventory.host(name).expect("selected from it");
        let adopted = if host.identity.is_some() {
            ""
        } else {
            "  (not adopted)"
        };
        let tags: Vec<String> = host.tags.iter().map(|tag| format!("@{tag}")).collect();
        let _ = writeln!(
            text,
            "{name:width$}  {:7} {}@{}:{}{adopted}\n{:width$}  {}\n{:width$}  {}",
            host.platform.as_str(),
            host.connection.user,
            host.connection.address,
            host.connection.port.number(),
            "",
            host.description,
            "",
            tags.join(" "),
        );
    }
    text
}
