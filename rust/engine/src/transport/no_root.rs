//! Why a login did not become root: the markers decide, sudo's words only select a hint.

use super::TransportError;
use super::handover::Refusal;
use super::pump::Transcript;
use super::ssh_words::printable;

/// Determines why a script never ran. `password`: there was one to hand over.
pub(super) fn why(
    address: &str,
    user: &str,
    password: bool,
    status: Option<i32>,
    heard: &Transcript,
) -> TransportError {
    if !heard.shell {
        return no_shell(address, status, heard);
    }
    let words = printable(&heard.stderr);
    let (cause, hint) = match heard.handover.refusal() {
        Some(refusal) => refused(refusal, user, heard, &words),
        None if matches!(status, Some(126 | 127)) => (
            or_status(words, status),
            Some("install sudo there, or set `connection.user` to `root`".to_owned()),
        ),
        None => {
            let hint = stated(&words, user).or_else(|| (!password).then(|| wanted(&words)));
            (or_status(words, status), hint)
        }
    };
    TransportError::Privilege {
        address: address.to_owned(),
        cause,
        hint,
    }
}

/// The causes with a password.
fn refused(
    refusal: Refusal,
    user: &str,
    heard: &Transcript,
    words: &str,
) -> (String, Option<String>) {
    // Not every sudo expands `%p`.
    let named = |account: &&str| !account.is_empty() && !account.contains('%');
    let other = heard.prompted.as_deref().filter(named);
    if let Some(other) = other.filter(|account| *account != user && refusal != Refusal::Earlier) {
        return (
            quoting(
                &format!(
                    "sudo wants the password of `{other}`, and did not take the one that was passed"
                ),
                words,
            ),
            Some(format!(
                "`rootpw`, `targetpw` or `runaspw` in the host's sudoers says so: pass the password of `{other}`, or take that out"
            )),
        );
    }
    let once = "it was tried once, and is not tried again in this run";
    match refusal {
        Refusal::AskedAgain => (
            quoting("sudo did not take the password that was passed", words),
            Some(format!(
                "is it the password of `{user}` on this host? {once}"
            )),
        ),
        Refusal::Silence | Refusal::Late => (
            quoting("no shell came after the password that was passed", words),
            Some(format!("is it the right one? {once}")),
        ),
        Refusal::Ended => {
            let hint = stated(words, user).unwrap_or_else(|| {
                format!("is it the right one, and may `{user}` run `/bin/sh` by sudo? {once}")
            });
            (
                quoting("sudo ended after the password that was passed", words),
                Some(hint),
            )
        }
        Refusal::Earlier => (
            "the password that was passed was refused a moment ago".to_owned(),
            Some("it is not tried again in this run, so that no account is locked".to_owned()),
        ),
    }
}

/// A cause that sudo itself stated. It was asked for English; in another language there is no hint.
fn stated(words: &str, user: &str) -> Option<String> {
    let words = words.to_ascii_lowercase();
    if words.contains("must have a tty") || words.contains("requiretty") {
        return Some(format!(
            "`Defaults requiretty` in the host's sudoers wants a terminal: add `Defaults:{user} !requiretty` there"
        ));
    }
    let no_right = ["not in the sudoers", "not allowed", "may not run"];
    no_right.iter().any(|said| words.contains(said)).then(|| {
        "give this user the right to run `/bin/sh` by sudo, or set `connection.user` to one who may"
            .to_owned()
    })
}

/// The causes without a password.
fn wanted(words: &str) -> String {
    let words = words.to_ascii_lowercase();
    let pass = "pass `--ask-sudo-password`, or allow this user sudo without a password";
    if words.contains("password") || words.contains("authenticat") {
        pass.to_owned()
    } else {
        format!("if it wants a password: {pass}")
    }
}

fn quoting(fact: &str, words: &str) -> String {
    if words.is_empty() {
        fact.to_owned()
    } else {
        format!("{fact}: {words}")
    }
}

