//! Probes each item in a separate process, or one item in this process. If a filter or the kernel kills one, the others
//! go on.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, Stdio};

use clap::{Parser as _, ValueEnum as _};
use serde_json::Value;

use crate::args::{Args, Name};
use crate::item;
use crate::report::{Item, Report, Trouble};

/// Does what the command line says, and prints one document.
pub(crate) fn run() -> ExitCode {
    let args = Args::parse();
    // If locked and mapped memory here exhausts the host, the kernel kills this process first: proc(5). Its children
    // inherit this.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    if args.touch {
        return item::hugepages::touch(&args);
    }
    if let Some(name) = args.alone {
        item::probe(name, &args).print();
        return ExitCode::SUCCESS;
    }
    let items: Vec<_> = Name::value_variants()
        .iter()
        .filter(|name| args.only.is_empty() || args.only.contains(name))
        .map(|name| probe_apart(*name))
        .collect();
    let failed = items.iter().any(|item| item["status"] == "fail");
    Report::of(items).print();
    ExitCode::from(u8::from(failed))
}

/// The item as a child with the same arguments reports it.
fn probe_apart(name: Name) -> Value {
    let word = name
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned());
    let failed = |trouble| {
        let mut item = serde_json::to_value(Item::fail("", trouble)).unwrap_or_default();
        item["item"] = word.clone().into();
        item
    };
    let output = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .args(["--alone", &word])
        // A key may come from there.
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            return failed(Trouble::new(format!("cannot start a child: {error}")));
        }
    };
    if let Some(signal) = output.status.signal() {
        return failed(killed(signal));
    }
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        failed(Trouble::new(format!(
            "the child ended by {}",
            output.status
        )))
    })
}

fn killed(signal: i32) -> Trouble {
    let named = |name: &str| Trouble::new(format!("killed by {name}"));
    match signal {
        libc::SIGSYS => named("SIGSYS").hint(
            "a seccomp filter kills for a system call that this takes (a unit's `SystemCallFilter=`)",
        ),
        libc::SIGKILL => {
            named("SIGKILL").hint("memory ran out, here or in the control group (`MemoryMax=`)")
        }
        libc::SIGBUS => named("SIGBUS").hint("memory that was promised could not be had"),
        libc::SIGXCPU => named("SIGXCPU").hint("RLIMIT_RTTIME or RLIMIT_CPU is used up"),
        libc::SIGILL => named("SIGILL").hint("this processor lacks an instruction"),
        signal => Trouble::new(format!("killed by signal {signal}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_child_is_explained() {
        let told: Vec<String> = [
            libc::SIGSYS,
            libc::SIGKILL,
            libc::SIGBUS,
            libc::SIGXCPU,
            libc::SIGILL,
            libc::SIGSEGV,
        ]
        .into_iter()
        .map(|signal| {
            let trouble = killed(signal);
            format!("{} | {}", trouble.message, trouble.hint.unwrap_or_default())
        })
        .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        killed by SIGSYS | a seccomp filter kills for a system call that this takes (a unit's `SystemCallFilter=`)
        killed by SIGKILL | memory ran out, here or in the control group (`MemoryMax=`)
        killed by SIGBUS | memory that was promised could not be had
        killed by SIGXCPU | RLIMIT_RTTIME or RLIMIT_CPU is used up
        killed by SIGILL | this processor lacks an instruction
        killed by signal 11 |
        ");
    }
}
