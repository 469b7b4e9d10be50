//! What deployctl asks a host about its kernel, for a machine that has no more than a serial port:
//! `script` prints the shell script that asks, `judge` reads its output and judges it.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use deployctl_checks::{Check, CheckStatus, Declared, checks, evaluate_all, queries};
use deployctl_core::inventory;
use deployctl_core::name::HostName;
use deployctl_core::query::{self, Marker};
use deployctl_core::rendered::Rendered;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["script", inventory, host] => script(inventory, host),
        ["judge", inventory, host] => judge(inventory, host),
        _ => Err(anyhow!(
            "usage: deployctl-kernel-checks script|judge INVENTORY HOST"
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "it is a program for people and scripts"
            )]
            {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The checks of the concern `kernel`.
fn of_kernel(path: &str, name: &str) -> Result<Vec<Check>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read `{path}`"))?;
    let inventory = inventory::parse(&bytes).map_err(|errors| anyhow!("{errors}"))?;
    let name = HostName::new(name)?;
    let host = inventory.host(&name).context("there is no such host")?;
    let declared = Declared {
        host,
        concerns: inventory.concerns(),
        cluster: inventory.cluster(),
        rendered: &Rendered::empty(name.clone()),
        failed_before: &BTreeSet::new(),
    };
    let all = checks(&declared).into_iter();
    Ok(all
        .filter(|check| check.concern.as_str() == "kernel")
        .collect())
}

/// The same for both halves.
fn marker() -> Marker {
    Marker::new([7; 16])
}

#[expect(clippy::print_stdout, reason = "it is what was asked for")]
fn script(path: &str, name: &str) -> Result<()> {
    let checks = of_kernel(path, name)?;
    print!("{}", query::script(&marker(), &queries(&checks)));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what was asked for")]
fn judge(path: &str, name: &str) -> Result<()> {
    let checks = of_kernel(path, name)?;
    let mut said = Vec::new();
    std::io::stdin().read_to_end(&mut said)?;
    let results = evaluate_all(&checks, &query::parse(&marker(), &said)?);
    let mut wrong = 0;
    for result in &results {
        println!(
            "{:5} {}: {}",
            result.status.word(),
            result.check,
            result.evidence
        );
        wrong += usize::from(result.status != CheckStatus::Pass);
    }
    if wrong > 0 || results.is_empty() {
        bail!("{wrong} of {} checks do not pass", results.len());
    }
    Ok(())
}
