//! A throw-away sshd on 127.0.0.1: its own host key, port, configuration and login key.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use deployctl_core::name::HostName;
use deployctl_engine::transport::TransportError;
use deployctl_engine::transport::ssh::{Become, Ssh, Target};
use deployctl_engine::transport::ssh_config::SshRoute;
use deployctl_engine::transport::ssh_files::SshFiles;

pub(crate) struct Server {
    process: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers as sudo does, as far as a transport can tell. `$HERE/password` is what it wants, `$HERE/words`
/// what it says of another; with `$HERE/own-question` it asks in its own words, and with `$HERE/slow` it
/// looks at a password for so many seconds. `$HERE/offered` is what it was offered, and `$HERE/inputs` holds what each command found on its standard input (`log_input`).
const FAKE_SUDO: &str = r#"#!/bin/sh
here=HERE
never= question='Password: '
while [ "$1" != -- ]; do
    case $1 in
    -n) never=1 ;;
    -p) question=$2; shift ;;
    esac
    shift
done
shift
run() { tee -a "$here/inputs" | "$@"; exit $?; }
[ -e "$here/password" ] || run "$@"
if [ -n "$never" ]; then
    cat "$here/none" 2>/dev/null >&2 || echo 'sudo: a password is required' >&2
    exit 1
fi
[ -e "$here/own-question" ] && question='[sudo: authenticate] Password: '
while :; do
    printf '%s' "$question" | sed 's/%p/op/' >&2
    if ! IFS= read -r word; then
        echo 'sudo: no password was provided' >&2
        exit 1
    fi
    printf '%s\n' "$word" >>"$here/offered"
    [ ! -e "$here/slow" ] || sleep "$(cat "$here/slow")"
    [ "$word" = "$(cat "$here/password")" ] && run "$@"
    cat "$here/words" 2>/dev/null >&2 || echo 'Sorry, try again.' >&2
done
"#;

impl Server {
    /// Fails the test where no sshd is installed.
    pub(crate) fn start() -> Self {
        let sshd = Path::new("/usr/sbin/sshd");
        assert!(
            sshd.exists(),
            "these tests need /usr/sbin/sshd: apt-get install openssh-server"
        );
        let directory = tempfile::Builder::new()
            .prefix("dctl-sshd-")
            .tempdir_in("/tmp")
            .unwrap();
        let here = directory.path();
        key(&here.join("host_key"));
        key(&here.join("login_key"));
        std::fs::copy(here.join("login_key.pub"), here.join("authorized_keys")).unwrap();
        std::fs::create_dir(here.join("bin")).unwrap();
        let sudo = here.join("bin/sudo");
        std::fs::write(&sudo, FAKE_SUDO.replace("HERE", here.to_str().unwrap())).unwrap();
        std::fs::set_permissions(&sudo, std::fs::Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let here = here.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host_key\nPidFile none\n\
             AuthorizedKeysFile {here}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             SetEnv PATH={here}/bin:/usr/bin:/bin\nMaxStartups 100\n"
        );
        std::fs::write(directory.path().join("sshd_config"), config).unwrap();
        // Where root runs sshd, it wants this empty directory.
        let _ = std::fs::create_dir("/run/sshd");
        let process = Command::new(sshd)
            .args(["-D", "-e", "-f"])
            .arg(directory.path().join("sshd_config"))
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(directory.path().join("sshd.log")).unwrap())
            .spawn()
            .unwrap();
        let server = Self {
            process,
            port,
            directory,
        };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("sshd does not listen: {}", server.log());
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory().join("sshd.log")).unwrap_or_default()
    }

    pub(crate) fn sudo_wants(&self, password: &str) {
        std::fs::write(self.directory().join("password"), password).unwrap();
    }

    pub(crate) fn sudo_wants_nothing(&self) {
        let _ = std::fs::remove_file(self.directory().join("password"));
    }

    /// Writes one of the files that the stand-in for sudo looks at.
    pub(crate) fn sudo(&self, file: &str, text: &str) {
        std::fs::write(self.directory().join(file), text).unwrap();
    }

    /// What the stand-in for sudo wrote down.
    pub(crate) fn sudo_saw(&self, file: &str) -> String {
        std::fs::read_to_string(self.directory().join(file)).unwrap_or_default()
    }

    pub(crate) async fn connect(&self, becoming: Become) -> Result<Ssh, TransportError> {
        let key = self.directory().join("host_key.pub");
        self.connect_with(becoming, vec![public(&key)], self.port)
            .await
    }

    pub(crate) async fn connect_pinning(&self, key: &str) -> Result<Ssh, TransportError> {
        self.connect_with(Become::Root, vec![key.to_owned()], self.port)
            .await
    }

    pub(crate) async fn connect_unpinned(&self) -> Result<Ssh, TransportError> {
        self.connect_with(Become::Root, Vec::new(), self.port).await
    }

    pub(crate) async fn connect_to_a_closed_port(&self) -> Result<Ssh, TransportError> {
        self.connect_with(Become::Root, Vec::new(), 1).await
    }

    async fn connect_with(
        &self,
        becoming: Become,
        host_keys: Vec<String>,
        port: u16,
    ) -> Result<Ssh, TransportError> {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        let host = HostName::new("throwaway").unwrap();
        let routes = [SshRoute {
            host: host.clone(),
            address: "127.0.0.1".to_owned(),
            port,
            user: user.clone(),
            jump: None,
            host_keys,
        }];
        let own = self.directory().join("user_config");
        let login = self.directory().join("login_key");
        let text = format!(
            "IdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile none\n",
            login.display()
        );
        std::fs::write(&own, text).unwrap();
        let files = SshFiles::write(self.directory(), &routes, own.to_str().unwrap()).unwrap();
        let target = Target {
            host,
            user: "op".to_owned(),
            described: format!("{user}@127.0.0.1:{port}"),
            becoming,
        };
        Ssh::connect(target, Arc::new(files))
            .await
            .inspect_err(|_| eprintln!("{}", self.log()))
    }

    /// ssh master processes of this server's connections.
    pub(crate) fn masters(&self) -> Vec<PathBuf> {
        let here = self.directory().to_str().unwrap();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.starts_with("ssh") && !line.starts_with("sshd") && line.contains(here) {
                found.push(entry.path());
            }
        }
        found
    }

    pub(crate) async fn wait_until_no_master(&self) {
        for _ in 0..50 {
            if self.masters().is_empty() {
                return;
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), std::future::pending::<()>())
                .await;
        }
        panic!("left behind: {:?}", self.masters());
    }
}

/// A public key that no sshd here has.
pub(crate) fn another_key() -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    key(&path);
    public(&path.with_extension("pub"))
}

fn public(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    words.join(" ")
}

fn key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}
