//! Projects of Python, their locks, and the wheels that an index of the stories has: made for them, or fetched from `PyPI`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Run};
use crate::demand::demand;
use crate::hub::Hub;

/// A wheel of the index.
#[derive(Debug, Clone)]
pub(crate) struct Wheel {
    name: &'static str,
    version: &'static str,
    needs: Option<&'static str>,
    url: String,
    sha256: String,
    size: usize,
}

/// A project and its lock.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) pyproject: String,
    pub(crate) lock: String,
}

/// A project that needs the first of `wheels` at its version, and the lock that uv makes of it.
pub(crate) fn project(hub: &Hub, wheels: &[&Wheel]) -> Project {
    let first = wheels[0];
    let pyproject = format!(
        "[project]\nname = \"tools\"\nversion = \"0\"\nrequires-python = \">=3.11\"\ndependencies = [\"{}=={}\"]\n\n[[tool.uv.index]]\nname = \"lab\"\nurl = \"{}/simple\"\ndefault = true\n",
        first.name,
        first.version,
        hub.url()
    );
    let mut lock = "version = 1\nrevision = 3\nrequires-python = \">=3.11\"\n".to_owned();
    for wheel in wheels {
        let Wheel {
            name,
            version,
            url,
            sha256,
            size,
            ..
        } = wheel;
        let _ = writeln!(
            lock,
            "\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = {{ registry = \"{}/simple\" }}",
            hub.url()
        );
        if let Some(needs) = wheel.needs {
            let _ = writeln!(lock, "dependencies = [\n    {{ name = \"{needs}\" }},\n]");
        }
        let _ = writeln!(
            lock,
            "wheels = [\n    {{ url = \"{url}\", hash = \"sha256:{sha256}\", size = {size} }},\n]"
        );
    }
    let _ = writeln!(
        lock,
        "\n[[package]]\nname = \"tools\"\nversion = \"0\"\nsource = {{ virtual = \".\" }}\ndependencies = [\n    {{ name = \"{0}\" }},\n]\n\n[package.metadata]\nrequires-dist = [{{ name = \"{0}\", specifier = \"=={1}\" }}]",
        first.name, first.version
    );
    Project { pyproject, lock }
}

/// The folder with the wheels of a real server and of all that it needs; `None` where they cannot be fetched.
pub(crate) fn real_wheels(server: &str) -> Option<PathBuf> {
    let folder = fetched("wheels", &[server]).map(PathBuf::from);
    let why = folder.as_ref().err().map(ToString::to_string);
    demand(
        folder.ok(),
        &format!("wheels from PyPI: {}", why.unwrap_or_default()),
    )
}

/// Publishes all wheels of a folder.
pub(crate) fn publish_wheels(hub: &Hub, folder: &Path) -> Result<()> {
    for wheel in std::fs::read_dir(folder)? {
        hub.put_wheel(&wheel?.path())?;
    }
    Ok(())
}

/// The lock that `deployctl python lock` makes of the project `hosts/HOST/NAME` by the real uv, which asks the hub alone.
pub(crate) fn locked(
    cluster: &Cluster,
    hub: &Hub,
    project: &str,
    dependencies: &str,
) -> Result<Project> {
    let folder = cluster.path("hosts").join(project);
    std::fs::create_dir_all(&folder)?;
    let pyproject = format!(
        "[project]\nname = \"servers\"\nversion = \"0\"\nrequires-python = \"==3.11.*\"\n{dependencies}\n\n[[tool.uv.index]]\nname = \"lab\"\nurl = \"{}/simple\"\ndefault = true\n",
        hub.url()
    );
    std::fs::write(folder.join("pyproject.toml"), &pyproject)?;
    let name = folder.file_name().and_then(|it| it.to_str());
    let unpacked = cluster.world.scratch().join("uv");
    let wheel = fetched("uv", &[])?;
    let unpack = Command::new("python3")
        .args(["-m", "zipfile", "-e", &wheel])
        .arg(&unpacked)
        .output()?;
    ensure!(unpack.status.success(), "no uv in its wheel: {unpack:?}");
    let data = std::fs::read_dir(&unpacked)?.filter_map(|entry| Some(entry.ok()?.path()));
    let uv = data.map(|it| it.join("scripts/uv")).find(|it| it.is_file());
    let uv = uv.context("the wheel holds no uv")?;
    std::fs::set_permissions(&uv, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let mut lock = cluster.command(&["python", "lock", name.context("a name")?, "--uv"]);
    lock.arg(uv).env("SSL_CERT_FILE", hub.authority());
    Run::of(&mut lock)?.expect(0).says("uv.lock  made");
    Ok(Project {
        pyproject,
        lock: std::fs::read_to_string(folder.join("uv.lock"))?,
    })
}

/// What a script of the tests has fetched: its path.
fn fetched(script: &str, arguments: &[&str]) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(path).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or_default();
    ensure!(output.status.success(), "tests/e2e/{script} says: {last}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

pub(crate) fn publish_uv(hub: &Hub) -> Result<Value> {
    let path = PathBuf::from(fetched("uv", &[])?);
    let content = std::fs::read(&path)?;
    let name = path
        .file_name()
        .and_then(|it| it.to_str())
        .context("no name")?;
    hub.put(&format!("uv/{name}"), &content)?;
    Ok(json!({
        "wheel": { "path": name, "size": content.len(), "sha256": sha256(&path)? },
        "mirror": format!("{}/uv", hub.url()),
    }))
}

fn sha256(path: &Path) -> Result<String> {
    let output = Command::new("sha256sum").arg(path).output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split(' ').next().context("no hash")?.to_owned())
}

pub(crate) fn wheel(
    hub: &Hub,
    place: &Path,
    (name, version, needs): (&'static str, &'static str, Option<&'static str>),
    size: usize,
) -> Result<Wheel> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories/projects/wheel.py");
    let output = Command::new("python3")
        .arg(program)
        .arg(place)
        .args([name, version, "py3-none-any"])
        .arg(size.to_string())
        .args(needs)
        .output()?;
    ensure!(output.status.success(), "no wheel: {output:?}");
    let file = String::from_utf8(output.stdout)?;
    let file = file.trim();
    let path = place.join(file);
    let content = std::fs::read(&path)?;
    hub.put(&format!("simple/{name}/{file}"), &content)?;
    Ok(Wheel {
        name,
        version,
        needs,
        url: format!("{}/simple/{name}/{file}", hub.url()),
        sha256: sha256(&path)?,
        size: content.len(),
    })
}
