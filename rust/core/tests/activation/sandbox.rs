//! A directory in place of a host.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use deployctl_core::activation::{
    ApplyId, ApplyMeta, Bundle, Phase, Status, bundle, command, status,
};
use deployctl_core::name::{AccountName, HostName, ManagedPath};
use deployctl_core::observed::{Identity, OsRelease};
use deployctl_core::plan::{PathChange, PathTarget, Plan};
use deployctl_core::rendered::{
    Entry, ManagedEntry, Mode, Ownership, PathState, Rendered, Sha256Hex,
};

pub(crate) const SHELLS: [&str; 2] = ["dash", "bash"];
pub(crate) const NONCE: &str = "a-nonce with 'quotes' and $(blanks)";

/// A sandbox and the shell that runs everything in it.
pub(crate) struct Sandbox {
    dir: tempfile::TempDir,
    shell: &'static str,
    mode: &'static str,
}

/// What a path should become.
#[derive(Debug, Clone)]
pub(crate) enum Want {
    Entry(Entry),
    /// What was there before deployctl.
    Original,
}

/// How a verb ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) exit: Option<i32>,
    pub(crate) status: Option<Status>,
    stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    pub(crate) fn phase(&self) -> Phase {
        self.apply().phase
    }

    pub(crate) fn apply(&self) -> &status::ApplyStatus {
        self.status
            .as_ref()
            .and_then(|s| s.apply.as_ref())
            .unwrap_or_else(|| panic!("no apply in {self:?}"))
    }

    pub(crate) fn failure(&self) -> String {
        self.apply()
            .failure
            .as_ref()
            .map_or_else(String::new, |f| format!("{:?} {}", f.code, f.text))
    }
}

impl Sandbox {
    pub(crate) fn new(shell: &'static str) -> Self {
        // A blank in its name, since people's directories have them.
        let dir = tempfile::Builder::new()
            .prefix("sand box-")
            .tempdir()
            .unwrap();
        let sandbox = Self {
            dir,
            shell,
            mode: "1",
        };
        fs::create_dir_all(sandbox.at("/etc")).unwrap();
        fs::create_dir_all(sandbox.at("/var/lib")).unwrap();
        fs::create_dir_all(sandbox.dir.path().join("bin")).unwrap();
        let shell = ["/usr/bin", "/bin"]
            .iter()
            .map(|bin| Path::new(bin).join(shell))
            .find(|path| path.exists())
            .expect("dash and bash are there");
        symlink(shell, sandbox.dir.path().join("bin/sh")).unwrap();
        sandbox
    }

    /// Where programs lie in the store and on PATH that stand in for Nix, for the systems it builds, for launchd.
    pub(crate) fn with_stand_ins(shell: &'static str) -> Self {
        Self {
            mode: "stand-ins",
            ..Self::new(shell)
        }
    }

