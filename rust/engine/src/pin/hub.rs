//! A hub of models, asked by curl.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use deployctl_core::query::printable_line;
use tempfile::TempDir;

use super::PinError;
use super::listing::{self, Listed};
use crate::files::read_up_to;
use crate::interrupt::Interrupt;
use crate::process::Program;

/// Most pages of a listing; a hub has up to 1000 files on each.
const MOST_PAGES: usize = 50;
/// Largest answer that is no file.
const LARGEST: u64 = 16 << 20;
/// Largest file without a hash in the listing; hubs have hashes of files of 10 MiB and more.
const LARGEST_FILE: u64 = 256 << 20;

pub(super) struct Hub<'a> {
    address: &'a str,
    token: Option<&'a str>,
    interrupt: &'a Interrupt,
    folder: TempDir,
}

impl<'a> Hub<'a> {
    pub(super) fn new(
        address: &'a str,
        token: Option<&'a str>,
        interrupt: &'a Interrupt,
    ) -> Result<Self, PinError> {
        let folder = tempfile::tempdir().map_err(|source| PinError::Local {
            action: "make a folder for temporary files",
            source,
        })?;
        Ok(Self {
            address,
            token,
            interrupt,
            folder,
        })
    }

    /// The commit that `revision` is.
    pub(super) async fn commit(
        &self,
        repository: &str,
        revision: &str,
    ) -> Result<String, PinError> {
        let revision = revision.replace('/', "%2F");
        let url = format!(
            "{}/api/models/{repository}/revision/{revision}",
            self.address
        );
        let (answer, _) = self.ask(&url).await?;
        listing::commit(&answer).map_err(|reason| PinError::Unreadable { url, reason })
    }

    /// All files of a commit.
    pub(super) async fn files(
        &self,
        repository: &str,
        commit: &str,
    ) -> Result<Vec<Listed>, PinError> {
        let mut url = format!(
            "{}/api/models/{repository}/tree/{commit}?recursive=true",
            self.address
        );
        let mut files = Vec::new();
        for _ in 0..MOST_PAGES {
            let (answer, headers) = self.ask(&url).await?;
            let unreadable = |reason| PinError::Unreadable {
                url: url.clone(),
                reason,
            };
            files.extend(listing::files(&answer).map_err(unreadable)?);
            let Some(next) = listing::next_page(&headers) else {
                return Ok(files);
            };
            // The token goes to this hub alone.
            if !next.starts_with(&format!("{}/", self.address)) {
                let next = printable_line(next.as_bytes(), 200);
                return Err(unreadable(format!("the next page is elsewhere: `{next}`")));
            }
            next.clone_into(&mut url);
        }
        let reason = format!("the list has more than {MOST_PAGES} pages");
        Err(PinError::Unreadable { url, reason })
    }

    /// A file, which must have `size` bytes.
    pub(super) async fn file(
        &self,
        repository: &str,
        commit: &str,
        path: &str,
        size: u64,
    ) -> Result<Vec<u8>, PinError> {
        let url = format!("{}/{repository}/resolve/{commit}/{path}", self.address);
        self.get(&url).await?;
        let bytes = read_up_to(&self.body(), LARGEST_FILE).map_err(local)?;
        if bytes.len() as u64 != size {
            let came = bytes.len() as u64;
            return Err(PinError::Size {
                url,
                came,
                listed: size,
            });
        }
        Ok(bytes)
    }

    /// The answer and its headers.
    async fn ask(&self, url: &str) -> Result<(Vec<u8>, String), PinError> {
        self.get(url).await?;
        let answer = read_up_to(&self.body(), LARGEST).map_err(local)?;
        Ok((answer, self.headers()?))
    }

    /// Fetches what is at `url` into the body's file.
    async fn get(&self, url: &str) -> Result<(), PinError> {
        for file in [self.body(), self.folder.path().join("headers")] {
            File::create(file).map_err(local)?;
        }
        let mut words = Vec::new();
        let ended = self
            .curl(url)
            .watch(self.interrupt, &mut |line| words.push(line.to_owned()))
            .await?;
        let url = url.to_owned();
        if !ended.status.success() {
            let words = printable_line(words.join(" ").as_bytes(), 300);
            return Err(PinError::Link { url, words });
        }
        let code = String::from_utf8_lossy(&ended.stdout);
        let code = code.trim().parse().unwrap_or(0);
        if code == 200 {
            return Ok(());
        }
        let headers = self.headers()?;
        let words = listing::header(&headers, "x-error-message");
        let words = words.map(|it| format!(": {}", printable_line(it.as_bytes(), 300)));
        Err(PinError::Answered {
            url,
            code,
            words: words.unwrap_or_default(),
            token: self.token.is_some(),
        })
    }

    /// Redirects stay on HTTPS, and curl gives the token to no other host.
    fn curl(&self, url: &str) -> Program {
        let token = self
            .token
            .map(|it| format!("header = \"Authorization: Bearer {it}\"\n"));
        Program::new("curl")
            .arguments([
                "-q",
                "--config",
                "-",
                "--silent",
                "--show-error",
                "--globoff",
            ])
            .arguments(["--location", "--max-redirs", "5"])
            .arguments(["--proto", "=https", "--proto-redir", "=https"])
            .arguments([
                "--connect-timeout",
                "30",
                "--speed-limit",
                "1000",
                "--speed-time",
                "60",
            ])
            .arguments(["--dump-header", "headers", "--output", "body"])
            .arguments(["--write-out", "%{http_code}", "--url", url])
            .folder(self.folder.path())
            .input(token.unwrap_or_default().into_bytes())
            .deadline(Duration::from_secs(600))
    }

    fn body(&self) -> PathBuf {
        self.folder.path().join("body")
    }

    fn headers(&self) -> Result<String, PinError> {
        let headers = read_up_to(&self.folder.path().join("headers"), LARGEST).map_err(local)?;
        Ok(String::from_utf8_lossy(&headers).into_owned())
    }
}

fn local(source: std::io::Error) -> PinError {
    PinError::Local {
        action: "keep an answer in a temporary file",
        source,
    }
}
