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

    /// Whatever the user has set, and without the network.
    fn lock(&self, arguments: &[&str]) -> Said {
        self.lock_by(&[("UV_OFFLINE", Path::new("1"))], arguments)
    }

    /// With these variables, and over the network.
    fn lock_by(&self, variables: &[(&str, &Path)], arguments: &[&str]) -> Said {
        let mut all = vec!["python", "lock", "--uv", self.uv.to_str().unwrap()];
        all.extend(arguments);
        let mut said = self.env.with_variables(variables, &all);
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

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The projects of our hosts, by their folders below `hosts/`.
const OURS: [&str; 3] = ["cuda/kernels", "cuda/vllm", "mac-mini/mlx"];

/// As on hosts: the authorities that the computer trusts.
const SYSTEM_CERTS: (&str, &str) = ("UV_SYSTEM_CERTS", "1");

/// Locks one of [`OURS`] at the versions of today; returns the lock, and `None` where no index is reached.
fn lock_ours(projects: &Projects, project: &str) -> Option<toml::Table> {
    let text = repository()
        .join("hosts")
        .join(project)
        .join("pyproject.toml");
    projects.write(project, &fs::read_to_string(text).unwrap());
    let said = projects.lock_by(
        &[(SYSTEM_CERTS.0, Path::new(SYSTEM_CERTS.1))],
        &[project.rsplit_once('/').unwrap().1],
    );
    let reached = (!said.all().contains("error sending request")).then_some(());
    demand(reached, "PyPI, which uv does not reach")?;
    assert_eq!(said.code, 0, "{}", said.all());
    let lock = projects.env.repo().join("hosts").join(project);
    let lock = fs::read_to_string(lock.join("uv.lock")).unwrap();
    Some(lock.parse().unwrap())
}

/// Hosts compile nothing, so a package without wheels could not be installed.
#[test]
#[ignore = "PyPI; the versions of today"]
fn all_that_the_projects_of_our_hosts_need_has_wheels() {
    let Some(projects) = Projects::new() else {
        return;
    };
    for project in OURS {
        let Some(lock) = lock_ours(&projects, project) else {
            return;
        };
        let packages = lock["package"].as_array().unwrap();
        assert!(packages.len() > 20, "{project}: {}", packages.len());
        let from_index = packages
            .iter()
            .filter(|it| it["source"].get("registry").is_some());
        let without: Vec<_> = from_index
            .filter(|it| it.get("wheels").is_none())
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        assert!(without.is_empty(), "{project}: no wheels: {without:?}");
    }
}

/// No GPU is needed to compile for one.
#[test]
#[ignore = "200 MB from PyPI"]
fn the_project_for_kernels_compiles_for_the_gpu_of_its_host() {
    let Some(projects) = Projects::new() else {
        return;
    };
    if lock_ours(&projects, "cuda/kernels").is_none() {
        return;
    }
    let folder = projects.env.repo().join("hosts/cuda/kernels");
    let (uv, environment) = (projects.uv.to_str().unwrap(), folder.join("environment"));
    let script = r#"set -eu
cd "$1"
"$2" export --quiet --frozen --no-hashes |
  grep -E '^(nvidia-cuda-(nvcc|cuobjdump|nvdisasm|runtime|crt|cccl)|nvidia-nvvm)==' >tools.txt
"$2" venv --quiet "$3"
"$2" pip install --quiet --no-deps --requirements tools.txt --python "$3/bin/python"
CUDA_HOME=$(echo "$3"/lib/python*/site-packages/nvidia/cu13)
PATH=$CUDA_HOME/bin:$PATH
export CUDA_HOME PATH
echo '__global__ void add(float *to, const float *from) { to[threadIdx.x] += from[threadIdx.x]; }' >add.cu
nvcc -arch=sm_86 -ptx add.cu -o add.ptx
grep '^\.target' add.ptx
nvcc -arch=sm_86 -cubin add.cu -o add.cubin
cuobjdump -sass add.cubin | grep -o -m 1 'FADD'
nvdisasm add.cubin | grep -o -m 1 'FADD'
"#;
    let output = Command::new("sh")
        .args(["-c", script, "sh"])
        .args([&folder, Path::new(uv), &environment])
        .env(SYSTEM_CERTS.0, SYSTEM_CERTS.1)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        ".target sm_86\nFADD\nFADD\n",
        "{said}"
    );
}
