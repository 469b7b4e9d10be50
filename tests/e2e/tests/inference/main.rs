//! Our checks against a real inference server: MLX's, on the CPU, with a tiny model of Llama's shape. `stories/bare/real_vllm.rs`
//! has that of vLLM.
//!
//! It takes a Python environment (`tests/inference/venv`), so `tests/run` starts it itself, and says why where it cannot.

mod place;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use deployctl_checks::{Check, CheckResult, CheckStatus, Declared, checks, link};
use deployctl_core::inventory::{self, Inventory};
use deployctl_core::name::HostName;
use deployctl_core::rendered::Rendered;
use serde_json::{Value, json};

use crate::place::Place;

const MODEL: &str = "test/tiny-llama";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Standard output of a program of ours, one word.
fn told(program: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`{}` failed: {words}",
        program.display()
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The environment with the server.
fn venv() -> Result<PathBuf> {
    told(&repository().join("tests/inference/venv"), &[]).map(PathBuf::from)
}

/// Makes the model in a cache like the hub's below `home`; the folder with its files.
fn model(home: &Path) -> Result<String> {
    let script = repository().join("tests/inference/tiny_model.py");
    let hub = home.join("hub");
    told(
        &venv()?.join("bin/python"),
        &[&script.to_string_lossy(), &hub.to_string_lossy(), MODEL],
    )
}

/// The project's own hosts, with other facts.
fn declared(change: impl Fn(&mut Value)) -> Result<Inventory> {
    let file = repository().join("tests/fixtures/inventory.json");
    let mut raw: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    change(&mut raw["hosts"]);
    inventory::parse(raw.to_string().as_bytes()).map_err(|error| anyhow::anyhow!("{error:?}"))
}

/// A host's checks.
fn checks_of(inventory: &Inventory, host: &str) -> Result<Vec<Check>> {
    let name = HostName::new(host)?;
    Ok(checks(&Declared {
        host: inventory.host(&name).context("a host of that name")?,
        concerns: inventory.concerns(),
        cluster: inventory.cluster(),
        rendered: &Rendered::empty(name),
        failed_before: &std::collections::BTreeSet::new(),
    }))
}

/// Asks the check of that id.
fn ask(place: &Place, checks: &[Check], id: &str) -> Result<CheckResult> {
    let check = checks.iter().find(|check| check.id == id);
    place.ask(check.with_context(|| format!("no check `{id}`"))?)
}

/// Asks what a host sees of MLX's server over the link.
fn ask_link(place: &Place, inventory: &Inventory, what: &str) -> Result<CheckResult> {
    let id = format!("{what}/cuda-to-mac-mini");
    let all = link::checks(inventory);
    let found = all.iter().find(|link| link.check.id.ends_with(&id));
    place.ask(&found.with_context(|| format!("no check `{id}`"))?.check)
}

#[track_caller]
fn assert_passes(result: &CheckResult) {
    assert_eq!(result.status, CheckStatus::Pass, "{result:#?}");
}

/// It fails, and what was found says so.
#[track_caller]
fn assert_fails(result: &CheckResult, found: &str) {
    assert!(
        matches!(result.status, CheckStatus::Fail { .. }) && result.evidence.contains(found),
        "{result:#?}"
    );
}

/// The command that our module gives launchd, of this environment and with the tiny model.
fn mlx_command() -> Result<String> {
    let file = repository().join("tests/snapshots/nix/darwin/mac-mini.json");
    let set: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let command = set["mlx"]["launchd"]["daemons"]["mlx"]["command"].as_str();
    let command = command.context("a command of the daemon")?;
    let (server, model) = (
        "/opt/mlx/current/",
        "mlx-community/Qwen2.5-32B-Instruct-4bit",
    );
    ensure!(
        command.starts_with(server) && command.contains(model),
        "{command}"
    );
    let here = format!("{}/", venv()?.display());
    Ok(command.replace(server, &here).replace(model, MODEL))
}

#[test]
#[ignore = "needs MLX from PyPI: tests/run starts it"]
fn mlx_answers_on_its_host_and_over_the_link() -> Result<()> {
    let mut place = Place::new()?;
    let home = place.folder.path().join("hf");
    model(&home)?;
    let with_model =
        |id: &str| declared(|hosts| hosts["mac-mini"]["mlx"]["model"]["id"] = json!(id));
    let inventory = with_model(MODEL)?;
    let checks = checks_of(&inventory, "mac-mini")?;
    place.serve(
        &format!(
            "env HF_HOME={} HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 {}",
            home.display(),
            mlx_command()?
        ),
        "curl -sS -m 2 http://10.0.0.2:8080/health",
        Duration::from_secs(90),
    )?;
    for id in ["mlx/listening", "mlx/health", "mlx/model", "mlx/chat"] {
        assert_passes(&ask(&place, &checks, id)?);
    }
    for what in ["mlx-health", "mlx-models", "mlx-chat"] {
        assert_passes(&ask_link(&place, &inventory, what)?);
    }

    let other = with_model("test/other-llama")?;
    let checks_of_other = checks_of(&other, "mac-mini")?;
    assert_fails(
        &ask(&place, &checks_of_other, "mlx/model")?,
        "has test/tiny-llama",
    );
    assert_fails(&ask(&place, &checks_of_other, "mlx/chat")?, "status 404");
    assert_fails(&ask_link(&place, &other, "mlx-models")?, "test/tiny-llama");
    assert_fails(&ask_link(&place, &other, "mlx-chat")?, "404");

    place.stop()?;
    assert_fails(&ask(&place, &checks, "mlx/listening")?, "nothing listens");
    assert_fails(&ask(&place, &checks, "mlx/health")?, "curl: (7)");
    assert_fails(&ask_link(&place, &inventory, "mlx-health")?, "");
    mlx_serves_a_link(&mut place)
}

/// The same model by the link of an artifact: requests call it by the link, and the list by what that leads to.
fn mlx_serves_a_link(place: &mut Place) -> Result<()> {
    let folder = place.folder.path().join("tiny");
    let home = place.folder.path().join("elsewhere");
    let (link, files) = (folder.join("current"), model(&home)?);
    let release = format!("releases/{}", "5a".repeat(32));
    std::fs::create_dir_all(folder.join("releases"))?;
    told(
        Path::new("/bin/cp"),
        &["-rL", &files, &folder.join(&release).to_string_lossy()],
    )?;
    std::os::unix::fs::symlink(&release, &link)?;
    // Our module makes the folder of the cache, without which the server lists nothing at all.
    let cache = place.folder.path().join("empty");
    std::fs::create_dir_all(cache.join("hub"))?;
    let inventory = declared(|hosts| {
        let mac = &mut hosts["mac-mini"];
        mac["mlx"]["model"]["path"] = json!(link);
        mac["models"] = json!({ "snapshots": { "tiny": {
            "manifest": {
                "repository": MODEL,
                "revision": "1".repeat(40),
                "files": [{ "path": "config.json", "size": 1, "sha256": "0".repeat(64) }],
            },
            "folder": folder,
            "hub": "https://hub.example",
        }}});
    })?;
    let checks = checks_of(&inventory, "mac-mini")?;
    let command = mlx_command()?.replace(MODEL, &link.to_string_lossy());
    place.serve(
        &format!(
            "env HF_HOME={} HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 {command}",
            cache.display()
        ),
        "curl -sS -m 2 http://10.0.0.2:8080/health",
        Duration::from_secs(90),
    )?;
    let listed = ask(place, &checks, "mlx/model")?;
    assert_passes(&listed);
    ensure!(listed.evidence.ends_with(&release), "{listed:#?}");
    assert_passes(&ask(place, &checks, "mlx/chat")?);
    for what in ["mlx-models", "mlx-chat"] {
        assert_passes(&ask_link(place, &inventory, what)?);
    }
    place.stop()
}
