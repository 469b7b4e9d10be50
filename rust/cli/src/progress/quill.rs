//! Lines written beside the work: whoever does not read them holds nothing up.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// So many lines wait for a reader; what comes then is dropped.
const WAITING: usize = 1000;
/// How long the last lines are waited for.
const LAST: Duration = Duration::from_secs(1);

/// Writes lines on a separate thread. Dropping it waits for the last lines, for at most `LAST`.
pub(super) struct Quill {
    lines: Option<SyncSender<String>>,
    done: Mutex<Receiver<()>>,
}

impl Quill {
    /// `write` may block.
    pub(super) fn new(write: impl Fn(&str) + Send + 'static) -> Self {
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
    pub(super) fn write(&self, line: String) {
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
