//! Reads the error messages of ssh and sudo.

use super::TransportError;
use super::ssh_config::SshRoute;
use super::ssh_files::{Jump, SshChain};

/// Host output for people: UTF-8, one line, no control sequences, at most 2000 characters.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(16 << 10)]);
    let mut line = String::new();
    let mut chars = text.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // An escape sequence ends with its first letter (CSI); the rest is then plain text.
            '\u{1b}' => {
                if chars.next_if_eq(&'[').is_some() {
                    while chars.next_if(|c| !('@'..='~').contains(c)).is_some() {}
                    chars.next();
                }
            }
            '\n' => line.push_str("; "),
            c if c.is_control() => {}
            c => line.push(c),
        }
    }
    line.chars().take(2000).collect()
}

/// Turns ssh's last messages into an error that names the host at which the connection failed. ssh has
/// one exit code for everything (255), so only its messages tell the cause.
pub(super) fn refused(chain: &SshChain, words: &str) -> TransportError {
    // ssh prints this for a connection through a jump host; the jump host's own ssh printed the cause.
    if words.contains("UNKNOWN port") {
        for (number, jump) in chain.jumps.iter().enumerate() {
            let log = std::fs::read(&jump.log).unwrap_or_default();
            let said = String::from_utf8_lossy(&log);
            if causes(&said).is_empty() {
                continue;
            }
            if said.contains("open failed") || said.contains("stdio forwarding failed") {
                let next = chain
                    .jumps
                    .get(number + 1)
                    .map_or(&chain.route, |next| &next.route);
                return beyond(&jump.route, next, &said);
            }
            return at(&jump.route, &chain.jumps[..number], &said);
        }
    }
    at(&chain.route, &chain.jumps, words)
}

/// A jump host was reached, but it cannot reach the next host.
fn beyond(jump: &SshRoute, next: &SshRoute, words: &str) -> TransportError {
    let hint = if words.contains("administratively prohibited") {
        format!(
            "sshd on `{}` forwards nothing there: see `AllowTcpForwarding` and `PermitOpen`",
            jump.host
        )
    } else {
        format!(
            "`{}` is reached by `{}`, as `connection.jump` says: is it on, and does sshd listen there?",
            next.host, jump.host
        )
    };
    TransportError::Connect {
        address: next.described(),
        cause: format!("`{}` cannot reach it: {}", jump.host, causes(words)),
        hint: Some(hint),
    }
}

/// The connection failed at the host of `route`, behind `jumps`.
fn at(route: &SshRoute, jumps: &[Jump], words: &str) -> TransportError {
    let address = route.described();
    if let Some(wrong) = wrong_here(words) {
        return TransportError::Local {
            action: wrong.to_owned(),
            source: std::io::Error::other(causes(words)),
        };
    }
    let changed = words.contains("REMOTE HOST IDENTIFICATION HAS CHANGED")
        || words.contains("no matching host key type found");
    if changed || words.contains("Host key verification failed") {
        if route.host_keys.is_empty() && !changed {
            let host = route.host.clone();
            return TransportError::Unadopted { address, host };
        }
        let cause = shown_key(words).unwrap_or_else(|| causes(words));
        return TransportError::HostKey { address, cause };
    }
    TransportError::Connect {
        cause: causes(words),
        hint: hint(route, jumps, words),
        address,
    }
}

/// An error on this computer, so no host is the cause.
fn wrong_here(words: &str) -> Option<&'static str> {
    let configuration = [
        "Bad configuration option",
        "Bad owner or permissions",
        "bad configuration options",
        "missing argument",
        "percent_",
        "invalid environment variable expansion",
        "keyword ",
    ];
    let sockets = [
        "unix_listener",
        "too long for Unix domain socket",
        "muxserver_listen",
    ];
    let said = |list: &[&str]| list.iter().any(|part| words.contains(part));
    if said(&configuration) {
        Some("use the ssh configuration of this computer")
    } else if said(&sockets) {
        Some("make a control socket for ssh on this computer")
    } else {
        None
    }
}

