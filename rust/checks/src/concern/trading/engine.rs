//! A build of the engine: shipped to the host and tried there before it is released, and the release
//! that is in place.

use std::fmt::Write as _;
use std::time::Duration;

use deployctl_core::inventory::text::Argument;
use deployctl_core::inventory::trading::{Engine, Trading};
use deployctl_core::query::{Query, quote};

use super::{CONCERN, rights};
use crate::answer::{Answer, Found, Holds, Unreadable, number, value};
use crate::{Check, Shipment};

/// How long the engine may take to say its version.
const DEADLINE: Duration = Duration::from_secs(10);
/// Where releases have the program, below the current one: what the unit starts.
const PROGRAM: &str = "current/bin/trading_engine";

/// The checks, where the host declares a build.
pub(super) fn checks(facts: &Trading, unit: &str) -> Vec<Check> {
    let Some(engine) = &facts.engine else {
        return Vec::new();
    };
    vec![shipped(facts, engine, unit), current(facts, engine, unit)]
}

/// The artifact arrives whole, fits the host, and runs there.
fn shipped(facts: &Trading, engine: &Engine, unit: &str) -> Check {
    let artifact = engine.artifact.as_str();
    let mut command = rights::preamble(unit, DEADLINE);
    command.push_str(
        r#"program=${shipped:?} interpreter=${shipped_interpreter-}
printf '%s\n' "sha256=${shipped_sha256:?}" "machine=${shipped_machine:?}" "interpreter=$interpreter" \
  "glibc=${shipped_glibc-}" "host sha256=$(sha256sum <"$program" | cut -d ' ' -f 1)" \
  "host machine=$(uname -m)" "host glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null)"
if [ -z "$interpreter" ] || [ -e "$interpreter" ]; then
  echo 'host interpreter=yes'
else
  echo 'host interpreter=no'
fi
# A shell would read another machine's program as a script.
if [ "$(uname -m)" != "$shipped_machine" ] || ! [ -e "${interpreter:-/}" ]; then
  exit 0
fi
"#,
    );
    command.push_str(&run(engine));
    let query = Query::new("trading/engine", command).with_deadline(DEADLINE * 2);
    let expected = format!(
        "{artifact}, shipped, is whole, fits the host, and {}",
        says(facts, engine)
    );
    let version = version(engine);
    Check::new(CONCERN, "engine", &query, expected, move |answer| {
        let pairs = answer.pairs('=')?;
        if value(&pairs, "engine")? == "absent" {
            return Ok(Found::when(false, "the unit is not there").or_hint(crate::MADE_BY_APPLY));
        }
        let of = |key| value(&pairs, key);
        let (sent, arrived) = (of("sha256")?, of("host sha256")?);
        if sent != arrived {
            return Ok(Found::when(
                false,
                format!("sha256 is {arrived} there and {sent} here"),
            ));
        }
        let (built, host) = (of("machine")?, of("host machine")?);
        if built != host {
            return Ok(
                Found::when(false, format!("built for {built}, and the host is {host}"))
                    .or_hint("cross-compile it for the host: `rustc --target`"),
            );
        }
        if of("host interpreter")? != "yes" {
            let wanted = of("interpreter")?;
            return Ok(Found::when(
                false,
                format!("it is started by {wanted}, which is not there"),
            )
            .or_hint(
                "another C library, or NixOS: link it statically (musl), or build it by Nix",
            ));
        }
        if let Some(found) = glibc(of("glibc")?, of("host glibc")?)? {
            return Ok(found);
        }
        ran(answer, version.as_deref())
    })
    .shipping(Shipment::Engine {
        artifact: artifact.to_owned(),
        build: engine.build.iter().map(ToString::to_string).collect(),
    })
    .reading_failures()
}

/// What is in place, if anything is yet: releases come by their own deployment.
fn current(facts: &Trading, engine: &Engine, unit: &str) -> Check {
    let program = format!("{}/{PROGRAM}", facts.directory);
    let mut command = rights::preamble(unit, DEADLINE);
    let _ = write!(
        command,
        "program={}\nif ! [ -e \"$program\" ]; then\n  echo release=none\n  exit 0\nfi\necho release=there\n{}",
        quote(&program),
        run(engine),
    );
    let query = Query::new("trading/current", command).with_deadline(DEADLINE * 2);
    let expected = format!("{program} {}", says(facts, engine));
    Check::new(CONCERN, "current", &query, expected, move |answer| {
        let pairs = answer.pairs('=')?;
        if value(&pairs, "engine")? == "absent" {
            return Ok(Found::when(false, "the unit is not there").or_hint(crate::MADE_BY_APPLY));
        }
        if value(&pairs, "release")? == "none" {
            let reason = "no release has been put there yet".to_owned();
            return Ok(Found {
                holds: Holds::PassedOver(reason),
                ..Found::when(false, "")
            });
        }
        ran(answer, None)
    })
    .reading_failures()
}

/// Shell that runs `$program`, then prints its status. If systemd could not start the unit, its status is
/// that of the whole. It runs off the engine's CPUs, since the engine may be running.
fn run(engine: &Engine) -> String {
    let arguments: Vec<String> = engine
        .version_arguments
        .iter()
        .map(|argument| quote(argument.as_str()))
        .collect();
    format!(
        "echo said:\nas_engine '' /bin/sh -c '\"$@\" 2>&1; printf \"\\nstatus=%s\\n\" \"$?\"' sh \"$program\" {}",
        arguments.join(" ")
    )
}

fn says(facts: &Trading, engine: &Engine) -> String {
    let arguments: Vec<&str> = engine
        .version_arguments
        .iter()
        .map(Argument::as_str)
        .collect();
    let mut text = format!(
        "runs as {} by `{}` to its end",
        rights::who(facts),
        arguments.join(" ")
    );
    if let Some(version) = version(engine) {
        let _ = write!(text, ", saying `{version}`");
    }
    text
}

fn version(engine: &Engine) -> Option<String> {
    engine.version.as_ref().map(ToString::to_string)
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
fn ran(answer: &Answer<'_>, version: Option<&str>) -> Result<Found, Unreadable> {
    let text = answer.text()?;
    let Some((_, said)) = text.split_once("\nsaid:\n") else {
        return Err(Unreadable::new("the answer holds no `said:`"));
    };
    let Some((said, status)) = said.rsplit_once("\nstatus=") else {
        return match rights::refusal(answer.status) {
            Some(why) => Ok(Found::when(false, why)
                .or_hint("the engine has the same rights, and could not be started either")),
            None => Ok(Found::when(
                false,
                format!("it did not end within {} s", DEADLINE.as_secs()),
            )),
        };
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
