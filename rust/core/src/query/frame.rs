//! Reads what the script of a round printed.

use super::{Answers, Marker, STDERR_CAP, Section};

/// Where the answers of a round stop making sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Nothing of ours in the output.
    #[error("the host sent {bytes} bytes and no answer among them")]
    NoAnswer {
        /// What it sent, in bytes.
        bytes: usize,
    },
    /// The output ends early.
    #[error("the host's answer ends after {bytes} bytes, inside {inside}")]
    Truncated {
        /// What it sent, in bytes.
        bytes: usize,
        /// The query or part.
        inside: String,
    },
    /// The output is not what the script prints.
    #[error("the host's answer cannot be read: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
}

struct Header {
    id: String,
    status: Option<i32>,
    cap: usize,
    stdout: usize,
    stderr: usize,
}

/// Splits the output of [`super::script`] into answers.
///
/// Everything before `marker` is skipped (banners, start-up files of a shell); from there on
/// every length must hold to the byte.
pub fn parse(marker: &Marker, output: &[u8]) -> Result<Answers, FrameError> {
    let begin = format!("{} begin ", marker.as_str());
    let start = find(output, begin.as_bytes()).ok_or(FrameError::NoAnswer {
        bytes: output.len(),
    })?;
    let mut reader = Reader {
        output,
        at: start + begin.len(),
    };
    let count: usize = number(reader.line("the first line")?, "the number of answers")?;
    let mut headers = Vec::new();
    for _ in 0..count {
        headers.push(header(reader.line("the index")?)?);
    }
    if count > 0 {
        for header in &mut headers {
            header.stdout = length(reader.line("the lengths")?)?;
            header.stderr = length(reader.line("the lengths")?)?;
        }
        // `wc` ends with the sum.
        reader.line("the lengths")?;
        reader.expect(&format!("{} body", marker.as_str()))?;
    }
    let mut answers = Answers::new();
    for header in headers {
        let mut stdout = reader.take(header.stdout, &header.id)?.to_vec();
        let stderr = reader.take(header.stderr, &header.id)?;
        let truncated = stdout.len() >= header.cap;
        stdout.truncate(header.cap);
        let section = Section {
            status: header.status,
            stdout,
            stderr: stderr[..stderr.len().min(STDERR_CAP)].to_vec(),
            truncated,
        };
        if answers.insert(header.id.clone(), section).is_some() {
            return Err(malformed(format!("two answers to `{}`", header.id)));
        }
    }
    reader.expect(&format!("{} end", marker.as_str()))?;
    Ok(answers)
}

/// `STATUS CAP ID`
fn header(line: &str) -> Result<Header, FrameError> {
    let mut words = line.splitn(3, ' ');
    let (Some(status), Some(cap), Some(id)) = (words.next(), words.next(), words.next()) else {
        return Err(malformed("an index line of fewer than three words"));
    };
    Ok(Header {
        id: id.to_owned(),
        status: match status {
            "late" => None,
            status => Some(number(status, "a status")?),
        },
        cap: number(cap, "a cap")?,
        stdout: 0,
        stderr: 0,
    })
}

/// `LENGTH FILE`, with blanks before it, as `wc -c` aligns.
fn length(line: &str) -> Result<usize, FrameError> {
    number(
        line.split_ascii_whitespace().next().unwrap_or_default(),
        "a length",
    )
}

fn number<T: std::str::FromStr>(word: &str, what: &str) -> Result<T, FrameError> {
    word.parse().map_err(|_| {
        malformed(format!(
            "{what} is `{}`",
            super::printable_line(word.as_bytes(), 40)
        ))
    })
}

fn malformed(what: impl Into<String>) -> FrameError {
    FrameError::Malformed { what: what.into() }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

struct Reader<'a> {
    output: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn line(&mut self, inside: &str) -> Result<&'a str, FrameError> {
        let rest = &self.output[self.at..];
        let end = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or_else(|| self.truncated(inside))?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|_| malformed(format!("{inside} is no text")))
    }

    fn take(&mut self, length: usize, id: &str) -> Result<&'a [u8], FrameError> {
        let bytes = self
            .at
            .checked_add(length)
            .and_then(|end| self.output.get(self.at..end))
            .ok_or_else(|| self.truncated(&format!("`{id}`")))?;
        self.at += length;
        Ok(bytes)
    }

    fn expect(&mut self, wanted: &str) -> Result<(), FrameError> {
        let line = self.line("the closing line")?;
        if line == wanted {
            Ok(())
        } else {
            Err(malformed(format!(
                "`{}` stands where `{wanted}` should",
                super::printable_line(line.as_bytes(), 40)
            )))
        }
    }

    fn truncated(&self, inside: &str) -> FrameError {
        FrameError::Truncated {
            bytes: self.output.len(),
            inside: inside.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marker() -> Marker {
        Marker::new([7; 16])
    }

    fn framed(body: &str) -> Vec<u8> {
        body.replace('M', marker().as_str()).into_bytes()
    }

    #[test]
    fn noise_before_the_marker_is_skipped_and_lengths_hold() {
        let output = framed(
            "Welcome!\x1b[2J\r\n\nM begin 2\n0 512 a\nlate 512 b/c\n 3 0.out\n 1 0.err\n 0 1.out\n 0 1.err\n 4 total\nM body\nx\nyeM end\n",
        );
        let answers = parse(&marker(), &output).unwrap();
        assert_eq!(
            answers["a"],
            Section {
                status: Some(0),
                stdout: b"x\ny".to_vec(),
                stderr: b"e".to_vec(),
                truncated: false,
            }
        );
        assert_eq!(answers["b/c"].status, None);
    }

    #[test]
    fn a_broken_frame_says_where() {
        let good = "M begin 1\n0 512 a\n 3 0.out\n 0 0.err\n 3 total\nM body\nx\nyM end\n";
        let mut said = Vec::new();
        for bad in [
            "motd only\n",
            "M begin",
            "M begin 1\n0 512",
            &good.replace("0 512 a", "zero 512 a"),
            &good.replace(" 3 0.out", " 99 0.out"),
            &good.replace(" 3 0.out", " 2 0.out"),
            &good.replace(" 3 0.out", " 18446744073709551615 0.out"),
            &good.replace("M end\n", ""),
            &good.replace("begin 1", "begin 99999999999999999999"),
        ] {
            said.push(parse(&marker(), &framed(bad)).unwrap_err().to_string());
        }
        insta::assert_snapshot!(said.join("\n"), @"
        the host sent 10 bytes and no answer among them
        the host sent 48 bytes and no answer among them
        the host's answer ends after 56 bytes, inside the index
        the host's answer cannot be read: a status is `zero`
        the host's answer ends after 185 bytes, inside `a`
        the host's answer cannot be read: `ydeployctl-0707070707070707070707070707…` stands where `deployctl-07070707070707070707070707070707 end` should
        the host's answer ends after 203 bytes, inside `a`
        the host's answer ends after 137 bytes, inside the closing line
        the host's answer cannot be read: the number of answers is `99999999999999999999`
        ");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut output = framed("M begin 1\n");
            output.extend(&bytes);
            let _ = parse(&marker(), &output);
            let _ = parse(&marker(), &bytes);
        }

        #[test]
        fn every_cut_is_an_error(cut in 0_usize..100) {
            let output = framed("M begin 1\n0 512 a\n 3 0.out\n 0 0.err\n 3 total\nM body\nx\nyM end\n");
            prop_assume!(cut < output.len());
            prop_assert!(parse(&marker(), &output[..cut]).is_err());
        }
    }
}
