//! A server of vLLM whose main process is killed: nothing of it is left, and what was left another way is named.

use std::time::Duration;

use anyhow::{Result, ensure};
use deployctl_e2e::{Base, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// Plays vLLM: answers at its socket, and has an engine and a worker of its own, which ignores that it is told to end. With
/// `/run/broken` it ends by itself while it loads.
const SERVER: &str = r#"#!/usr/bin/env python3
import os, signal, socketserver, sys, time
from http.server import BaseHTTPRequestHandler

if os.path.exists("/run/broken"):
    time.sleep(3)
    sys.exit("out of memory")
for stubborn in (False, True):
    if os.fork() == 0:
        if stubborn:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.setsid()
        while True:
            time.sleep(60)

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def address_string(self):
        return "socket"

class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    pass

Server(sys.argv[sys.argv.index("--uds") + 1], Handler).serve_forever()
"#;

/// Plays the driver's program: one GPU, and whoever `/run/holders` says has memory of them.
pub(crate) const NVIDIA_SMI: &str = r"#!/bin/sh
case $* in
*compute-apps*) cat /run/holders ;;
*query-gpu=uuid,name*) printf 'GPU-a, NVIDIA GeForce RTX 3090\n' ;;
*query-gpu*) echo 'NVIDIA GeForce RTX 3090, 580.95, 24576, Disabled, 280.00, 16, 4, 8.6' ;;
esac
";

const CONTROL_GROUP: &str = "/sys/fs/cgroup/system.slice/vllm.service/cgroup.procs";

pub(crate) fn nvidia() -> Value {
    json!({
        "gpu": { "name": "NVIDIA GeForce RTX 3090", "memory_mib": 24576, "compute_capability": "8.6", "pcie_width": 16 },
        "branch": 580,
        "open_modules": true,
        "packages": {},
        "persistence": false,
        "power_limit_watts": 280,
        "modules": [],
    })
}

pub(crate) fn vllm() -> Value {
    json!({
        "version": "0.33.0",
        "user": "vllm",
        "group": "inference",
        "instances": { "vllm": {
            "model": { "id": "org/tiny", "path": "/srv/models/tiny", "served_name": "tiny" },
            "gpus": [0],
            "socket": "/run/vllm/vllm.sock",
            "credential": "vllm-api-key",
            "dtype": "auto",
            "max_model_len": 2048,
            "max_num_seqs": 8,
            "gpu_memory_utilization": 0.9,
            "start_timeout_seconds": 60,
            "latency": {
                "ttft_ms_p95": 1000, "itl_ms_p95": 1000, "prompt_tokens": 16, "output_tokens": 4, "requests": 5,
                "e2e_ms_p99": 1000,
            },
        } },
    })
}

/// What `verify` says of the GPU's memory: status, evidence, hint.
fn gpu_memory(cluster: &Cluster) -> Result<[String; 3]> {
    let run = cluster.deployctl(&["verify", "cuda", "--json", "--only", "vllm/gpu-memory"])?;
    let report = run.json();
    let checks = report["hosts"][0]["checks"].as_array();
    let check = checks.and_then(|all| all.iter().find(|it| it["check"] == "vllm/gpu-memory/0"));
    let Some(check) = check else {
        anyhow::bail!("no check of the GPU's memory: {run:?}");
    };
    let status = &check["status"];
    let parts = [&status["status"], &check["evidence"], &status["hint"]];
    Ok(parts.map(|part| part.as_str().unwrap_or_default().to_owned()))
}

