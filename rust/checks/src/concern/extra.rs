//! Files that no other concern covers, and declared checks. Packages and units of `extra` are
//! checked like those of other concerns.

mod own;

use deployctl_core::inventory::extra::{Extra, ExtraFile};
use deployctl_core::inventory::host::Platform;
use deployctl_core::query::{Query, quote};
use deployctl_core::rendered::Sha256Hex;

use crate::answer::{Answer, Found, Unreadable};
use crate::{Check, Declared};

pub(super) const CONCERN: &str = "extra";

pub(super) fn checks(facts: &Extra, declared: &Declared<'_>) -> Vec<Check> {
    let mut all = own::checks(facts);
    // Elsewhere they are links into the store, which the check of the whole system covers.
    if declared.host.platform == Platform::Ubuntu {
        all.extend(file_checks(facts));
    }
    all
}

fn file_checks(facts: &Extra) -> Vec<Check> {
    let files: Vec<&ExtraFile> = facts.files.iter().flatten().collect();
    if files.is_empty() {
        return Vec::new();
    }
    let paths: Vec<String> = files.iter().map(|file| quote(file.path.as_str())).collect();
    let query = Query::new(
        "extra/files",
        format!(
            "set -- {}\nfor f do\n  if [ -f \"$f\" ]; then stat -c 'file %a %U %G' \"$f\"; sha256sum -- \"$f\"; else printf 'absent %s\\n' \"$f\"; fi\ndone",
            paths.join(" ")
        ),
    );
    files
        .into_iter()
        .map(|file| file_check(file, &query))
        .collect()
}

fn file_check(file: &ExtraFile, query: &Query) -> Check {
    let path = file.path.to_string();
    let mode = file.mode.as_str().trim_start_matches('0');
    let wanted = format!("{mode} {} {}", file.owner, file.group);
    let hash = Sha256Hex::of(file.content.as_str().as_bytes());
    let expected = format!("{path} as declared, {wanted}");
    Check::new(
        CONCERN,
        &format!("file{path}"),
        query,
        expected,
        move |answer| {
            let Some((ownership, found)) = parse(answer, &path)? else {
                return Ok(
                    Found::when(false, "there is no such file").or_hint(crate::MADE_BY_APPLY)
                );
            };
            let same = found == hash.as_str();
            let content = if same {
                "content as declared"
            } else {
                "other content"
            };
            Ok(Found::when(
                same && ownership == wanted,
                format!("{content}, {ownership}"),
            ))
        },
    )
}

/// Mode, owner and group, and the hash of `path`; `None` where there is no such file.
fn parse<'a>(answer: &Answer<'a>, path: &str) -> Result<Option<(&'a str, &'a str)>, Unreadable> {
    let mut ownership = None;
    for line in answer.lines()? {
        if let Some(rest) = line.strip_prefix("file ") {
            ownership = Some(rest);
        } else if line.strip_prefix("absent ") == Some(path) {
            return Ok(None);
        } else if let Some((hash, name)) = line.split_once("  ")
            && name == path
        {
            let ownership = ownership.ok_or_else(|| Unreadable::new("a hash without a mode"))?;
            return Ok(Some((ownership, hash)));
        }
    }
    Err(Unreadable(format!("no line for `{path}`")))
}
