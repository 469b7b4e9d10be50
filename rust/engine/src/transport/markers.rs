//! The words by which a host says how far it came on the way to a root shell, and the command line
//! that says them.

use super::becoming::Become;

/// The words of one connection. Nobody can guess them, so that nothing that a login script prints can
/// be taken for one.
#[derive(Debug, Clone)]
pub(super) struct Markers {
    /// The login shell runs what it is told.
    pub(super) shell: String,
    /// sudo wants a password; it waits for one on standard input.
    pub(super) asks: String,
    /// What is said from here on comes from the script, which runs as root.
    pub(super) ready: String,
    /// Begins sudo's question, where sudo takes it from us; then follow the account whose password is
    /// wanted and a colon.
    pub(super) prompt: String,
}

impl Markers {
    /// `nonce` is of letters and digits.
    pub(super) fn new(nonce: &str) -> Self {
        Self {
            shell: format!("deployctl-shell-{nonce}\n"),
            asks: format!("deployctl-asks-{nonce}\n"),
            ready: format!("deployctl-ready-{nonce}\n"),
            prompt: format!("deployctl-password-{nonce}-"),
        }
    }

    /// The remote command line that runs `then` as root, once it said so. `prompted` is whether sudo
    /// there takes its question from us: then nothing has to be tried before it asks.
    ///
    /// Any login shell reads this: one command, its words in single quotes, no `!` (csh).
    pub(super) fn command(&self, becoming: &Become, prompted: bool, then: &str) -> String {
        let ready = self.ready.trim_end();
        let shell = self.shell.trim_end();
        let before = match becoming {
            Become::Root => return format!("/bin/sh -c 'echo {ready}; {then}'"),
            Become::Sudo => format!("exec {SUDO} -n {SHELL}"),
            Become::SudoPassword(_) if prompted => self.asking(""),
            // A password that nobody asks for would become the script's input, and end in sudo's log
            // of it. `-k`: not even a ticket that came up meanwhile keeps sudo from asking.
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

/// In one language, so that what is quoted can be searched for.
const SUDO: &str = "env LC_ALL=C sudo";

/// The words of the root side are the second argument.
const SHELL: &str = r#"-- /bin/sh -c "$1""#;
