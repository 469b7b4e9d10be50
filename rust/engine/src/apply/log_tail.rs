//! The host's activation log, line by line as it grows.

use std::collections::VecDeque;

use deployctl_core::activation::status::LogPart;
use deployctl_core::query;

/// Lines kept for the report.
const KEPT: usize = 200;
/// Characters of a line.
const WIDTH: usize = 500;

/// The log as read so far.
#[derive(Debug, Default)]
pub(super) struct LogTail {
    offset: u64,
    /// The line that has not ended yet.
    begun: Vec<u8>,
    lines: VecDeque<String>,
}

impl LogTail {
    /// The offset to ask for next.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends a part of the log; returns the lines that it completes. A part that was read before adds nothing.
    pub(super) fn take(&mut self, part: &LogPart) -> Vec<String> {
        if part.offset > self.offset || part.next_offset() <= self.offset {
            return Vec::new();
        }
        let had = usize::try_from(self.offset - part.offset).unwrap_or(usize::MAX);
        self.offset = part.next_offset();
        self.begun
            .extend_from_slice(part.bytes.get(had..).unwrap_or_default());
        let mut lines = Vec::new();
        while let Some(end) = self.begun.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            lines.push(query::printable_line(&line, WIDTH));
        }
        // A line without end is cut: it would grow without limit.
        if self.begun.len() > 64 << 10 {
            lines.push(query::printable_line(
                &std::mem::take(&mut self.begun),
                WIDTH,
            ));
        }
        for line in &lines {
            self.lines.push_back(line.clone());
        }
        while self.lines.len() > KEPT {
            self.lines.pop_front();
        }
        lines
    }

    /// The last lines.
    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(offset: u64, bytes: &str) -> LogPart {
        LogPart {
            offset,
            size: offset + bytes.len() as u64,
            bytes: bytes.as_bytes().to_vec(),
        }
    }

    #[test]
    fn lines_come_once_and_whole() {
        let mut tail = LogTail::default();
        assert_eq!(tail.take(&part(0, "one\ntw")), ["one"]);
        assert_eq!(tail.take(&part(0, "one\ntw")), Vec::<String>::new());
        assert_eq!(
            tail.take(&part(4, "two\n\u{1b}[31mthree\n")),
            ["two", "three"]
        );
        assert_eq!(tail.offset(), 19);
        assert_eq!(tail.take(&part(99, "gap\n")), Vec::<String>::new());
    }
}
