//! The input of a shell, and the markers with which a host reports each step to a root shell: they say when to write it.

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::files::Files;
use super::secret::{Become, Password};

/// The input.
pub(super) struct Input<'a> {
    /// The markers that the shell prints.
    pub(super) markers: &'a Markers,
    /// The password, written when it is asked for. If there is one, `body` waits for the ready line.
    pub(super) password: Option<&'a Password>,
    /// What follows.
    pub(super) body: Body<'a>,
}

/// What a shell reads.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    /// A script or an archive.
    Bytes(&'a [u8]),
    /// Files of this machine.
    Files(&'a Files),
}

impl Body<'_> {
    /// Writes it. A shell that stops reading is no error here.
    pub(super) async fn write_to(self, stdin: &mut (impl AsyncWrite + Unpin)) {
        match self {
            Self::Bytes(bytes) => {
                let _ = stdin.write_all(bytes).await;
            }
            Self::Files(files) => files.write_to(stdin).await,
        }
    }
}

/// Signals from the readers to the writer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The shell is about to ask for the password.
    Asks,
    /// sudo asks for the password, in our words.
    Prompts,
    /// The shell runs as root.
    Ready,
}

/// The markers of one connection. They are random, so the output of a login script cannot contain
/// one.
#[derive(Debug, Clone)]
pub(super) struct Markers {
    /// The login shell runs the command.
    pub(super) shell: String,
    /// sudo waits for a password on standard input.
    pub(super) asks: String,
    /// What follows is output of the script, which runs as root.
    pub(super) ready: String,
    /// Begins sudo's prompt, if sudo accepts one; the account whose password it wants and a colon
    /// follow.
    pub(super) prompt: String,
}

impl Markers {
    /// `nonce` consists of letters and digits.
    pub(super) fn new(nonce: &str) -> Self {
        Self {
            shell: format!("deployctl-shell-{nonce}\n"),
            asks: format!("deployctl-asks-{nonce}\n"),
            ready: format!("deployctl-ready-{nonce}\n"),
            prompt: format!("deployctl-password-{nonce}-"),
        }
    }

    /// The remote command line that runs `then` as root, after the ready marker. `prompted`: sudo
    /// there accepts a prompt, so its need for a password is not tested first.
    ///
    /// Every login shell parses this: one command, its words in single quotes, no `!` (csh).
    pub(super) fn command(&self, becoming: &Become, prompted: bool, then: &str) -> String {
        let ready = self.ready.trim_end();
        let shell = self.shell.trim_end();
        let before = match becoming {
            Become::Root => return format!("/bin/sh -c 'echo {ready}; {then}'"),
            Become::Sudo => format!("exec {SUDO} -n {SHELL}"),
            Become::SudoPassword(_) if prompted => self.asking(""),
            // A password that sudo does not ask for would become the script's input, and be recorded
            // in sudo's log. With `-k`, sudo asks even if it has a fresh ticket.
            Become::SudoPassword(_) => format!(
                "{SUDO} -n -- /bin/sh -c : </dev/null 2>/dev/null; case $? in 0|126|127) exec {SUDO} -n {SHELL};; esac; echo {}; {}",
                self.asks.trim_end(),
                self.asking("-k ")
            ),
        };
        format!("sh -c 'echo {shell}; {before}' sh 'echo {ready}; {then}'")
    }

    fn asking(&self, options: &str) -> String {
        format!("exec {SUDO} -S {options}-p {}%p: {SHELL}", self.prompt)
    }
}

/// In English, so that quoted messages can be searched for.
const SUDO: &str = "env LC_ALL=C sudo";

/// The words of the root side are the second argument.
const SHELL: &str = r#"-- /bin/sh -c "$1""#;