fn or_status(words: String, status: Option<i32>) -> String {
    match status {
        _ if !words.is_empty() => words,
        Some(status) => format!("sudo exited with {status}"),
        None => "sudo ended without a word".to_owned(),
    }
}

/// The login shell never ran the command.
fn no_shell(address: &str, status: Option<i32>, heard: &Transcript) -> TransportError {
    let said: Vec<String> = [&heard.stderr, &heard.before]
        .into_iter()
        .map(|bytes| printable(bytes))
        .filter(|words| !words.is_empty())
        .collect();
    let ended = match status {
        Some(status) => format!("what runs at login ended with {status}"),
        None => "what runs at login was ended".to_owned(),
    };
    TransportError::NoShell {
        address: address.to_owned(),
        cause: quoting(&ended, &said.join("; ")),
        hint: Some(
            "the account must be allowed to run `sh`: look at its login shell, at `command=` in authorized_keys and at sshd's ForceCommand"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::handover::Handover;
    use super::*;

    fn heard(stderr: &[u8]) -> Transcript {
        Transcript {
            shell: true,
            stderr: stderr.to_vec(),
            ..Transcript::default()
        }
    }

    fn told(shown: &mut String, password: bool, status: i32, heard: &Transcript) {
        let error = why("op@cuda:22", "op", password, Some(status), heard);
        let hint = error.hint().unwrap_or_else(|| "(none)".to_owned());
        let _ = write!(shown, "{error}\n  hint: {hint}\n");
    }

    #[test]
    fn without_a_password() {
        let mut shown = String::new();
        for (status, words) in [
            (1, "sudo: a password is required\n"),
            (1, "sudo: interactive authentication is required\n"),
            (1, "doas: Authentication required\n"),
            (1, "op is not in the sudoers file.\n"),
            (1, "sudo: sorry, you must have a tty to run sudo\n"),
            (1, "sudo: ein Passwort ist notwendig\n"),
            (
                1,
                "sudo: account validation failure, is your account locked?\n",
            ),
            (127, "env: 'sudo': No such file or directory\n"),
            (1, ""),
        ] {
            told(&mut shown, false, status, &heard(words.as_bytes()));
        }
        insta::assert_snapshot!(shown, @"
        `op@cuda:22`: cannot become root: sudo: a password is required
          hint: pass `--ask-sudo-password`, or allow this user sudo without a password
        `op@cuda:22`: cannot become root: sudo: interactive authentication is required
          hint: pass `--ask-sudo-password`, or allow this user sudo without a password
        `op@cuda:22`: cannot become root: doas: Authentication required
          hint: pass `--ask-sudo-password`, or allow this user sudo without a password
        `op@cuda:22`: cannot become root: op is not in the sudoers file.
          hint: give this user the right to run `/bin/sh` by sudo, or set `connection.user` to one who may
        `op@cuda:22`: cannot become root: sudo: sorry, you must have a tty to run sudo
          hint: `Defaults requiretty` in the host's sudoers wants a terminal: add `Defaults:op !requiretty` there
        `op@cuda:22`: cannot become root: sudo: ein Passwort ist notwendig
          hint: if it wants a password: pass `--ask-sudo-password`, or allow this user sudo without a password
        `op@cuda:22`: cannot become root: sudo: account validation failure, is your account locked?
          hint: if it wants a password: pass `--ask-sudo-password`, or allow this user sudo without a password
        `op@cuda:22`: cannot become root: env: 'sudo': No such file or directory
          hint: install sudo there, or set `connection.user` to `root`
        `op@cuda:22`: cannot become root: sudo exited with 1
          hint: if it wants a password: pass `--ask-sudo-password`, or allow this user sudo without a password
        ");
    }

    #[test]
    fn with_a_password() {
        let mut shown = String::new();
        for (refusal, account, words) in [
            (Refusal::AskedAgain, Some("op"), "Sorry, try again.\n"),
            (Refusal::AskedAgain, Some("root"), "You fool.\n"),
            (Refusal::AskedAgain, Some("%p"), ""),
            (Refusal::Silence, None, "[sudo: authenticate] Password: "),
            (
                Refusal::Ended,
                Some("op"),
                "sudo: 1 incorrect password attempt\n",
            ),
            (
                Refusal::Ended,
                Some("op"),
                "op is not in the sudoers file.\n",
            ),
            (Refusal::Earlier, Some("op"), ""),
        ] {
            let heard = Transcript {
                prompted: account.map(str::to_owned),
                handover: Handover::Refused(refusal),
                ..heard(words.as_bytes())
            };
            told(&mut shown, true, 1, &heard);
        }
        let tty = heard(b"sudo: sorry, you must have a tty to run sudo\n");
        told(&mut shown, true, 1, &tty);
        let other = heard(b"sudo: unable to resolve host cuda\n");
        told(&mut shown, true, 1, &other);
        insta::assert_snapshot!(shown, @"
        `op@cuda:22`: cannot become root: sudo did not take the password that was passed: Sorry, try again.
          hint: is it the password of `op` on this host? it was tried once, and is not tried again in this run
        `op@cuda:22`: cannot become root: sudo wants the password of `root`, and did not take the one that was passed: You fool.
          hint: `rootpw`, `targetpw` or `runaspw` in the host's sudoers says so: pass the password of `root`, or take that out
        `op@cuda:22`: cannot become root: sudo did not take the password that was passed
          hint: is it the password of `op` on this host? it was tried once, and is not tried again in this run
        `op@cuda:22`: cannot become root: no shell came after the password that was passed: [sudo: authenticate] Password:
          hint: is it the right one? it was tried once, and is not tried again in this run
        `op@cuda:22`: cannot become root: sudo ended after the password that was passed: sudo: 1 incorrect password attempt
          hint: is it the right one, and may `op` run `/bin/sh` by sudo? it was tried once, and is not tried again in this run
        `op@cuda:22`: cannot become root: sudo ended after the password that was passed: op is not in the sudoers file.
          hint: give this user the right to run `/bin/sh` by sudo, or set `connection.user` to one who may
        `op@cuda:22`: cannot become root: the password that was passed was refused a moment ago
          hint: it is not tried again in this run, so that no account is locked
        `op@cuda:22`: cannot become root: sudo: sorry, you must have a tty to run sudo
          hint: `Defaults requiretty` in the host's sudoers wants a terminal: add `Defaults:op !requiretty` there
        `op@cuda:22`: cannot become root: sudo: unable to resolve host cuda
          hint: (none)
        ");
    }

    #[test]
    fn no_shell_at_all() {
        let mut shown = String::new();
        for (before, stderr, status) in [
            ("This account is currently not available.\n", "", 1),
            ("not available\n", "", 0),
            ("", "sh: 1: Syntax error: Unterminated quoted string\n", 2),
            ("", "", 0),
        ] {
            let heard = Transcript {
                before: before.into(),
                stderr: stderr.into(),
                ..Transcript::default()
            };
            told(&mut shown, false, status, &heard);
        }
        insta::assert_snapshot!(shown, @"
        `op@cuda:22` gives no shell: what runs at login ended with 1: This account is currently not available.
          hint: the account must be allowed to run `sh`: look at its login shell, at `command=` in authorized_keys and at sshd's ForceCommand
        `op@cuda:22` gives no shell: what runs at login ended with 0: not available
          hint: the account must be allowed to run `sh`: look at its login shell, at `command=` in authorized_keys and at sshd's ForceCommand
        `op@cuda:22` gives no shell: what runs at login ended with 2: sh: 1: Syntax error: Unterminated quoted string
          hint: the account must be allowed to run `sh`: look at its login shell, at `command=` in authorized_keys and at sshd's ForceCommand
        `op@cuda:22` gives no shell: what runs at login ended with 0
          hint: the account must be allowed to run `sh`: look at its login shell, at `command=` in authorized_keys and at sshd's ForceCommand
        ");
    }
}
