//! The shell script that asks all queries of a round.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Marker, Query};

const OPENING: &str = r#"# Commands travel as data, single-quoted on purpose.
# shellcheck disable=SC2016
deployctl_round() {
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/wrappers/bin:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin
LC_ALL=C TERM=dumb SYSTEMD_COLORS=0 SYSTEMD_PAGER=cat
export PATH LC_ALL TERM SYSTEMD_COLORS SYSTEMD_PAGER
unset CDPATH ENV BASH_ENV POSIXLY_CORRECT LANGUAGE
d=$(mktemp -d /run/deployctl.XXXXXX 2>/dev/null || mktemp -d) || exit 71
trap 'rm -rf -- "$d"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM
mkdir "$d/w" || exit 71
"#;

/// `guard SECONDS {N BLOCKS}…` runs queries at the same time, each output file at most as many blocks of 512 bytes. After so
/// many seconds those that have not answered are ended, with all that they started.
///
/// Queries with the same deadline share one `timeout`: it costs more than most of them. It waits for the shell alone, and that one
/// for nothing but its queries: where a process hangs that no signal ends, the round goes on without it. A query may
/// write files whose names begin with `$own.`.
const GUARD: &str = r#"answers='
d=$1
shift
while [ "$#" -gt 0 ]; do
  (
    own=$d/$1
    (
      ulimit -f "$2"
      shift "$#"
      . "$own.sh"
    ) </dev/null >"$d/w/$1.out" 2>"$d/w/$1.err"
    echo "$?" >"$own.rc"
  ) &
  shift 2
done
wait'
guard() {
  seconds=$1
  shift
  if command -v timeout >/dev/null 2>&1; then
    timeout -k 1 "$seconds" sh -c "$answers" sh "$d" "$@"
    return
  fi
  # macOS has none. Its shell, bash, makes a group of processes without a terminal, too.
  set -m
  sh -c "$answers" sh "$d" "$@" &
  child=$!
  set +m
  (
    trap 'kill "$nap"; exit 0' TERM
    sleep "$seconds" &
    nap=$!
    wait "$nap"
    kill -9 "-$child" || kill -9 "$child"
  ) >/dev/null 2>&1 &
  watch=$!
  wait "$child"
  kill "$watch"
}
"#;

/// Wraps `queries` into one POSIX script for `/bin/sh -s`.
///
/// It prints `marker`, an index of lengths, and the bytes themselves; [`super::parse`] reads that. Queries
/// with a deadline run at the same time, those with the same one by one `timeout`, then the others one after the other. Nothing is left
/// behind but what a query itself leaves.
pub fn script(marker: &Marker, queries: &[Query]) -> String {
    let mut text = String::from(OPENING);
    let (inline, guarded): (Vec<_>, Vec<_>) = queries
        .iter()
        .enumerate()
        .partition(|(_, query)| query.deadline.is_zero());
    if !guarded.is_empty() {
        text.push_str(GUARD);
        text.push_str(&together(&guarded));
    }
    for (n, query) in inline {
        let _ = writeln!(
            text,
            // The braces suppress the shell's message about one that was cut at its cap. The colon is
            // for dash 0.5: it drops the redirections of a subshell that is alone in redirected braces.
            "{{ :; (\nulimit -f {}\n{}\n) >\"$d/w/{n}.out\" 2>\"$d/w/{n}.err\"; }} 2>/dev/null\necho \"$?\" >\"$d/{n}.rc\"",
            blocks(query),
            query.command,
        );
    }
    text.push_str(&closing(marker, queries));
    text
}

/// Starts all queries with a deadline, and waits until each has answered or is ended.
fn together(guarded: &[(usize, &Query)]) -> String {
    let mut text = String::new();
    let mut groups: BTreeMap<u64, String> = BTreeMap::new();
    for (n, query) in guarded {
        // Through a file: an argument may hold 128 KiB at most.
        let _ = writeln!(
            text,
            "printf '%s\\n' {} >\"$d/{n}.sh\"",
            quote(&query.command)
        );
        let group = groups.entry(query.deadline.as_secs().max(1)).or_default();
        let _ = write!(group, " {n} {}", blocks(query));
    }
    text.push_str("{\n");
    for (seconds, group) in groups {
        let _ = writeln!(text, "guard {seconds}{group} &");
    }
    text.push_str("wait\n} </dev/null >/dev/null 2>/dev/null\n");
    text
}

/// Copies the outputs first: a process that outlived its deadline may still write, and what is
/// counted must be what is sent.
fn closing(marker: &Marker, queries: &[Query]) -> String {
    let marker = marker.as_str();
    let mut text = String::from("cp -R \"$d/w\" \"$d/r\" || exit 71\ncd \"$d/r\" || exit 71\n");
    let _ = writeln!(
        text,
        "printf '\\n%s begin %s\\n' {marker} {}",
        queries.len()
    );
    let mut files = String::new();
    for (n, query) in queries.iter().enumerate() {
        let _ = writeln!(
            text,
            "status=late; [ -e ../{n}.rc ] && read -r status <../{n}.rc; echo \"$status {} {}\"",
            blocks(query) * 512,
            query.id,
        );
        let _ = write!(files, " {n}.out {n}.err");
    }
    if !queries.is_empty() {
        let _ = writeln!(text, "wc -c{files}\necho {marker} body\ncat{files}");
    }
    let _ = writeln!(
        text,
        "echo {marker} end\ncd /\n}}\ndeployctl_round </dev/null"
    );
    text
}

fn blocks(query: &Query) -> usize {
    query.cap.div_ceil(512).max(1)
}

/// `text` as one word of POSIX sh, in single quotes. Every byte but NUL survives; NUL cannot be in a word
/// and is left out.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', r"'\''"))
}

/// `text` bare when a shell would read it as the same single word, else [`quote()`]-quoted; for scripts
/// that people read.
pub fn word(text: &str) -> String {
    let plain = !text.is_empty()
        && !text.starts_with('=')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/._-@+:%=,".contains(&b));
    if plain { text.to_owned() } else { quote(text) }
}
