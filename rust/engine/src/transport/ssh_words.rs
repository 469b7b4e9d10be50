//! What ssh and sudo say when something does not work, read once and in one place.

use super::TransportError;

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

/// Turns ssh's standard error after a failed connect into an error with a hint. ssh has one exit code
/// for everything (255), so its words are all there is.
pub(super) fn refused_connection(address: &str, words: &str) -> TransportError {
    let address = address.to_owned();
    let cause = last_words(words);
    if words.contains("REMOTE HOST IDENTIFICATION HAS CHANGED")
        || words.contains("no matching host key type found")
        || words.contains("Host key verification failed") && !words.contains("host key is known")
    {
        return TransportError::HostKey { address, cause };
    }
    let hint = if words.contains("host key is known") {
        "this machine does not know the host's key: run `deployctl adopt` to pin it"
    } else if words.contains("Permission denied") {
        "no key of yours opens this account: check `connection.user`, the agent (`ssh-add -l`) and IdentityFile"
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
    } else if words.contains("Bad configuration option")
        || words.contains("Bad owner or permissions")
    {
        "ssh does not accept a configuration file of this machine"
    } else if words.contains("Connection closed") || words.contains("Connection reset") {
        "sshd closed the door before asking for a key: is it starting, or limited by MaxStartups?"
    } else {
        return TransportError::Connect {
            address,
            cause,
            hint: None,
        };
    };
    TransportError::Connect {
        address,
        cause,
        hint: Some(hint.to_owned()),
    }
}

/// The last line that says something; the lines before it are banners and warnings.
fn last_words(words: &str) -> String {
    let line = words
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && !line.starts_with("Warning: Permanently added"))
        .unwrap_or("ssh said nothing");
    let line = line.strip_prefix("ssh: ").unwrap_or(line);
    printable(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn sshs_words_become_a_place_a_cause_and_a_hint() {
        let cases = [
            "ssh: connect to host 10.0.0.9 port 22: No route to host\r\n",
            "ssh: connect to host 10.0.0.9 port 22: Connection timed out\r\n",
            "ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n",
            "ssh: Could not resolve hostname nowhere.invalid: Name or service not known\r\n",
            "op@10.0.0.1: Permission denied (publickey).\r\n",
            "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\r\n",
            "No ED25519 host key is known for cuda and you have requested strict checking.\r\nHost key verification failed.\r\n",
            "@@@@@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@@@@@@@@\r\nHost key verification failed.\r\n",
            "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa\r\n",
            "/tmp/x/config: line 3: Bad configuration option: nonsense\r\n",
            "kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 10.0.0.1 port 22\r\n",
            "",
        ];
        let mut shown = String::new();
        for words in cases {
            let error = refused_connection("op@cuda:22", words);
            let cause = match &error {
                TransportError::HostKey { cause, .. } => format!("  cause: {cause}\n"),
                _ => String::new(),
            };
            let hint = error.hint().unwrap_or_default();
            let _ = write!(shown, "{error}\n{cause}  hint: {hint}\n");
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