fn hint(route: &SshRoute, jumps: &[Jump], words: &str) -> Option<String> {
    let text = if words.contains("Permission denied") {
        return Some(no_key(route, jumps, words));
    } else if words.contains("Too many authentication failures") {
        "the agent offers too many keys: name one with IdentityFile and IdentitiesOnly in ~/.ssh/config"
    } else if words.contains("Could not resolve hostname") {
        "the name is not known here: check `connection.address`"
    } else if words.contains("Connection refused") {
        "the machine is up, but nothing listens there: check `connection.port` and sshd"
    } else if words.contains("timed out")
        || words.contains("No route to host")
        || words.contains("unreachable")
    {
        "is the machine on, and reachable from here?"
    } else if words.contains("Not allowed at this time") {
        "sshd there shuts this computer out for a while after failed logins (`PerSourcePenalties`): wait a minute"
    } else if words.contains("UNKNOWN port") {
        "the program that ssh's configuration names for the way there (ProxyCommand, ProxyJump) ended"
    } else if words.contains("Connection closed") || words.contains("Connection reset") {
        "sshd closed the door before asking for a key: is it starting, at its limit (`MaxStartups`), or shutting this computer out for a while after failed logins (`PerSourcePenalties`)?"
    } else {
        return None;
    };
    Some(text.to_owned())
}

/// The login was refused. In brackets, sshd lists the methods that it still offers.
fn no_key(route: &SshRoute, jumps: &[Jump], words: &str) -> String {
    let offers_password = words
        .rsplit_once("Permission denied (")
        .and_then(|(_, list)| list.split_once(')'))
        .is_some_and(|(list, _)| {
            list.contains("password") || list.contains("keyboard-interactive")
        });
    let none = "no key of yours opens this account: check `connection.user` (or log in as another by `--user`), the agent (`ssh-add -l`; a key with a passphrase counts only there) and IdentityFile";
    if !offers_password {
        return none.to_owned();
    }
    let hops: Vec<String> = jumps.iter().map(|jump| jump.route.described()).collect();
    let jump = match hops.as_slice() {
        [] => String::new(),
        hops => format!("-o ProxyJump={} ", hops.join(",")),
    };
    format!(
        "{none}; deployctl never logs in by password, but a key is laid there with it: `ssh-copy-id {jump}-p {} {}@{}`, and where sudo wants it as well, pass `--ask-sudo-password`",
        route.port, route.user, route.address
    )
}

/// The fingerprint of the key that a host offered instead of a pinned one.
fn shown_key(words: &str) -> Option<String> {
    let mut lines = words.lines().map(str::trim);
    let at = lines.find(|line| line.starts_with("The fingerprint for the "))?;
    let kind = at
        .strip_prefix("The fingerprint for the ")?
        .split(' ')
        .next()?;
    let print = lines.next()?.trim_end_matches('.');
    let printed = print.starts_with("SHA256:") && print.len() < 60;
    printed.then(|| format!("it showed the {kind} key {}", printable(print.as_bytes())))
}