#[test]
fn nothing_of_a_server_is_left_when_its_main_process_is_killed() -> Result<()> {
    let spec = MachineSpec::new("cuda")
        .base(Base::Python)
        .program("/opt/vllm/0.33.0/bin/vllm", SERVER)
        .program("/usr/bin/nvidia-smi", NVIDIA_SMI)
        // The driver's blacklist is in the initramfs, which a container has none of.
        .program("/usr/sbin/update-initramfs", "#!/bin/sh\n")
        .file("/srv/models/tiny/config.json", "{}\n")
        .file("/etc/deployctl/secrets/vllm-api-key", "s3cret\n");
    let cluster = Cluster::boot(&[spec])?;
    let machine = cluster.machine("cuda");
    cluster.redeclare("cuda", |facts| {
        facts["nvidia"] = nvidia();
        facts["vllm"] = vllm();
    })?;
    cluster.adopt_all()?;
    cluster.deployctl(&["apply", "cuda", "--yes"])?.expect(0);

    // All three are in the unit's control group, and systemd was told to end all.
    let shown =
        machine.ok("systemctl show -p KillMode -p SendSIGKILL -p TimeoutStopUSec vllm.service")?;
    for word in [
        "KillMode=control-group",
        "SendSIGKILL=yes",
        "TimeoutStopUSec=1min",
    ] {
        ensure!(shown.contains(word), "{word}: {shown}");
    }
    let before = machine.ok(&format!("cat {CONTROL_GROUP}"))?;
    ensure!(before.lines().count() == 3, "{before}");

    // A minute is long for a test: what is tested is that it ends.
    machine.ok("mkdir -p /run/systemd/system/vllm.service.d && printf '[Service]\nTimeoutStopSec=3\nRestartSec=1\n' >/run/systemd/system/vllm.service.d/story.conf && systemctl daemon-reload")?;
    machine.ok("kill -9 \"$(systemctl show -P MainPID vllm.service)\"")?;
    let gone: Vec<String> = before
        .lines()
        .map(|pid| format!("! [ -d /proc/{pid} ]"))
        .collect();
    machine.wait_until(Duration::from_secs(30), &gone.join(" && "))?;
    // Its successor starts when nothing is left.
    machine.wait_until(
        Duration::from_secs(60),
        "systemctl is-active --quiet vllm.service",
    )?;

    // The same where it ends as if it had been told to, which vLLM's does where its engine ended.
    let main = machine.ok("systemctl show -P MainPID vllm.service")?;
    machine.ok(&format!("kill -TERM {main}"))?;
    machine.wait_until(
        Duration::from_secs(60),
        &format!(
            "! [ -d /proc/{} ] && systemctl is-active --quiet vllm.service",
            main.trim()
        ),
    )?;

    // One that ends while it loads is noticed then, and not when the time is over that a start may take.
    machine.ok("touch /run/broken; timeout 30 systemctl restart vllm.service; [ $? -eq 1 ] && journalctl -u vllm.service | grep -q 'the server ended before it was healthy'")?;
    machine.ok("rm /run/broken")?;
    machine.wait_until(
        Duration::from_secs(60),
        "systemctl is-active --quiet vllm.service",
    )?;

    // The driver's own files, which a test can only put over the kernel's.
    machine.ok("mount -t tmpfs none /proc/driver && mkdir -p /proc/driver/nvidia/gpus/0000:01:00.0 && printf 'GPU UUID: \t GPU-a\\nDevice Minor: \t 0\\n' >/proc/driver/nvidia/gpus/0000:01:00.0/information")?;
    machine.ok(&format!(
        "sed 's/.*/GPU-a, &, 7000/' {CONTROL_GROUP} >/run/holders"
    ))?;
    let [status, found, _] = gpu_memory(&cluster)?;
    ensure!(status == "pass", "{found}");

    // One that was started past the unit, as its user, and one of somebody else that takes what is left of the GPU.
    let start = |user: &str| {
        machine.ok(&format!(
            "systemd-run --quiet --unit=stray-{user} -p User={user} sleep 600 && systemctl show -P MainPID stray-{user}.service"
        ))
    };
    let stray = start("vllm")?.trim().to_owned();
    machine.ok(&format!("echo 'GPU-a, {stray}, 300' >>/run/holders"))?;
    let [status, found, hint] = gpu_memory(&cluster)?;
    ensure!(
        status == "fail"
            && found.contains(&format!(
                "{stray} (sleep of vllm, /system.slice/stray-vllm.service) has 300 MiB"
            )),
        "{status}: {found}"
    );
    ensure!(hint.contains(&format!("kill -9 {stray}`")), "{hint}");

    machine.ok(&format!("kill -9 {stray}"))?;
    let other = start("nobody")?.trim().to_owned();
    for (size, wanted) in [(2000, "pass"), (3000, "fail")] {
        machine.ok(&format!("echo 'GPU-a, {other}, {size}' >/run/holders"))?;
        let [status, found, _] = gpu_memory(&cluster)?;
        ensure!(
            status == wanted && found.contains(&format!("{other} (sleep of nobody")),
            "{status}: {found}"
        );
    }
    Ok(())
}
