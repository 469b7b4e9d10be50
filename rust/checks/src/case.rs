//! The format of a page of cases: a heading, who is asked, how the query ended, its answer, and the verdict.
//!
//! ```text
//! == hugepages/meminfo: short
//! recorded: Ubuntu 24.04, 2026-11-26
//! host: cuda
//! facts: hugepages.count = 2048
//! exit: 0
//! HugePages_Total:    1024
//! -- stderr
//! -- verdict
//! fail       hugepages/pool
//! ```
//!
//! `exit` ends the head. The others may be left out: `recorded` names the machine that gave an answer, `host` which
//! host of the tests' inventory is asked (else the first that has the query), and each `facts` changes one of its
//! facts. In an answer `\xNN` is a byte that is no text, `\\` a backslash, and a `\` that ends a line says that the
//! answer has no line end there.

use std::fmt::Write as _;

use deployctl_core::query::Section;

use crate::{CheckResult, CheckStatus};

const HEADING: &str = "== ";
const STDERR: &str = "-- stderr";
const VERDICT: &str = "-- verdict";

/// One recorded answer and what the checks make of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Case {
    /// The id of the query that it answers.
    pub query: String,
    /// Empty on the page of a good host, which answers a query once.
    pub name: String,
    /// Which machine gave the answer, and when.
    pub recorded: Option<String>,
    /// Which host is asked.
    pub host: Option<String>,
    /// Facts of it that differ: `path = JSON`.
    pub facts: Vec<String>,
    /// How the query ended.
    pub status: i32,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it printed as errors.
    pub stderr: Vec<u8>,
    /// What the checks make of it, as [`verdict`] writes it.
    pub verdict: String,
}

impl Case {
    /// The answer as a host gave it: in time and whole.
    pub fn answer(&self) -> Section {
        Section {
            status: Some(self.status),
            stdout: self.stdout.clone(),
            stderr: self.stderr.clone(),
            truncated: false,
        }
    }
}

/// The cases of a page.
///
/// # Errors
/// The line of the case that is wrong, and why.
pub fn parse(page: &str) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    let mut lines = page.lines().enumerate().peekable();
    while let Some((at, heading)) = lines.next() {
        let wrong = |why| format!("line {}: {why}: {heading}", at + 1);
        let mut below = Vec::new();
        let mut judged = false;
        // No verdict looks like a heading, and an answer may.
        while let Some((_, line)) = lines.next_if(|(_, line)| !judged || !line.starts_with(HEADING))
        {
            judged |= line == VERDICT;
            below.push(line);
        }
        cases.push(case(heading, &below).map_err(wrong)?);
    }
    Ok(cases)
}

/// The case of a heading and the lines below it.
fn case(heading: &str, below: &[&str]) -> Result<Case, String> {
    let heading = heading.strip_prefix(HEADING);
    let heading = heading.ok_or("a case begins with `== query: name`")?;
    let (query, name) = heading.split_once(": ").unwrap_or((heading, ""));
    let mut case = Case {
        query: query.to_owned(),
        name: name.to_owned(),
        ..Case::default()
    };
    let mut lines = below.iter().copied();
    loop {
        let line = lines.next().and_then(|line| line.split_once(": "));
        let (key, value) = line.ok_or("its head has no `exit: status`")?;
        match key {
            "recorded" => case.recorded = Some(value.to_owned()),
            "host" => case.host = Some(value.to_owned()),
            "facts" => case.facts.push(value.to_owned()),
            "exit" => {
                case.status = value.parse().map_err(|_| "its exit status is no number")?;
                break;
            }
            _ => return Err(format!("its head has an unknown `{key}`")),
        }
    }
    let rest: Vec<&str> = lines.collect();
    let mut parts = rest.splitn(2, |line| *line == VERDICT);
    let (answer, verdict) = (parts.next(), parts.next());
    let verdict = verdict.ok_or("has no verdict")?;
    let mut streams = answer.unwrap_or_default().splitn(2, |line| *line == STDERR);
    case.stdout = unescape(streams.next().unwrap_or_default())?;
    case.stderr = unescape(streams.next().unwrap_or_default())?;
    // An empty line parts two cases.
    verdict.join("\n").trim_end().clone_into(&mut case.verdict);
    Ok(case)
}

/// What checks made of an answer, with what was measured.
pub fn verdict(results: &[CheckResult]) -> String {
    let mut text = String::new();
    for result in results {
        text.push_str(&row(result));
        for measured in &result.measurements {
            let numbers: Vec<String> = measured
                .statistics
                .iter()
                .map(|statistic| format!("{} {:.3}", statistic.name, statistic.value))
                .collect();
            let limit = measured.limit.as_ref().map_or("no limit".to_owned(), |it| {
                format!("{:?} {} {}", it.bound, it.statistic, it.value)
            });
            let _ = writeln!(
                text,
                "           measured: {} in {}: {}; {} samples, {limit}",
                measured.what,
                measured.unit,
                numbers.join(", "),
                measured.samples.len(),
            );
        }
    }
    text.trim_end().to_owned()
}

/// A result in a line, and its texts in lines below it.
pub fn row(result: &CheckResult) -> String {
    let gate = if result.gate { "gate" } else { "" };
    let mut text = format!("{:5} {gate:4} {}\n", result.status.word(), result.check);
    let mut detail = |label: &str, words: &str| {
        if !words.is_empty() {
            let _ = writeln!(text, "           {label:9} {words}");
        }
    };
    detail("expected:", &result.expected);
    detail("found:", &result.evidence);
    match &result.status {
        CheckStatus::Fail { hint } => detail("hint:", hint.as_deref().unwrap_or_default()),
        CheckStatus::Skip { reason }
        | CheckStatus::Error { reason }
        | CheckStatus::Stale { reason } => detail("because:", reason),
        CheckStatus::Pass => {}
    }
    text
}

