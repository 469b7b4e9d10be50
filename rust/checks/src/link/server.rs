//! iperf3's server on the other end, for as long as one check takes.
//!
//! It serves one client and ends. A guard beside it, which is the process that `$started` names, ends
//! it at its own deadline, in case the controller is gone. macOS has no `timeout`, so it counts.

use std::time::Duration;

use deployctl_core::query::{Query, quote};

use super::Server;
use super::end::{End, Line};
use crate::Check;

/// The word of a client that has no iperf3.
pub(super) const ABSENT_HERE: &str = "absent-here";
/// The word of a server's host without iperf3.
pub(super) const ABSENT: &str = "absent";
/// Something else has the port.
pub(super) const TAKEN: &str = "taken";
/// It was started and does not listen.
pub(super) const SILENT: &str = "silent";
/// All words that can replace a process id, as a pattern of the shell.
pub(super) const WORDS: &str = "absent | taken | silent";

/// Bytes that iperf3 may write to a file, which a query's cap also limits: it keeps a block of each stream's
/// data in a file without a name, and is killed if that cannot grow.
pub(super) const FILE: usize = 1024 * 1024;

/// Seconds that a server outlives the deadline of its check.
const BEYOND: u64 = 5;

/// Further folders that may have iperf3: a line of a script.
pub(super) fn path(end: &End<'_>) -> &'static str {
    if end.is_mac() {
        "PATH=$PATH:/opt/homebrew/bin:/opt/local/bin\n"
    } else {
        ""
    }
}

/// The server that `check` measures against, on `listener`.
pub(super) fn server(line: &Line<'_>, listener: &End<'_>, check: &Check) -> Server {
    let port = line.link.measure.port.number();
    let seconds = check.query.deadline.as_secs() + BEYOND;
    let start = format!(
        "{path}command -v iperf3 >/dev/null || {{ echo {ABSENT}; exit 0; }}\n{functions}{START}",
        path = path(listener),
        functions = functions(listener, port),
    );
    let start = start
        .replace("@address@", &quote(&listener.address.to_string()))
        .replace("@port@", &port.to_string())
        .replace("@seconds@", &seconds.to_string())
        // Its own session, so that a closing terminal does not end it.
        .replace(
            "@apart@",
            if listener.is_mac() { "nohup" } else { "setsid" },
        );
    Server {
        start: Query::new(format!("{}/start", check.id), start)
            .with_deadline(Duration::from_secs(15))
            .with_cap(FILE),
        stop: Query::new(format!("{}/stop", check.id), STOP).with_deadline(Duration::from_secs(15)),
    }
}

/// `listening WHERE…`: whether a process listens on one of these.
fn functions(listener: &End<'_>, port: u16) -> String {
    let own = listener.socket(port);
    let (list, own, any) = if listener.is_mac() {
        (
            "netstat -an -p tcp | awk '$NF == \"LISTEN\" { print $4 }'",
            format!("{}.{port}", listener.address),
            format!("'*.{port}'"),
        )
    } else {
        (
            "ss -H -l -t -n | awk '{ print $4 }'",
            own,
            format!("'*:{port}' '0.0.0.0:{port}' '[::]:{port}'"),
        )
    };
    format!(
        "listening() {{\n  found=$({list})\n  for where in \"$@\"; do\n    printf '%s\\n' \"$found\" | grep -qxF -e \"$where\" && return 0\n  done\n  return 1\n}}\nown={}\n\
         listening \"$own\" {any} && {{ echo {TAKEN}; exit 0; }}\n",
        quote(&own)
    )
}

/// The guard gets the signal of [`STOP`], or counts to the end; either way the server goes first.
const START: &str = r#"# shellcheck disable=SC2016
@apart@ sh -c '
  iperf3 -s -1 -B "$1" -p "$2" &
  server=$!
  finish() {
    kill -9 "$server" "$nap"
    wait "$server"
    exit 0
  }
  nap=
  trap finish INT TERM
  left=$3
  while [ "$left" -gt 0 ] && kill -0 "$server"; do
    sleep 1 &
    nap=$!
    wait "$nap"
    left=$((left - 1))
  done
  finish
' deployctl-iperf3 @address@ @port@ @seconds@ </dev/null >/dev/null 2>&1 &
guard=$!
tries=0
until listening "$own"; do
  tries=$((tries + 1))
  if [ "$tries" -gt 50 ] || ! kill -0 "$guard" 2>/dev/null; then
    kill "$guard" 2>/dev/null
    echo silent
    exit 0
  fi
  sleep 0.1
done
echo "$guard"
"#;

/// A number that meanwhile is another process's is left alone.
const STOP: &str = r#"case ${started:-} in '' | *[!0-9]*) exit 0 ;; esac
ours() {
  case $(ps -ww -o args= -p "$started" 2>/dev/null) in *deployctl-iperf3*) return 0 ;; esac
  return 1
}
ours && kill "$started"
tries=0
while ours; do
  tries=$((tries + 1))
  if [ "$tries" -gt 80 ]; then
    echo "the server's guard, process $started, does not end" >&2
    exit 1
  fi
  sleep 0.1
done
"#;
