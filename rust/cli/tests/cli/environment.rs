//! A home, a repository and a sandbox of one's own, and nothing else in the environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// What a run of the program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// All of it, for a snapshot.
    pub(crate) fn all(&self) -> String {
        format!(
            "exit code: {}\n--- stdout\n{}--- stderr\n{}",
            self.code, self.out, self.err
        )
    }
}

pub(crate) struct TestEnv {
    folder: tempfile::TempDir,
    repo: PathBuf,
}

impl TestEnv {
    /// This repository, its checked-in inventory, and an empty sandbox.
    pub(crate) fn new() -> Self {
        Self::of("inventory.json")
    }

    /// What `nix flake init -t` makes, and nothing more: no modules.
    pub(crate) fn from_template() -> Self {
        let mut env = Self::of("template.json");
        let own = env.path("repo");
        copy(&env.repo.join("modules/flake/template"), &own);
        env.repo = own;
        env
    }

    fn of(fixture: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let env = Self {
            folder,
            repo: repo.canonicalize().unwrap(),
        };
        std::fs::create_dir(env.path("home")).unwrap();
        let fixture = env.repo.join("tests/fixtures").join(fixture);
        std::fs::copy(fixture, env.path("inventory.json")).unwrap();
        env
    }

    /// The same with a copy of `modules/` that may be changed.
    pub(crate) fn with_own_modules() -> Self {
        let mut env = Self::new();
        let own = env.path("repo");
        copy(&env.repo.join("modules"), &own.join("modules"));
        std::fs::create_dir(own.join("hosts")).unwrap();
        std::fs::write(own.join("hosts/default.nix"), "{ }\n").unwrap();
        env.repo = own;
        env
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn repo(&self) -> &Path {
        &self.repo
    }

    /// A file below a host's root.
    pub(crate) fn on_host(&self, host: &str, path: &str) -> PathBuf {
        self.path("sandbox")
            .join(host)
            .join(path.trim_start_matches('/'))
    }

    /// Changes the inventory.
    pub(crate) fn edit(&self, pointer: &str, value: Value) {
        let path = self.path("inventory.json");
        let mut inventory: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        *inventory.pointer_mut(pointer).unwrap() = value;
        std::fs::write(&path, inventory.to_string()).unwrap();
    }

    /// Runs the program with the inventory and the sandbox.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        let (inventory, sandbox) = (self.path("inventory.json"), self.path("sandbox"));
        let mut all = vec!["--inventory", inventory.to_str().unwrap()];
        all.extend(["--sandbox", sandbox.to_str().unwrap()]);
        all.extend(arguments);
        self.bare(&all)
    }

    /// Runs the program with these arguments alone.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Said {
        self.with_programs("/usr/sbin:/usr/bin:/sbin:/bin", arguments)
    }

    /// The same with other programs on the `PATH`.
    pub(crate) fn with_programs(&self, path: &str, arguments: &[&str]) -> Said {
        self.with_variables(&[("PATH", Path::new(path))], arguments)
    }

    /// The same with more in the environment.
    pub(crate) fn with_variables(&self, variables: &[(&str, &Path)], arguments: &[&str]) -> Said {
        let output = self
            .command(arguments)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        self.said(output)
    }

    /// The program with these arguments, for whoever starts it differently.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deployctl"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path("home"))
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("USER", "tester")
            .env("DEPLOYCTL_SSH_CONFIG", "")
            .env("DEPLOYCTL_REPO", &self.repo)
            .current_dir(self.path("home"));
        command
    }

    /// What a process said, with this folder's path replaced.
    pub(crate) fn said(&self, output: Output) -> Said {
        let text = |bytes| {
            String::from_utf8(bytes)
                .unwrap()
                .replace(self.folder.path().to_str().unwrap(), "DIR")
        };
        Said {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).unwrap();
        }
    }
}
