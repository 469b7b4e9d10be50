//! A program that was run with the rights of a unit: whether it ended well and said its version, and before that,
//! where it was shipped, whether it arrived whole and fits the host.
//!
//! The answer begins with `unit=absent`, `unit=running` or `unit=idle`, as that of `probe`.

use serde::Deserialize;

use super::{no_unit, refused};
use crate::answer::{Answer, Found, Holds, Unreadable, number, value};

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// How long it may take, for people.
    seconds: u32,
    /// Whether it was shipped.
    #[serde(default)]
    shipped: bool,
    /// What it must say somewhere.
    #[serde(default)]
    version: Option<String>,
}

pub(super) fn judge(options: &Options, answer: &Answer<'_>) -> Result<Found, Unreadable> {
    let pairs = answer.pairs('=')?;
    if value(&pairs, "unit")? == "absent" {
        return Ok(no_unit());
    }
    let of = |key| value(&pairs, key);
    if options.shipped {
        if let Some(misfit) = misfit(&of)? {
            return Ok(misfit);
        }
    } else if of("release")? == "none" {
        let reason = "no release has been put there yet".to_owned();
        return Ok(Found {
            holds: Holds::PassedOver(reason),
            ..Found::when(false, "")
        });
    }
    ran(answer, options)
}

/// Why what was shipped cannot run here; `None` where it can.
fn misfit<'a>(
    of: &impl Fn(&'static str) -> Result<&'a str, Unreadable>,
) -> Result<Option<Found>, Unreadable> {
    let (sent, arrived) = (of("sha256")?, of("host sha256")?);
    if sent != arrived {
        let evidence = format!("sha256 is {arrived} there and {sent} here");
        return Ok(Some(Found::when(false, evidence)));
    }
    let (built, host) = (of("machine")?, of("host machine")?);
    if built != host {
        let evidence = format!("built for {built}, and the host is {host}");
        let hint = "cross-compile it for the host: `rustc --target`";
        return Ok(Some(Found::when(false, evidence).or_hint(hint)));
    }
    if of("host interpreter")? != "yes" {
        let wanted = of("interpreter")?;
        let evidence = format!("it is started by {wanted}, which is not there");
        let hint = "another C library, or NixOS: link it statically (musl), or build it by Nix";
        return Ok(Some(Found::when(false, evidence).or_hint(hint)));
    }
    glibc(of("glibc")?, of("host glibc")?)
}

/// The failure if the host's glibc is too old or missing.
fn glibc(wanted: &str, host: &str) -> Result<Option<Found>, Unreadable> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let Some(there) = host.strip_prefix("glibc ") else {
        return Ok(Some(
            Found::when(
                false,
                format!("it wants glibc {wanted}, and the host does not say to have one"),
            )
            .or_hint("link it statically (musl)"),
        ));
    };
    if parts("glibc wanted", wanted)? <= parts("glibc of the host", there)? {
        return Ok(None);
    }
    Ok(Some(
        Found::when(
            false,
            format!("it wants glibc {wanted}, and the host has {there}"),
        )
        .or_hint("build it against an older glibc, or link it statically (musl)"),
    ))
}

fn parts(what: &str, version: &str) -> Result<Vec<u32>, Unreadable> {
    version
        .trim()
        .split('.')
        .map(|part| number(what, part))
        .collect()
}

/// Whether it ended well, and said its version.
fn ran(answer: &Answer<'_>, options: &Options) -> Result<Found, Unreadable> {
    let text = answer.text()?;
    let Some((_, said)) = text.split_once("\nsaid:\n") else {
        return Err(Unreadable::new("the answer holds no `said:`"));
    };
    let Some((said, status)) = said.rsplit_once("\nstatus=") else {
        let late = || {
            Found::when(
                false,
                format!("it did not end within {} s", options.seconds),
            )
        };
        return Ok(refused(answer.status).unwrap_or_else(late));
    };
    let status: i32 = number("status", status)?;
    let said = said.trim();
    if status != 0 {
        let found = Found::when(false, format!("status {status}: {said}"));
        return Ok(match ended(status) {
            Some(why) => found.or_hint(why),
            None => found,
        });
    }
    let version = options.version.as_ref();
    let holds = version.is_none_or(|version| said.contains(version));
    Ok(Found::when(holds, format!("it says `{said}`")).or_hint("an older build is installed"))
}

/// What a shell's status of a program that did not end by itself means.
fn ended(status: i32) -> Option<&'static str> {
    Some(match status {
        126 => {
            "it cannot be executed: no program, for another machine, or on a file system without `exec`"
        }
        127 => "its interpreter or a library is missing",
        132 => "SIGILL: built for another processor (`-C target-cpu`); x86-64-v3 runs on both",
        134 => "SIGABRT: it gave up by itself",
        137 => "SIGKILL: out of memory, or past its deadline",
        139 => "SIGSEGV: it broke",
        159 => "SIGSYS: the unit's filter of system calls forbids what it does",
        _ => return None,
    })
}
