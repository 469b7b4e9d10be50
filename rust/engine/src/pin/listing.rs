//! What a hub answers.

use deployctl_core::rendered::Sha256Hex;
use serde::Deserialize;

/// One file as the hub lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) path: String,
    pub(super) size: u64,
    /// Known of large files alone.
    pub(super) sha256: Option<Sha256Hex>,
}

#[derive(Deserialize)]
struct Revision {
    sha: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    lfs: Option<Large>,
}

#[derive(Deserialize)]
struct Large {
    oid: String,
    size: u64,
}

/// The commit in the answer about a revision.
pub(super) fn commit(answer: &[u8]) -> Result<String, String> {
    let Revision { sha } = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let digits = sha.len() == 40 && sha.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if digits {
        Ok(sha)
    } else {
        Err(format!("`{}` is no commit", sha.escape_debug()))
    }
}

/// The files on a page of a listing.
pub(super) fn files(answer: &[u8]) -> Result<Vec<Listed>, String> {
    let entries: Vec<Entry> = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let files = entries.into_iter().filter(|entry| entry.kind == "file");
    files
        .map(|entry| {
            let Some(large) = entry.lfs else {
                return Ok(Listed {
                    path: entry.path,
                    size: entry.size,
                    sha256: None,
                });
            };
            let sha256 = Sha256Hex::from_hex(&large.oid).ok_or_else(|| {
                let (path, oid) = (entry.path.escape_debug(), large.oid.escape_debug());
                format!("`{oid}` of `{path}` is no SHA-256")
            })?;
            Ok(Listed {
                path: entry.path,
                size: large.size,
                sha256: Some(sha256),
            })
        })
        .collect()
}

/// The last answer's headers; those of redirects are before them.
fn last(headers: &str) -> impl Iterator<Item = (&str, &str)> {
    let at = headers.rfind("HTTP/").unwrap_or(0);
    let lines = headers[at..].lines();
    lines.filter_map(|line| {
        line.split_once(':')
            .map(|(name, value)| (name, value.trim()))
    })
}

/// The value of the header `name` of the last answer.
pub(super) fn header<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    let mut all = last(headers);
    all.find(|(it, _)| it.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The address of the next page, where there is one (RFC 8288).
pub(super) fn next_page(headers: &str) -> Option<&str> {
    let links = header(headers, "link")?.split(',');
    links
        .filter_map(|link| link.trim().strip_prefix('<')?.split_once('>'))
        .find(|(_, about)| about.contains("rel=\"next\"") || about.contains("rel=next"))
        .map(|(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::{commit, files, header, next_page};

    #[test]
    fn a_page_has_files_with_the_hashes_of_large_ones() {
        let page = br#"[
            {"type": "directory", "oid": "1", "size": 0, "path": "original"},
            {"type": "file", "oid": "2", "size": 654, "path": "config.json"},
            {"type": "file", "oid": "3", "size": 4976698672, "path": "model.safetensors", "xetHash": "5",
             "lfs": {"oid": "2b1879f356aed350030bb40eb45ad362c89d9891096f79a3ab323d3ba5607668", "size": 4976698672, "pointerSize": 135}}
        ]"#;
        let told: Vec<_> = files(page)
            .expect("a page")
            .into_iter()
            .map(|it| (it.path, it.size, it.sha256.map(|it| it.to_string())))
            .collect();
        insta::assert_debug_snapshot!(told, @r#"
        [
            (
                "config.json",
                654,
                None,
            ),
            (
                "model.safetensors",
                4976698672,
                Some(
                    "2b1879f356aed350030bb40eb45ad362c89d9891096f79a3ab323d3ba5607668",
                ),
            ),
        ]
        "#);
    }

    #[test]
    fn what_is_no_answer_is_said() {
        let cases: [Result<(), String>; 5] = [
            commit(b"<html>").map(drop),
            commit(br#"{"sha": "main"}"#).map(drop),
            files(br#"{"error": "no"}"#).map(drop),
            files(br#"[{"type": "file"}]"#).map(drop),
            files(br#"[{"type": "file", "path": "a", "lfs": {"oid": "x", "size": 1}}]"#).map(drop),
        ];
        let told: Vec<_> = cases
            .into_iter()
            .map(|it| it.expect_err("no answer"))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        expected value at line 1 column 1
        `main` is no commit
        invalid type: map, expected a sequence at line 1 column 0
        missing field `path` at line 1 column 17
        `x` of `a` is no SHA-256
        ");
    }

    #[test]
    fn headers_are_those_of_the_last_answer() {
        let headers = "HTTP/2 307\r\nlink: <https://old>; rel=\"next\"\r\n\r\nHTTP/2 200\r\nLink: <https://a>; rel=\"prev\", <https://b?cursor=1>; rel=\"next\"\r\n\r\n";
        assert_eq!(next_page(headers), Some("https://b?cursor=1"));
        assert_eq!(next_page("HTTP/2 200\r\n\r\n"), None);
        assert_eq!(header(headers, "location"), None);
    }
}
