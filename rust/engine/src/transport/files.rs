//! Files of the controller as the standard input of a shell, which may be larger than memory.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWrite, AsyncWriteExt as _};

/// How much is read at once.
const CHUNK: usize = 1 << 20;

/// The end of a file, or all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What is written before it.
    pub line: String,
    /// The file.
    pub path: PathBuf,
    /// Its first byte.
    pub from: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Parts, one after the other.
#[derive(Debug, Default)]
pub struct Files {
    parts: Vec<Part>,
    sent: AtomicU64,
    trouble: OnceLock<String>,
}

/// Why writing ended early.
enum Stop {
    /// This machine cannot read a file.
    Trouble(String),
    /// The other end stopped reading: its exit status tells more.
    Unread,
}

impl Files {
    /// These, in this order.
    pub fn new(parts: Vec<Part>) -> Self {
        Self {
            parts,
            ..Self::default()
        }
    }

    /// Bytes of files that were written so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Why they could not be read to their end.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }

    pub(super) async fn write_to(&self, stdin: &mut (impl AsyncWrite + Unpin)) {
        let mut chunk = Vec::with_capacity(CHUNK);
        for part in &self.parts {
            match self.write(part, stdin, &mut chunk).await {
                Ok(()) => {}
                Err(Stop::Unread) => return,
                Err(Stop::Trouble(why)) => {
                    let _ = self.trouble.set(why);
                    return;
                }
            }
        }
    }

    async fn write(
        &self,
        part: &Part,
        stdin: &mut (impl AsyncWrite + Unpin),
        chunk: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let path = part.path.display();
        let unreadable = |error| Stop::Trouble(format!("`{path}` cannot be read: {error}"));
        let mut file = tokio::fs::File::open(&part.path)
            .await
            .map_err(unreadable)?;
        let from = std::io::SeekFrom::Start(part.from);
        file.seek(from).await.map_err(unreadable)?;
        let line = stdin.write_all(part.line.as_bytes()).await;
        line.map_err(|_| Stop::Unread)?;
        let mut rest = file.take(part.bytes);
        let mut written = 0;
        loop {
            chunk.clear();
            let count = rest.read_buf(chunk).await.map_err(unreadable)?;
            if count == 0 {
                break;
            }
            stdin.write_all(chunk).await.map_err(|_| Stop::Unread)?;
            let count = count as u64;
            written += count;
            self.sent.fetch_add(count, Ordering::Relaxed);
        }
        if written < part.bytes {
            let why = format!("`{path}` became shorter while it was sent");
            return Err(Stop::Trouble(why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parts_follow_their_lines_and_a_file_that_became_shorter_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let long = vec![7; 3 * CHUNK + 5];
        std::fs::write(path("long"), &long).unwrap();
        std::fs::write(path("short"), "0123456789").unwrap();
        let part = |name: &str, from: u64, bytes: u64| Part {
            line: format!("{from} {bytes} {name}\n"),
            path: path(name),
            from,
            bytes,
        };
        let all = u64::try_from(long.len()).unwrap();
        let files = Files::new(vec![part("long", 5, all - 5), part("short", 3, 7)]);
        let mut heard = Vec::new();
        files.write_to(&mut heard).await;
        let mut expected = format!("5 {} long\n", all - 5).into_bytes();
        expected.extend_from_slice(&long[5..]);
        expected.extend_from_slice(b"3 7 short\n3456789");
        assert!(heard == expected, "{} bytes", heard.len());
        assert_eq!((files.sent(), files.trouble()), (all + 2, None));

        for (name, bytes, why) in [
            ("short", 8, "became shorter while it was sent"),
            ("absent", 1, "cannot be read: No such file"),
        ] {
            let files = Files::new(vec![part(name, 3, bytes), part("long", 0, 1)]);
            let mut heard = Vec::new();
            files.write_to(&mut heard).await;
            assert!(!heard.ends_with(&[7]), "nothing follows");
            let trouble = files.trouble().unwrap();
            assert!(trouble.contains(why), "{trouble}");
        }
    }
}