/// The page of `cases`.
pub fn render(cases: &[Case]) -> String {
    let pages: Vec<String> = cases.iter().map(one).collect();
    pages.join("\n")
}

fn one(case: &Case) -> String {
    let mut text = format!("{HEADING}{}", case.query);
    if !case.name.is_empty() {
        let _ = write!(text, ": {}", case.name);
    }
    text.push('\n');
    let recorded = case.recorded.iter().map(|value| ("recorded", value));
    let host = case.host.iter().map(|value| ("host", value));
    let facts = case.facts.iter().map(|value| ("facts", value));
    for (key, value) in recorded.chain(host).chain(facts) {
        let _ = writeln!(text, "{key}: {value}");
    }
    let _ = writeln!(text, "exit: {}\n{}", case.status, escape(&case.stdout));
    // The line end of `writeln` belongs to the answer, which brings its own.
    text.pop();
    if !case.stderr.is_empty() {
        let _ = write!(text, "{STDERR}\n{}", escape(&case.stderr));
    }
    let _ = write!(text, "{VERDICT}\n{}", case.verdict);
    text.push_str(if case.verdict.is_empty() { "" } else { "\n" });
    text
}

/// Bytes as lines of text, each with its end.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    let hex = |text: &mut String, bytes: &[u8]| {
        for byte in bytes {
            let _ = write!(text, "\\x{byte:02x}");
        }
    };
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\n' | '\t' => text.push(character),
                _ if character.is_control() => {
                    hex(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => text.push(character),
            }
        }
        hex(&mut text, chunk.invalid());
    }
    let mut lines: Vec<String> = text.split('\n').map(line_without_traps).collect();
    // The last piece follows the last line end.
    let rest = lines.pop().unwrap_or_default();
    if !rest.is_empty() {
        lines.push(rest + "\\");
    }
    // The last line ends, too.
    lines.push(String::new());
    lines.join("\n")
}

/// A line that no editor shortens and that is no mark of the format.
fn line_without_traps(line: &str) -> String {
    match line.strip_suffix([' ', '\t']) {
        Some(shorter) => format!("{shorter}\\x{:02x}", line.as_bytes()[shorter.len()]),
        None if [STDERR, VERDICT].contains(&line) => format!("\\x2d{}", &line[1..]),
        None => line.to_owned(),
    }
}

/// The bytes that `lines` stand for.
fn unescape(lines: &[&str]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for line in lines {
        let mut rest = *line;
        let mut ends = true;
        while let Some((before, after)) = rest.split_once('\\') {
            bytes.extend(before.as_bytes());
            if let Some(after) = after.strip_prefix('\\') {
                bytes.push(b'\\');
                rest = after;
            } else if let Some(digits) = after.strip_prefix('x').and_then(|it| it.get(..2)) {
                bytes.push(u8::from_str_radix(digits, 16).map_err(|_| "`\\x` without a byte")?);
                rest = &after[3..];
            } else if after.is_empty() {
                ends = false;
                rest = after;
            } else {
                return Err("a `\\` is not `\\\\`, `\\xNN` or the end of a line".to_owned());
            }
        }
        bytes.extend(rest.as_bytes());
        bytes.extend(ends.then_some(b'\n'));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_answer_is_read_again_as_it_was_written() {
        let case = Case {
            query: "hugepages/meminfo".to_owned(),
            name: "odd".to_owned(),
            recorded: Some("a machine, 2026-11-26".to_owned()),
            host: Some("cuda".to_owned()),
            facts: vec!["hugepages.count = 2048".to_owned()],
            status: 7,
            stdout: Vec::new(),
            stderr: Vec::new(),
            verdict: "fail       hugepages/pool".to_owned(),
        };
        let answers: &[&[u8]] = &[
            b"",
            b"\n",
            b"\n\n",
            b"no line end",
            b"exit: 0\n== a\n-- verdict\n-- stderr\n--- 10.0.0.2 ping\n",
            b"blank \t\nsplit\\n \\\n\\",
            b"\xff\xfe\x00\x1b[2J\xc2\x85 \xe2\x82",
            "µs ✓\r\n".as_bytes(),
        ];
        for stdout in answers {
            for stderr in answers {
                let case = Case {
                    stdout: stdout.to_vec(),
                    stderr: stderr.to_vec(),
                    ..case.clone()
                };
                let cases = vec![case.clone(), case];
                let page = render(&cases);
                assert_eq!(parse(&page).as_ref(), Ok(&cases), "{page}");
                assert!(!page.lines().any(|line| line.ends_with([' ', '\t'])));
            }
        }
    }

    #[test]
    fn a_page_that_is_wrong_says_where() {
        let told: Vec<String> = [
            "HugePages_Total: 1\n",
            "== a/b: c\nHugePages_Total: 1\n",
            "== a/b: c\n",
            "== a/b: c\nexit: one\n",
            "== a/b: c\nexit: 0\nanswer\n",
            "== a/b: c\nexit: 0\nan\\swer\n-- verdict\n",
            "== a/b: c\nexit: 0\nan\\xer\n-- verdict\n",
        ]
        .iter()
        .map(|page| parse(page).unwrap_err())
        .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
    line 1: a case begins with `== query: name`: HugePages_Total: 1
    line 1: its head has an unknown `HugePages_Total`: == a/b: c
    line 1: its head has no `exit: status`: == a/b: c
    line 1: its exit status is no number: == a/b: c
    line 1: has no verdict: == a/b: c
    line 1: a `\` is not `\\`, `\xNN` or the end of a line: == a/b: c
    line 1: `\x` without a byte: == a/b: c
    ");
    }
}
