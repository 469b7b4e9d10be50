//! How a machine is reached by ssh.

use std::net::Ipv4Addr;
use std::path::PathBuf;

/// Who logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// `root`, by key only.
    Root,
    /// `operator`, with what [`crate::Sudo`] says.
    Operator,
}

impl User {
    /// Returns the login name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Operator => "operator",
        }
    }
}

/// All that an inventory or an ssh configuration needs to know about a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshAccess {
    /// Its address on the world's bridge.
    pub address: Ipv4Addr,
    /// The port sshd listens on.
    pub port: u16,
    /// The private key that root and operator accept.
    pub key: PathBuf,
    /// The machine's public host key, as in `ssh_host_ed25519_key.pub` without the comment.
    pub host_key: String,
}

impl SshAccess {
    /// Returns the line of a `known_hosts` file that pins this machine.
    pub fn known_hosts_line(&self) -> String {
        format!("{} {}\n", self.address, self.host_key)
    }

    /// Returns the arguments of an ssh that believes nothing but this.
    pub(crate) fn arguments(&self, known_hosts: &str) -> Vec<String> {
        let option = |text: String| ["-o".to_owned(), text];
        let mut arguments = vec!["-F".to_owned(), "none".to_owned()];
        arguments.extend(option("BatchMode=yes".to_owned()));
        arguments.extend(option("IdentitiesOnly=yes".to_owned()));
        arguments.extend(option("StrictHostKeyChecking=yes".to_owned()));
        arguments.extend(option(format!("UserKnownHostsFile={known_hosts}")));
        arguments.extend(option("ConnectTimeout=5".to_owned()));
        arguments.push("-i".to_owned());
        arguments.push(self.key.to_string_lossy().into_owned());
        arguments.push("-p".to_owned());
        arguments.push(self.port.to_string());
        arguments
    }
}
