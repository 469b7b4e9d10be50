//! One answer of an HTTP server, taken apart as its bytes come in.

use crate::report::Trouble;

/// Longest head of an answer, and longest line that tells a chunk's size, in bytes.
const HEAD: usize = 64 << 10;
const SIZE_LINE: usize = 256;

/// Feeds on what was read, and gives the body's bytes as soon as they are there.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Read and not yet understood.
    pending: Vec<u8>,
    state: State,
    status: u16,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// Bytes until the connection closes.
    UntilClosed,
    /// Bytes left of the body.
    Length(u64),
    /// A line with the size of the next chunk (RFC 9112, section 7.1).
    ChunkSize,
    /// Bytes left of a chunk.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    Done,
}

impl Answer {
    /// The status code; 0 until the head is complete.
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// Whether everything that the server announced has come.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what was read and appends the part of it that is body to `body`.
    pub(super) fn feed(&mut self, bytes: &[u8], body: &mut Vec<u8>) -> Result<(), Trouble> {
        self.pending.extend_from_slice(bytes);
        while self.step(body)? {}
        Ok(())
    }

    /// The connection was closed: an error where more had been announced.
    pub(super) fn close(&self) -> Result<(), Trouble> {
        match self.state {
            State::Done | State::UntilClosed => Ok(()),
            State::Head if self.pending.is_empty() => Err(Trouble::new("closed without an answer")),
            State::Head => Err(Trouble::new("ended in the middle of its head")),
            State::Length(_) => Err(Trouble::new("ended in the middle of its body")),
            State::ChunkSize | State::Chunk(_) | State::ChunkEnd => {
                Err(Trouble::new("ended in the middle of a chunk"))
            }
        }
    }

    /// Goes on by one state; false where more bytes are wanted.
    fn step(&mut self, body: &mut Vec<u8>) -> Result<bool, Trouble> {
        match self.state {
            State::Head => self.head(),
            State::UntilClosed => {
                body.append(&mut self.pending);
                Ok(false)
            }
            State::Length(left) => {
                let left = self.take(left, body);
                self.state = if left == 0 {
                    State::Done
                } else {
                    State::Length(left)
                };
                Ok(left == 0)
            }
            State::Chunk(left) => {
                let left = self.take(left, body);
                self.state = if left == 0 {
                    State::ChunkEnd
                } else {
                    State::Chunk(left)
                };
                Ok(left == 0)
            }
            State::ChunkSize => match httparse::parse_chunk_size(&self.pending) {
                Ok(httparse::Status::Complete((used, size))) => {
                    self.pending.drain(..used);
                    self.state = if size == 0 {
                        State::Done
                    } else {
                        State::Chunk(size)
                    };
                    Ok(true)
                }
                Ok(httparse::Status::Partial) if self.pending.len() <= SIZE_LINE => Ok(false),
                _ => Err(Trouble::new("sent a chunk without its size")),
            },
            State::ChunkEnd => match self.pending.get(..2) {
                None => Ok(false),
                Some(b"\r\n") => {
                    self.pending.drain(..2);
                    self.state = State::ChunkSize;
                    Ok(true)
                }
                Some(_) => Err(Trouble::new("sent a chunk longer than its size")),
            },
            // Trailers, and bytes after the answer.
            State::Done => {
                self.pending.clear();
                Ok(false)
            }
        }
    }

    fn head(&mut self) -> Result<bool, Trouble> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let used = match response.parse(&self.pending) {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) if self.pending.len() <= HEAD => return Ok(false),
            Ok(httparse::Status::Partial) => return Err(Trouble::new("sends a head without end")),
            Err(error) => return Err(Trouble::new(format!("does not speak HTTP: {error}"))),
        };
        let header = |name: &str| {
            response
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name))
                .map(|header| header.value)
        };
        let chunked =
            header("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case(b"chunked"));
        let length = header("content-length").map(|value| {
            let text = str::from_utf8(value).ok()?;
            text.trim().parse().ok()
        });
        self.state = match (chunked, length) {
            (true, _) => State::ChunkSize,
            (false, None) => State::UntilClosed,
            (false, Some(Some(0))) => State::Done,
            (false, Some(Some(length))) => State::Length(length),
            (false, Some(None)) => return Err(Trouble::new("sends a length that is no number")),
        };
        self.status = response.code.unwrap_or_default();
        self.pending.drain(..used);
        Ok(true)
    }

    /// Moves up to `left` bytes to `body`; how many are left then.
    fn take(&mut self, left: u64, body: &mut Vec<u8>) -> u64 {
        let here =
            usize::try_from(left).map_or(self.pending.len(), |left| left.min(self.pending.len()));
        body.extend(self.pending.drain(..here));
        left - here as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of `bytes`, fed by pieces of `size`.
    fn told(bytes: &[u8], size: usize) -> String {
        let (mut answer, mut body) = (Answer::default(), Vec::new());
        let fed = bytes
            .chunks(size)
            .try_for_each(|piece| answer.feed(piece, &mut body));
        match fed.and_then(|()| answer.close()) {
            Ok(()) => format!("{} {:?}", answer.status(), String::from_utf8_lossy(&body)),
            Err(trouble) => trouble.message,
        }
    }

    #[test]
    fn answers_good_and_bad_in_pieces_of_any_size() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let cases = [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes".to_owned(),
            "HTTP/1.0 200 OK\r\n\r\nuntil the end".to_owned(),
            format!("{chunked}3\r\nyes\r\n2;x=y\r\n, \r\n0\r\n\r\n"),
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nyes".to_owned(),
            "HTTP/1.1 200 OK\r\nContent-Length: -9\r\n\r\nyes".to_owned(),
            format!("{chunked}ff\r\nda"),
            format!("{chunked}ffffffffffffffff\r\nda"),
            format!("{chunked}2\r\nyes\r\n"),
            format!("{chunked}nonsense\r\n"),
            "HTTP/1.1 20".to_owned(),
            "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
            String::new(),
        ];
        let all: Vec<String> = cases
            .iter()
            .map(|case| {
                let whole = told(case.as_bytes(), case.len().max(1));
                for size in 1..=7 {
                    assert_eq!(told(case.as_bytes(), size), whole, "{case}");
                }
                whole
            })
            .collect();
        insta::assert_snapshot!(all.join("\n"), @r#"
        200 "yes"
        200 "until the end"
        200 "yes, "
        204 ""
        ended in the middle of its body
        sends a length that is no number
        ended in the middle of a chunk
        ended in the middle of a chunk
        sent a chunk longer than its size
        sent a chunk without its size
        ended in the middle of its head
        does not speak HTTP: invalid HTTP version
        closed without an answer
        "#);
    }
}
