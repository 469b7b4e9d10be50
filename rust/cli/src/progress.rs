//! Tells on standard error what goes on, while it goes on.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use deployctl_engine::event::{Event, EventKind, Sink, StageProgress};
use deployctl_report::text::{lasting, size};

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

/// So many lines wait for a reader; what comes then is dropped.
const WAITING: usize = 1000;
/// How long the last lines are waited for.
const LAST: Duration = Duration::from_secs(1);

/// Writes lines on a separate thread: whoever does not read them holds nothing up. Dropping it waits for the last lines,
/// for at most `LAST`.
struct Quill {
    lines: Option<SyncSender<String>>,
    done: Mutex<Receiver<()>>,
}

impl Quill {
    /// `write` may block.
    fn new(write: impl Fn(&str) + Send + 'static) -> Self {
        let (lines, waiting) = sync_channel::<String>(WAITING);
        let (finished, done) = sync_channel(1);
        thread::spawn(move || {
            for line in waiting {
                write(&line);
            }
            let _ = finished.send(());
        });
        Self {
            lines: Some(lines),
            done: Mutex::new(done),
        }
    }

    /// Never blocks.
    fn write(&self, line: String) {
        if let Some(lines) = &self.lines {
            let _ = lines.try_send(line);
        }
    }
}

impl Drop for Quill {
    fn drop(&mut self) {
        self.lines = None;
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = done.recv_timeout(LAST);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn lines_come_in_order_and_are_all_there_at_the_end() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let here = Arc::clone(&written);
        let quill = Quill::new(move |line: &str| here.lock().unwrap().push(line.to_owned()));
        for line in ["one", "two", "three"] {
            quill.write(line.to_owned());
        }
        drop(quill);
        assert_eq!(*written.lock().unwrap(), ["one", "two", "three"]);
    }

    #[test]
    fn a_reader_that_does_not_read_holds_nothing_up() {
        let (_held, never) = sync_channel::<()>(0);
        let never = Mutex::new(never);
        let quill = Quill::new(move |_: &str| {
            let _ = never.lock().unwrap().recv();
        });
        for nth in 0..5 * WAITING {
            quill.write(nth.to_string());
        }
    }
}
