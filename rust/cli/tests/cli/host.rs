//! A host that answers over ssh: a throw-away sshd on 127.0.0.1, and an inventory that declares it under the names
//! of `HOSTS`, each with its own checks, whose answers are files.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::demand::demand;
use crate::environment::{Said, TestEnv};

/// Hosts of the inventory, and how each means this machine: no two may have one address.
const HOSTS: [(&str, &str); 2] = [("box", "127.0.0.1"), ("desk", "localhost")];

pub(crate) struct Answering {
    pub(crate) env: TestEnv,
    sshd: Child,
    port: u16,
}

impl Drop for Answering {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

impl Answering {
    /// `None` where the test is skipped for want of sshd.
    pub(crate) fn new() -> Option<Self> {
        let sshd = Path::new("/usr/sbin/sshd");
        let sshd = demand(
            sshd.exists().then_some(sshd),
            "sshd (package openssh-server)",
        )?;
        let env = TestEnv::with_own_modules();
        for key in ["host_key", "login_key"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
                .arg(env.path(key))
                .status();
            assert!(made.unwrap().success());
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let here = env.path("");
        let here = here.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host_key\nPidFile none\n\
             AuthorizedKeysFile {here}/login_key.pub\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             SetEnv PATH=/usr/bin:/bin\nMaxStartups 100\n"
        );
        fs::write(env.path("sshd_config"), config).unwrap();
        let own =
            format!("IdentityFile {here}/login_key\nIdentitiesOnly yes\nUserKnownHostsFile none\n");
        fs::write(env.path("ssh_config"), own).unwrap();
        // Where root runs sshd, it wants this empty directory.
        let _ = fs::create_dir("/run/sshd");
        let sshd = Command::new(sshd)
            .args(["-D", "-e", "-f"])
            .arg(env.path("sshd_config"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(env.path("sshd.log")).unwrap())
            .spawn()
            .unwrap();
        let answering = Self { env, sshd, port };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                answering.declare();
                return Some(answering);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("sshd does not listen");
    }

    fn key(&self, name: &str) -> String {
        let text = fs::read_to_string(self.env.path(name)).unwrap();
        text.trim().to_owned()
    }

    /// Writes the inventory, and answers that are as declared.
    fn declare(&self) {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        let host_key = self.key("host_key.pub").replace(" test", "");
        let mut hosts = serde_json::Map::new();
        for (name, address) in HOSTS {
            let check = |what: &str, more: Value| {
                let mut check = json!({
                    "command": format!("cat {}", self.answer(name, what).display()),
                    "status": 0,
                    "deadline_seconds": 10,
                    "retries": 0,
                    "gate": false,
                });
                for (key, value) in more.as_object().unwrap() {
                    check[key] = value.clone();
                }
                check
            };
            let checks = json!({
                "door": check("door", json!({"contains": ["closed"], "gate": true})),
                "disk": check("disk", json!({"matches": "^disk [0-9]+ GiB$"})),
                "heat": check("heat", json!({"number": {"at_most": 70.0, "unit": "°C"}})),
            });
            hosts.insert(
                name.to_owned(),
                json!({
                    "description": format!("the {name}"),
                    "platform": "ubuntu",
                    "architecture": "x86_64",
                    "tags": [],
                    "os": {"id": "debian", "version": "12"},
                    "connection": {
                        "address": address,
                        "port": self.port,
                        "user": user,
                        "become": "none",
                        "jump": null,
                    },
                    "identity": {
                        "machine_id_sha256": "0".repeat(64),
                        "hostname": name,
                        "host_keys": [host_key],
                    },
                    "extra": {"checks": checks},
                }),
            );
            fs::create_dir_all(self.env.path("answers").join(name)).unwrap();
            fs::create_dir_all(self.env.repo().join("hosts").join(name)).unwrap();
            self.says(name, "door", "the door is closed\n");
            self.says(name, "disk", "disk 300 GiB\n");
            self.says(name, "heat", "54.5\n");
        }
        let inventory = json!({
            "version": 1,
            "cluster": {
                "name": "lab",
                "operators": {user: {"keys": [self.key("login_key.pub")]}},
                "links": {},
                "findings": [],
            },
            "hosts": hosts,
            "positions": {},
        });
        fs::write(self.env.path("inventory.json"), inventory.to_string()).unwrap();
    }

    fn answer(&self, host: &str, what: &str) -> PathBuf {
        self.env.path("answers").join(host).join(what)
    }

    /// What a host answers from now on.
    pub(crate) fn says(&self, host: &str, what: &str, text: &str) {
        // In one step: another process may be reading it.
        let whole = self.env.path("answers/new");
        fs::write(&whole, text).unwrap();
        fs::rename(whole, self.answer(host, what)).unwrap();
    }

    /// From now on the host answers with bytes that are not text.
    pub(crate) fn babbles(&self, host: &str, what: &str) {
        fs::write(self.answer(host, what), b"\xff\xfe\n").unwrap();
    }

    /// Nobody can connect to it any more.
    pub(crate) fn is_gone(&self, host: &str) {
        self.env
            .edit(&format!("/hosts/{host}/connection/port"), json!(1));
    }

    /// A host's file of what was accepted.
    pub(crate) fn accepted(&self, host: &str) -> PathBuf {
        self.env
            .repo()
            .join("hosts")
            .join(host)
            .join("accepted.snap")
    }

    /// The arguments before the user's own.
    fn arguments<'a>(inventory: &'a Path, own: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["--inventory", inventory.to_str().unwrap()];
        all.extend(own);
        all
    }

    /// Runs the program; what differs from machine to machine is replaced.
    pub(crate) fn run(&self, own: &[&str]) -> Said {
        let inventory = self.env.path("inventory.json");
        let said = self.env.with_variables(
            &[("DEPLOYCTL_SSH_CONFIG", &self.env.path("ssh_config"))],
            &Self::arguments(&inventory, own),
        );
        Said {
            out: self.plain(&said.out),
            err: self.plain(&said.err),
            ..said
        }
    }

    /// The same as a process that goes on.
    pub(crate) fn start(&self, own: &[&str]) -> Command {
        let inventory = self.env.path("inventory.json");
        let mut command = self.env.command(&Self::arguments(&inventory, own));
        command.env("DEPLOYCTL_SSH_CONFIG", self.env.path("ssh_config"));
        command
    }

    /// Where it keeps earlier runs.
    pub(crate) fn runs(&self) -> PathBuf {
        self.env.path("home/.local/state/deployctl/lab/verify")
    }

    /// The number of logins.
    pub(crate) fn logins(&self) -> usize {
        let log = fs::read_to_string(self.env.path("sshd.log")).unwrap();
        log.matches("Accepted publickey").count()
    }

    /// Without what differs from machine to machine.
    pub(crate) fn plain(&self, text: &str) -> String {
        text.replace(&format!(":{}", self.port), ":PORT")
    }
}
