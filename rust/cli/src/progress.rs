//! Tells on standard error what goes on, while it goes on.

mod quill;

use std::sync::Arc;

use deployctl_engine::event::{Event, EventKind, Sink, StageProgress};
use deployctl_report::text::{lasting, size};
use quill::Quill;

use crate::ui::{Tone, Ui};

/// A sink that writes one line per event worth a line; the hosts' own logs only when `verbose`.
pub(crate) fn sink(ui: Ui, width: usize, verbose: bool) -> Sink {
    let quill = Quill::new(move |line: &str| ui.say(line));
    Arc::new(move |event: Event| {
        if let Some(words) = words(&event.kind, verbose) {
            quill.write(format!("{:width$}  {words}", event.host));
        }
    })
}

fn words(kind: &EventKind, verbose: bool) -> Option<String> {
    Some(match kind {
        EventKind::Connected | EventKind::Observed | EventKind::Planned(_) => return None,
        EventKind::TakingOver(apply) => format!("rolling {apply} back first"),
        EventKind::Reconnected => "connected again".to_owned(),
        EventKind::PhaseEntered(phase) => Tone::Bold.of(phase),
        EventKind::Logged(_) | EventKind::Fetching(_) | EventKind::Copying(_) if !verbose => {
            return None;
        }
        EventKind::Logged(line) => Tone::Dim.of(&format!("  {line}")),
        EventKind::LinkLost(why) => Tone::Warn.of(&format!(
            "connection lost, the host goes on by itself: {why}"
        )),
        EventKind::Evaluating => "evaluating its system".to_owned(),
        EventKind::Warned(warning) => Tone::Warn.of(&format!("warning: {warning}")),
        EventKind::Building(name) => format!("building {name}"),
        EventKind::Fetching(name) => Tone::Dim.of(&format!("  fetching {name}")),
        EventKind::Copying(name) => Tone::Dim.of(&format!("  copying {name}")),
        EventKind::Supplied(0) => "its store has the system already".to_owned(),
        EventKind::Supplied(1) => "1 store path copied".to_owned(),
        EventKind::Supplied(paths) => format!("{paths} store paths copied"),
        EventKind::Checked { .. } if !verbose => return None,
        EventKind::Checked { settled, of } => {
            Tone::Dim.of(&format!("  {settled} of {of} checks made"))
        }
        EventKind::AskingAgain { checks, pause } => {
            let seconds = pause.as_secs();
            format!("asking again in {seconds} s: {}", checks.join(", "))
        }
        EventKind::Measuring(what) => format!("measuring {what}"),
        EventKind::Preparing(command) => format!("running `{command}` here"),
        EventKind::Shipped { name, bytes } => {
            format!("{name} uploaded, {} KiB", bytes.div_ceil(1024))
        }
        EventKind::FirstStep { without, lacking } => format!(
            "a first step without {}, which needs {}",
            without.join(", "),
            lacking.join(", ")
        ),
        EventKind::Staging(progress) => staging(progress),
        EventKind::Staged { what, bytes } => {
            format!("{what} is staged, {} transferred", size(*bytes))
        }
        EventKind::StagingGoesOn(what) => Tone::Warn.of(&format!(
            "the host goes on staging {what} by itself: stage again to follow it"
        )),
        EventKind::Comparing { what, bytes } => format!(
            "comparing {} of {what} here with what is declared",
            size(*bytes)
        ),
        EventKind::SendingCut { what, why } => {
            Tone::Warn.of(&format!("connection lost while {what} was sent: {why}"))
        }
        EventKind::SendingEnds(what) => Tone::Warn.of(&format!(
            "{what} is not sent any further; the host keeps what it has: stage again to go on"
        )),
        EventKind::Reached(address) => format!("reached over a new connection to {address}"),
    })
}

/// `staging model llama: 3.2 GiB of 16.1 GiB, 112 MiB/s, 2 min left`
fn staging(progress: &StageProgress) -> String {
    let StageProgress {
        what,
        there,
        total,
        rate,
        note,
    } = progress;
    let mut text = format!("staging {what}: {} of {}", size(*there), size(*total));
    if let Some(rate) = rate.filter(|rate| *rate > 0) {
        let left = total.saturating_sub(*there).div_ceil(rate);
        // Seconds of a wait that long mean nothing.
        let left = if left > 120 {
            left.div_ceil(60) * 60
        } else {
            left
        };
        let left = lasting(u32::try_from(left).unwrap_or(u32::MAX));
        text = format!("{text}, {}/s, {left} left", size(rate));
    }
    if let Some(note) = note {
        text = format!("{text}, {note}");
    }
    text
}