/// The lines about the failure: without warnings and without a banner's frame.
fn causes(words: &str) -> String {
    let said: Vec<&str> = words
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['@', '*', '#']))
        .filter(|line| !line.starts_with("Warning: Permanently added"))
        .filter(|line| !line.contains("UNKNOWN port") && *line != "stdio forwarding failed")
        .map(|line| line.strip_prefix("ssh: ").unwrap_or(line))
        .collect();
    // The first lines may be a banner; the last ones hold the cause.
    let last = &said[said.len().saturating_sub(3)..];
    let text = printable(last.join("; ").as_bytes());
    if text.is_empty() && !words.trim().is_empty() {
        return printable(words.as_bytes());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::{Path, PathBuf};

    use deployctl_core::name::HostName;

    use super::*;

    fn route(name: &str, adopted: bool) -> SshRoute {
        SshRoute {
            host: HostName::new(name).unwrap(),
            address: format!("{name}.example"),
            port: 22,
            user: "op".to_owned(),
            jump: None,
            host_keys: adopted
                .then(|| "ssh-ed25519 AAAA".to_owned())
                .into_iter()
                .collect(),
        }
    }

    fn chain(jumps: Vec<Jump>, adopted: bool) -> SshChain {
        SshChain {
            route: route("cuda", adopted),
            config: PathBuf::from("/x/cuda.conf"),
            destination: "cuda.example".to_owned(),
            jumps,
            port: None,
        }
    }

    fn told(error: &TransportError) -> String {
        let source = std::error::Error::source(error)
            .map_or_else(String::new, |source| format!("\n  cause: {source}"));
        let hint = error.hint().unwrap_or_else(|| "(none)".to_owned());
        format!("{error}{source}\n  hint: {hint}\n")
    }

    #[test]
    fn sshs_words_become_a_place_a_cause_and_a_hint() {
        let cases = [
            "ssh: connect to host 10.0.0.9 port 22: No route to host\r\n",
            "ssh: connect to host 10.0.0.9 port 22: Connection timed out\r\n",
            "ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n",
            "ssh: Could not resolve hostname nowhere.invalid: Name or service not known\r\n",
            "op@10.0.0.1: Permission denied (publickey).\r\n",
            "op@10.0.0.1: Permission denied (publickey,password).\r\n",
            "op@10.0.0.1: Permission denied (publickey,keyboard-interactive).\r\n",
            "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\r\nDisconnected from 10.0.0.1 port 22\r\n",
            "No ED25519 host key is known for cuda and you have requested strict checking.\r\nHost key verification failed.\r\n",
            "@@@@@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@@@@@@@@\r\nIT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r\nThe fingerprint for the ED25519 key sent by the remote host is\nSHA256:jHLD7wnqGYhqYxJdDcCkrcpvtRA+kVvsPAyjlGEmy0M.\r\nPlease contact your system administrator.\r\nHost key verification failed.\r\n",
            "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa\r\n",
            "/tmp/x/config: line 3: Bad configuration option: nonsense\r\n/tmp/x/config: terminating, 1 bad configuration options\r\n",
            "Bad owner or permissions on /home/op/.ssh/config\r\n",
            "unix_listener: path \"/run/x\" too long for Unix domain socket\r\n",
            "kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 10.0.0.1 port 22\r\n",
            "Not allowed at this time\r\nConnection closed by 10.0.0.1 port 22\r\n",
            "Connection closed by UNKNOWN port 65535\r\n",
            "ssh ended without a word: exit status: 255",
        ];
        let mut shown = String::new();
        for words in cases {
            let adopted = !words.contains("is known for");
            shown.push_str(&told(&refused(&chain(Vec::new(), adopted), words)));
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_host_on_the_way_answers_for_itself() {
        let place = tempfile::tempdir().unwrap();
        let logs = [place.path().join("outer"), place.path().join("inner")];
        let jump = |name, log: &Path| Jump {
            route: route(name, name == "outer"),
            log: log.to_owned(),
        };
        let mut shown = String::new();
        for (outer, inner) in [
            (
                "REMOTE HOST IDENTIFICATION HAS CHANGED\nHost key verification failed.\n",
                "",
            ),
            (
                "",
                "No ED25519 host key is known for 10.0.0.2 and you have requested strict checking.\nHost key verification failed.\n",
            ),
            (
                "op@outer: Permission denied (publickey).\n",
                "Connection closed by UNKNOWN port 65535\n",
            ),
            (
                "",
                "channel 0: open failed: administratively prohibited: open failed\nstdio forwarding failed\n",
            ),
            (
                "channel 0: open failed: connect failed: No route to host\nstdio forwarding failed\n",
                "Connection closed by UNKNOWN port 65535\n",
            ),
            ("", "op@inner: Permission denied (publickey,password).\n"),
            (
                "ssh: connect to host 10.0.0.2 port 22: Connection refused\n",
                "",
            ),
            ("", ""),
        ] {
            std::fs::write(&logs[0], outer).unwrap();
            std::fs::write(&logs[1], inner).unwrap();
            let jumps = vec![jump("outer", &logs[0]), jump("inner", &logs[1])];
            let error = refused(
                &chain(jumps, true),
                "Connection closed by UNKNOWN port 65535\r\n",
            );
            let _ = write!(shown, "{}", told(&error));
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn control_sequences_of_a_host_do_not_reach_the_terminal() {
        assert_eq!(
            printable(b"\x1b[31mred\x1b[0m \x07bell\x1b]0;title\x07\r\nnext"),
            "red bell]0;title; next"
        );
    }
}