    /// A program on PATH of everything that runs here.
    pub(crate) fn program(&self, name: &str, text: &str) {
        let path = self.dir.path().join("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A file beside the root, where no configuration is.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("the root")
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    pub(crate) fn state(&self, path: &str) -> PathBuf {
        self.at("/var/lib/deployctl").join(path)
    }

    pub(crate) fn write(&self, path: &str, content: &str, mode: u32) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A tree as one text: every path outside the state directory with mode and content.
    pub(crate) fn tree(&self) -> String {
        let mut found = BTreeMap::new();
        self.walk(&self.root(), &mut found);
        let lines: Vec<String> = found
            .iter()
            .map(|(path, what)| format!("{path} {what}"))
            .collect();
        lines.join("\n") + "\n"
    }

    fn walk(&self, dir: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("/{}", path.strip_prefix(self.root()).unwrap().display());
            if name == "/var/lib/deployctl" {
                continue;
            }
            let meta = fs::symlink_metadata(&path).unwrap();
            let mode = meta.permissions().mode() & 0o7777;
            if meta.is_symlink() {
                found.insert(
                    name,
                    format!("-> {}", fs::read_link(&path).unwrap().display()),
                );
            } else if meta.is_dir() {
                found.insert(name, format!("{mode:04o} directory"));
                self.walk(&path, found);
            } else {
                let content = fs::read_to_string(&path).unwrap();
                found.insert(name, format!("{mode:04o} {content:?}"));
            }
        }
    }

    pub(crate) fn observe(&self, path: &str) -> PathState {
        let Ok(meta) = fs::symlink_metadata(self.at(path)) else {
            return PathState::Absent;
        };
        let mode = u16::try_from(meta.permissions().mode() & 0o7777).unwrap();
        if meta.is_symlink() {
            let target = fs::read_link(self.at(path)).unwrap();
            PathState::Symlink {
                target: target.to_str().unwrap().to_owned(),
            }
        } else if meta.is_dir() {
            PathState::Directory {
                ownership: owned(mode),
            }
        } else {
            let bytes = fs::read(self.at(path)).unwrap();
            PathState::File {
                sha256: Sha256Hex::of(&bytes),
                ownership: owned(mode),
            }
        }
    }

    pub(crate) fn generation(&self) -> u32 {
        fs::read_to_string(self.state("generation")).map_or(0, |text| text.trim().parse().unwrap())
    }

    /// A plan from what is there now to `wanted`.
    pub(crate) fn plan(&self, wanted: &[(&str, Want)]) -> (Plan, Rendered) {
        let host = HostName::new("box").unwrap();
        let mut rendered = Rendered::empty(host.clone());
        let mut plan = empty_plan(self.generation());
        for (path, want) in wanted {
            let name = ManagedPath::new(*path).unwrap();
            plan.paths.push(PathChange {
                path: name.clone(),
                concern: None,
                before: self.observe(path),
                after: match want {
                    Want::Entry(entry) => PathTarget::entry(entry),
                    Want::Original => PathTarget::Original,
                },
                diff: None,
                gone: false,
            });
            if let Want::Entry(entry) = want {
                rendered.entries.insert(name, managed(entry.clone()));
            }
        }
        (plan, rendered)
    }

    pub(crate) fn bundle(&self, id: &str, window: u32, wanted: &[(&str, Want)]) -> Bundle {
        let (plan, rendered) = self.plan(wanted);
        bundle(&plan, &rendered, &meta(id, window))
    }

    pub(crate) fn put(&self, id: &str, bundle: &Bundle) {
        let directory = self.state("applies").join(id);
        for file in &bundle.files {
            let path = directory.join(&file.name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &file.bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(file.mode)).unwrap();
        }
    }

    /// Stages and starts.
    pub(crate) fn apply(&self, id: &str, wanted: &[(&str, Want)]) -> Answer {
        self.put(id, &self.bundle(id, 600, wanted));
        self.run(&command::start(&apply_id(id), false))
    }

    pub(crate) fn confirm(&self, id: &str) -> Answer {
        self.run(&command::confirm(&apply_id(id), NONCE))
    }

    pub(crate) fn recover(&self, id: &str) -> Answer {
        self.run(&command::recover(&apply_id(id)))
    }

    pub(crate) fn command(&self, script: &str) -> Command {
        let path = format!(
            "{}:{}",
            self.dir.path().join("bin").display(),
            std::env::var("PATH").unwrap()
        );
        let mut command = Command::new(self.shell);
        command
            .arg("-c")
            .arg(script)
            .env("PATH", path)
            .env("DEPLOYCTL_SANDBOX", self.mode)
            .env("DEPLOYCTL_ROOT", self.root())
            .stdin(Stdio::null())
            // So that a test can kill all of it and not itself.
            .process_group(0);
        command
    }

    pub(crate) fn run(&self, script: &str) -> Answer {
        let output = self.command(script).output().unwrap();
        let answer = Answer {
            exit: output.status.code(),
            status: status::parse(&output.stdout).ok(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        // Whatever happens, the program itself must not stumble.
        assert_eq!(answer.stderr, "", "{script}\n{}", answer.stdout);
        answer
    }

    pub(crate) fn log(&self, id: &str) -> String {
        let answer = self.run(&command::status(&apply_id(id), 0, None));
        String::from_utf8_lossy(&answer.apply().log.bytes).into_owned()
    }
}

pub(crate) fn apply_id(id: &str) -> ApplyId {
    ApplyId::new(id).unwrap()
}

pub(crate) fn meta(id: &str, window: u32) -> ApplyMeta {
    ApplyMeta {
        apply_id: apply_id(id),
        holder: format!("{id}@controller"),
        nonce: NONCE.to_owned(),
        deadline_seconds: window,
        started_at: 1_790_000_000,
    }
}

pub(crate) fn empty_plan(base_generation: u32) -> Plan {
    Plan {
        id: "0123456789abcdef".to_owned(),
        host: HostName::new("box").unwrap(),
        identity: Identity {
            machine_id_sha256: String::new(),
            hostname: "box".to_owned(),
        },
        os: OsRelease {
            id: "ubuntu".to_owned(),
            version: "24.04".to_owned(),
        },
        boot_id: String::new(),
        base_generation,
        failed_units: std::collections::BTreeSet::new(),
        paths: Vec::new(),
        packages: Vec::new(),
        units: Vec::new(),
        sysctls: Vec::new(),
        modules: Vec::new(),
        live: Vec::new(),
        artifacts: Vec::new(),
        closure: None,
        follow_ups: std::collections::BTreeSet::new(),
        reboot: Vec::new(),
        drift: Vec::new(),
        findings: Vec::new(),
    }
}

pub(crate) fn managed(entry: Entry) -> ManagedEntry {
    ManagedEntry {
        concern: deployctl_core::name::ConcernName::new("system").unwrap(),
        template: None,
        facts: std::collections::BTreeSet::new(),
        entry,
        follow_ups: std::collections::BTreeSet::new(),
        validator: None,
        validator_package: None,
    }
}

pub(crate) fn owned(mode: u16) -> Ownership {
    Ownership {
        mode: Mode::new(mode).unwrap(),
        owner: AccountName::new("root").unwrap(),
        group: AccountName::new("root").unwrap(),
    }
}

pub(crate) fn file(content: &str, mode: u16) -> Want {
    Want::Entry(Entry::File {
        content: content.to_owned(),
        ownership: owned(mode),
    })
}

pub(crate) fn directory(mode: u16) -> Want {
    Want::Entry(Entry::Directory {
        ownership: owned(mode),
    })
}

pub(crate) fn link(target: &str) -> Want {
    Want::Entry(Entry::Symlink {
        target: target.to_owned(),
    })
}

pub(crate) fn absent() -> Want {
    Want::Entry(Entry::Absent)
}
