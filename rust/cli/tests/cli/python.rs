//! `deployctl python lock`, with the real uv.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::demand::demand;
use crate::environment::{Said, TestEnv};

/// Without packages of others, so that uv asks no index.
const PROJECT: &str = "[project]\nname = \"tools\"\nversion = \"0\"\nrequires-python = \">=3.11\"\ndependencies = []\n";

/// The program uv, out of its wheel; `None` where that cannot be had.
fn uv(folder: &Path) -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/uv");
    let fetched = Command::new(script).output().ok();
    let fetched = fetched.filter(|output| output.status.success());
    let fetched = demand(
        fetched,
        "uv (its wheel, from PyPI by pip: package python3-venv)",
    )?;
    let wheel = String::from_utf8(fetched.stdout).unwrap();
    let unpacked = Command::new("python3")
        .args(["-m", "zipfile", "-e", wheel.trim()])
        .arg(folder)
        .status();
    assert!(unpacked.unwrap().success());
    let data = fs::read_dir(folder).unwrap();
    let mut programs = data.filter_map(|entry| {
        let program = entry.ok()?.path().join("scripts/uv");
        program.is_file().then_some(program)
    });
    let program = programs.next().expect("the wheel holds uv");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, executable).unwrap();
    Some(program)
}

struct Projects {
    env: TestEnv,
    uv: PathBuf,
}

impl Projects {
    fn new() -> Option<Self> {
        let env = TestEnv::from_template();
        let folder = env.path("uv");
        fs::create_dir(&folder).unwrap();
        let uv = uv(&folder)?;
        Some(Self { env, uv })
    }

    fn write(&self, project: &str, text: &str) {
        let folder = self.env.repo().join("hosts").join(project);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("pyproject.toml"), text).unwrap();
    }

    fn lock(&self, arguments: &[&str]) -> Said {
        let mut all = vec!["python", "lock", "--uv", self.uv.to_str().unwrap()];
        all.extend(arguments);
        // Whatever the user has set, and no network.
        let offline = Path::new("1");
        let mut said = self.env.with_variables(&[("UV_OFFLINE", offline)], &all);
        said.err = said.err.replace(self.env.repo().to_str().unwrap(), "REPO");
        said
    }
}

#[test]
fn a_lock_is_made_renewed_and_left_alone() {
    let Some(projects) = Projects::new() else {
        return;
    };
    projects.write("web/tools", PROJECT);
    let made = projects.lock(&["tools"]);
    assert_eq!(
        (made.code, made.out.as_str()),
        (0, "hosts/web/tools/uv.lock  made\n"),
        "{}",
        made.err
    );
    let lock = projects.env.repo().join("hosts/web/tools/uv.lock");
    let first = fs::read_to_string(&lock).unwrap();
    assert!(first.contains("name = \"tools\""), "{first}");
    let again = projects.lock(&["tools"]);
    assert_eq!(again.out, "hosts/web/tools/uv.lock  unchanged\n");

    let local = "[tool.uv]\npackage = false\n[tool.uv.sources]\nown = { path = \"own\" }\n";
    projects.write(
        "web/tools/own",
        "[project]\nname = \"own\"\nversion = \"3\"\n[tool.uv]\npackage = false\n",
    );
    let more = PROJECT.replace("[]", "[\"own\"]");
    projects.write("web/tools", &format!("{more}{local}"));
    // Another host has one of that name, too.
    projects.write("db/tools", PROJECT);
    let renewed = projects.lock(&["tools", "--upgrade"]);
    assert_eq!(
        (renewed.code, renewed.out.as_str()),
        (
            0,
            "hosts/db/tools/uv.lock  made\nhosts/web/tools/uv.lock  renewed\n"
        ),
        "{}",
        renewed.err
    );
    let second = fs::read_to_string(&lock).unwrap();
    assert!(second.contains("name = \"own\""), "{second}");
}

#[test]
fn what_cannot_be_locked_is_said_and_the_lock_stays() {
    let Some(projects) = Projects::new() else {
        return;
    };
    insta::assert_snapshot!(projects.lock(&["tools"]).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: there is no `hosts/HOST/tools/pyproject.toml`
      hint: write one: `[project]` with `name`, `version`, `requires-python` and `dependencies`
    ");
    projects.write("web/tools", PROJECT);
    assert_eq!(projects.lock(&["tools"]).code, 0);
    let lock = projects.env.repo().join("hosts/web/tools/uv.lock");
    let good = fs::read(&lock).unwrap();
    insta::assert_snapshot!(projects.lock(&["tool"]).all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: there is no `hosts/HOST/tool/pyproject.toml`
      hint: projects: tools
    ");

    projects.write("web/tools", &PROJECT.replace("[]", "[\"absent==1\"]"));
    insta::assert_snapshot!(projects.lock(&["tools"]).all(), @"
    exit code: 7
    --- stdout
    --- stderr
    error: uv made no lock of `DIR/repo/hosts/web/tools`: No solution found when resolving dependencies: Because absent was not found in the cache and your project depends on absent==1, we can conclude that your project's requirements are unsatisfiable.
      hint: the lock that was there stays; see `dependencies` and `[tool.uv]` of the pyproject.toml
    ");
    projects.write("web/tools", "[project\n");
    insta::assert_snapshot!(projects.lock(&["tools"]).all(), @"
    exit code: 7
    --- stdout
    --- stderr
    error: uv made no lock of `DIR/repo/hosts/web/tools`: Failed to parse: DIR/repo/hosts/web/tools/pyproject.toml: TOML parse error at line 1, column 9
      hint: the lock that was there stays; see `dependencies` and `[tool.uv]` of the pyproject.toml
    ");
    assert_eq!(fs::read(&lock).unwrap(), good);

    let missing = projects
        .env
        .run(&["python", "lock", "tools", "--uv", "/opt/uv"]);
    insta::assert_snapshot!(missing.all(), @"
    exit code: 2
    --- stdout
    --- stderr
    error: `/opt/uv` is not installed
      hint: install uv, such as by `pipx install uv` or `nix shell nixpkgs#uv`; or name it by --uv
    ");
}
