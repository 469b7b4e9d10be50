//! The shell script that asks all queries of a round.

use std::fmt::Write as _;

use super::{Marker, Query};

/// Seconds that the slowest query gets beyond its deadline before the round goes on without it:
/// `timeout` sends KILL after one second, and a process stuck in the kernel ignores even that.
const GRACE_SECONDS: u64 = 3;

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

/// Runs query $1 for at most $2 seconds, each output file at most $3 blocks of 512 bytes, and says so.
const GUARD: &str = r#"guard() {
  (
    ulimit -f "$3"
    if command -v timeout >/dev/null 2>&1; then
      exec timeout -k 1 "$2" sh "$d/$1.sh"
    fi
    sh "$d/$1.sh" &
    child=$!
    (
      trap 'kill "$nap"; exit 0' TERM
      sleep "$2" &
      nap=$!
      wait "$nap"
      kill -9 "$child"
    ) >/dev/null 2>&1 &
    watch=$!
    wait "$child"
    status=$?
    kill "$watch" 2>/dev/null
    exit "$status"
  ) </dev/null >"$d/w/$1.out" 2>"$d/w/$1.err"
  status=$?
  # 124 and 137: ended at its deadline, by TERM or by KILL.
  case $status in 124 | 137) status=late ;; esac
  echo "$status" >"$d/$1.rc"
  echo answered
}
"#;

/// Wraps `queries` into one POSIX script for `/bin/sh -s`.
///
/// It prints `marker`, an index of lengths, and the bytes themselves; [`super::parse`] reads that. Queries
/// with a deadline run at the same time, then the others one after the other. Nothing is left
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

/// Starts all guards and waits until each has answered or the slowest is overdue. The pipe, not
/// `wait`, tells: a process that no signal ends would be waited for as long as it hangs.
fn together(guarded: &[(usize, &Query)]) -> String {
    let mut text = String::from("{\n");
    let mut slowest = 1;
    for (n, query) in guarded {
        let seconds = query.deadline.as_secs().max(1);
        slowest = slowest.max(seconds);
        // Through a file: an argument may hold 128 KiB at most.
        let _ = writeln!(
            text,
            "printf '%s\\n' {} >\"$d/{n}.sh\"\nguard {n} {seconds} {} &",
            quote(&query.command),
            blocks(query),
        );
    }
    let _ = write!(
        text,
        r#"(
  trap 'kill "$rest"; exit 0' TERM
  sleep {} &
  rest=$!
  wait "$rest"
  echo overdue
) &
echo "watch $!"
}} 2>/dev/null | {{
  left={} watch=
  while [ "$left" -gt 0 ] || [ -z "$watch" ]; do
    read -r word pid || break
    case $word in
      answered) left=$((left - 1)) ;;
      watch) watch=$pid ;;
      overdue) break ;;
    esac
  done
  [ -z "$watch" ] || kill "$watch" 2>/dev/null
}}
"#,
        slowest + GRACE_SECONDS,
        guarded.len(),
    );
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
