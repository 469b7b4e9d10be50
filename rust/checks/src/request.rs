//! Requests by HTTP, which a host makes with curl.

use std::fmt::Write as _;
use std::time::Duration;

use deployctl_core::inventory::Platform;
use deployctl_core::query::{Query, quote};

/// What a script prints where the asking host has no key.
pub(crate) const NO_KEY: &str = "no-key";

/// Where hosts keep their secrets, one file each.
pub(crate) const SECRETS: &str = "/etc/deployctl/secrets";

/// Prints all lines behind the first, and nowhere what that one is.
const HIDE: &str = r#"NR == 1 { key = $0; next }
{
  rest = $0
  said = ""
  while (key != "" && (at = index(rest, key)) > 0) {
    said = said substr(rest, 1, at - 1) "(key)"
    rest = substr(rest, at + length(key))
  }
  print said rest
}"#;

/// One request.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// Where to.
    pub(crate) url: String,
    /// How long it may take, in seconds.
    pub(crate) seconds: u32,
    /// The address that it comes from.
    pub(crate) source: Option<String>,
    /// The Unix socket that it goes over.
    pub(crate) socket: Option<String>,
    /// The file whose first line it shows as bearer.
    pub(crate) key_file: Option<String>,
    /// Whether it is made without a key, too, where that file has none.
    pub(crate) asks_without_key: bool,
    /// What it posts, as JSON.
    pub(crate) post: Option<String>,
    /// Whether the body of the answer is left out.
    pub(crate) only_status: bool,
}

impl Request {
    /// The question to a host of `platform`; [`crate::reader::http`] reads its answer.
    pub(crate) fn query(&self, id: impl Into<String>, platform: Platform) -> Query {
        let curl = self.curl(platform);
        let command = match &self.key_file {
            Some(file) => self.with_key(file, &curl),
            None => curl,
        };
        Query::new(id, command).with_deadline(Duration::from_secs(u64::from(self.seconds) + 5))
    }

    /// curl without root's own settings, and not by a proxy, which would get to see the key.
    fn curl(&self, platform: Platform) -> String {
        let (program, seconds) = (program(platform), self.seconds);
        let mut command = format!("{program} -q -sS -m {seconds} --noproxy '*'");
        let mut add = |option: &str, value: &Option<String>| {
            if let Some(value) = value {
                let _ = write!(command, " {option} {}", quote(value));
            }
        };
        add("--interface", &self.source);
        add("--unix-socket", &self.socket);
        command.push_str(r" -w '\nstatus %{http_code} seconds %{time_total}\n'");
        if self.key_file.is_some() {
            command.push_str(" -K -");
        }
        if let Some(body) = &self.post {
            let body = quote(body);
            let _ = write!(
                command,
                " -H 'Content-Type: application/json' --data-raw {body}"
            );
        }
        if self.only_status {
            command.push_str(" -o /dev/null");
        }
        let _ = write!(command, " {} 2>&1", quote(&self.url));
        command
    }

    /// `curl` with the key of `file`, which goes to it on standard input, never in argv. A server that repeats what it
    /// was sent would bring it into reports: it is taken out of the answer.
    fn with_key(&self, file: &str, curl: &str) -> String {
        let program = curl.split(' ').next().unwrap_or_default();
        let or_say = if self.asks_without_key {
            String::new()
        } else {
            format!("[ -n \"$key\" ] || {{ echo {NO_KEY}; exit 0; }}\n")
        };
        format!(
            "f={}\nkey=\n[ -r \"$f\" ] && IFS= read -r key <\"$f\"\n{or_say}\
             command -v {program} >/dev/null || exit 127\n{{\n  printf '%s\\n' \"$key\"\n  \
             printf '%s\\n' \"$key\" |\n    \
             sed -e '/./!d' -e 's/[\\\"]/\\\\&/g' -e 's/.*/header = \"Authorization: Bearer &\"/' |\n    \
             {curl}\n}} | awk {}",
            quote(file),
            quote(HIDE)
        )
    }
}

/// Apple's own curl is let into the local network without a question on the screen.
fn program(platform: Platform) -> &'static str {
    match platform {
        Platform::Darwin => "/usr/bin/curl",
        Platform::Ubuntu | Platform::Nixos => "curl",
    }
}
