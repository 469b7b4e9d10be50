//! The ssh configuration for one host. Every ssh process for that host reads it by `-F`, including that of
//! `nix copy`.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use deployctl_core::name::HostName;

/// The ssh settings of one host of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshRoute {
    /// Its name in the inventory, under which its keys are pinned.
    pub host: HostName,
    /// DNS name, alias of the user's configuration, or address.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// Login.
    pub user: String,
    /// The jump host of the inventory.
    pub jump: Option<HostName>,
    /// Pinned public keys, `type base64` each; none before the host was adopted.
    pub host_keys: Vec<String>,
}

impl SshRoute {
    /// `user@address:port`, for people.
    pub fn described(&self) -> String {
        if self.address.contains(':') {
            format!("{}@[{}]:{}", self.user, self.address, self.port)
        } else {
            format!("{}@{}:{}", self.user, self.address, self.port)
        }
    }
}

/// The part of a configuration that is the same for all hosts.
#[derive(Debug)]
pub(super) struct Common<'a> {
    /// The pinned keys of all hosts.
    pub(super) known_hosts: &'a Path,
    /// The file that holds the user's own configuration, and the system's.
    pub(super) own: &'a Path,
    /// Whether ssh has the options of OpenSSH 8.7.
    pub(super) knows_session_type: bool,
}

/// The lines that the user's own configuration cannot override: the first value wins.
const PINS: &str = "\
StrictHostKeyChecking yes
UpdateHostKeys no
CheckHostIP no
PermitLocalCommand no
ForwardAgent no
ForwardX11 no
ClearAllForwardings yes
Tunnel no
RequestTTY no
RemoteCommand none
VisualHostKey no
LogLevel INFO
BatchMode yes
ConnectTimeout 10
ServerAliveInterval 5
";

/// Turns off options that detach standard input or the process. An older ssh has none of them, and
/// rejects a configuration that names them.
const SESSION_PINS: &str = "\
SessionType default
StdinNull no
ForkAfterAuthentication no
";

/// The configuration for `route`; `proxy` is the command that reaches its jump host.
pub(super) fn text(
    route: &SshRoute,
    proxy: Option<&str>,
    common: &Common<'_>,
) -> io::Result<String> {
    let mut text = String::new();
    let _ = writeln!(text, "Port {}", route.port);
    let _ = writeln!(text, "User {}", login(&route.user)?);
    if let Some(proxy) = proxy {
        let _ = writeln!(text, "ProxyCommand {proxy}");
    }
    if !route.host_keys.is_empty() {
        let _ = writeln!(text, "HostKeyAlias {}", route.host);
        let _ = writeln!(text, "UserKnownHostsFile {}", common.known_hosts.display());
        let _ = writeln!(text, "GlobalKnownHostsFile none");
        let _ = writeln!(text, "HostKeyAlgorithms {}", algorithms(&route.host_keys)?);
        let _ = writeln!(text, "KnownHostsCommand none");
    }
    text.push_str(PINS);
    if common.knows_session_type {
        text.push_str(SESSION_PINS);
    }
    let _ = writeln!(text, "Include {}", common.own.display());
    Ok(text)
}

/// The lines of `known_hosts` that pin the keys of all hosts.
pub(super) fn known_hosts<'a>(routes: impl Iterator<Item = &'a SshRoute>) -> String {
    let mut text = String::new();
    for route in routes {
        for key in &route.host_keys {
            let _ = writeln!(text, "{} {key}", route.host);
        }
    }
    text
}

/// The signature algorithms of the pinned keys, so that a host cannot offer another key.
fn algorithms(keys: &[String]) -> io::Result<String> {
    let mut found: Vec<&str> = Vec::new();
    for key in keys {
        let kind = word(key.split_whitespace().next().unwrap_or_default(), "")?;
        let names: &[&str] = match kind {
            "ssh-rsa" => &["rsa-sha2-512", "rsa-sha2-256"],
            other => &[other],
        };
        found.extend(names);
    }
    Ok(found.join(","))
}

/// Whether an address is safe as an argument of ssh: a name, IPv4, or IPv6 with a zone. The inventory
/// checks addresses too; this is a second barrier.
pub(super) fn address(text: &str) -> io::Result<&str> {
    word(text, "%")
}

/// A login: `DOMAIN\user` as well.
fn login(text: &str) -> io::Result<&str> {
    if text.ends_with('\\') || text.contains("\\\\") {
        return Err(unfit(text));
    }
    word(text, "\\")
}

fn word<'a>(text: &'a str, more: &str) -> io::Result<&'a str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:@+-".contains(c) || more.contains(c);
    if text.is_empty() || text.starts_with('-') || !text.chars().all(plain) {
        return Err(unfit(text));
    }
    Ok(text)
}

fn unfit(text: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "`{}` cannot stand in an ssh configuration",
            text.escape_debug()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &str) -> SshRoute {
        SshRoute {
            host: HostName::new(name).unwrap(),
            address: format!("{name}.example"),
            port: 22,
            user: "operator".to_owned(),
            jump: None,
            host_keys: Vec::new(),
        }
    }

    fn common() -> Common<'static> {
        Common {
            known_hosts: Path::new("/run/x/known_hosts"),
            own: Path::new("/run/x/own"),
            knows_session_type: true,
        }
    }

    #[test]
    fn adopted_hosts_are_strict_and_the_users_own_configuration_comes_last() {
        let cuda = SshRoute {
            host_keys: vec!["ssh-ed25519 AAAA".to_owned(), "ssh-rsa BBBB".to_owned()],
            ..route("cuda")
        };
        let adopted = text(&cuda, None, &common()).unwrap();
        let proxy = "ssh -F /run/x/cuda -W [%h]:%p cuda.example";
        let old = Common {
            knows_session_type: false,
            ..common()
        };
        let behind = text(&route("linode"), Some(proxy), &old).unwrap();
        insta::assert_snapshot!(format!(
            "{adopted}--- known_hosts\n{}--- an unadopted one behind it, for an old ssh\n{behind}",
            known_hosts([&cuda].into_iter())
        ));
    }

    #[test]
    fn a_value_cannot_become_another_option() {
        for bad in [
            "",
            "-oProxyCommand=x",
            "a b",
            "a\nPort 1",
            "a#b",
            "%h",
            "a${x}",
            "a'b",
        ] {
            let user = SshRoute {
                user: bad.to_owned(),
                ..route("cuda")
            };
            assert!(text(&user, None, &common()).is_err(), "{bad:?}");
            assert_eq!(address(bad).is_ok(), bad == "%h", "{bad:?}");
        }
        for good in ["DOMAIN\\ann", "first.last", "ann@corp", "_x"] {
            assert_eq!(login(good).unwrap(), good);
        }
        assert!(login("DOMAIN\\").is_err());
    }
}
