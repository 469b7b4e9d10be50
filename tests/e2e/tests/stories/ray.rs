//! A server of vLLM over two hosts by the real Ray, on the CPU: whichever host comes first, one that goes and comes back, and
//! nothing that is left. What vLLM itself does on top of Ray is played: its build for the CPU refuses Ray.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use deployctl_e2e::{Base, Machine, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Run};
use crate::hub::Hub;
use crate::inference::{NVIDIA_SMI, nvidia, vllm};
use crate::links::{cable, interface};
use crate::projects::{self, Project};

const HEALTHY: &str = "curl -fsS -m 3 -o /dev/null http://127.0.0.1:8001/health";
/// Ray's own ports, and whatever runs as the servers' user.
const LEFT: &str = "ss -Hltn | grep -E ':(6379|63[89][0-9]|64[0-7][0-9]|8001) '; ps -u vllm -o args= 2>/dev/null; ls -d /run/vllm* /etc/systemd/system/vllm* 2>/dev/null; true";

/// The wheels of Ray, and what plays vLLM, as an index, and a project with its lock that needs both.
fn publish(cluster: &Cluster, hub: &Hub, wheels: &Path) -> Result<Project> {
    let place = cluster.world.scratch().join("wheels");
    std::fs::create_dir_all(&place)?;
    projects::publish_wheels(hub, wheels)?;
    std::fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories/ray/vllm.py"),
        place.join("vllm.py"),
    )?;
    projects::wheel(hub, &place, ("vllm", "0.33.0", None), 10)?;
    projects::locked(
        cluster,
        hub,
        "left/servers",
        "dependencies = [\"ray\", \"vllm==0.33.0\"]",
    )
}

fn firewall() -> Value {
    let service = |name: &str, ports: Value, from: Value, interfaces: Value| json!({ "name": name, "protocol": "tcp", "ports": ports, "from": from, "interfaces": interfaces });
    json!({ "input": "drop", "output": "accept", "egress": [], "services": [
        service("ssh", json!([22]), json!([]), json!([])),
        service("ray", json!([5201, "6379-6478", "32768-60999"]), json!(["10.44.0.0/24"]), json!(["link0"])),
    ] })
}

fn servers(head: bool) -> Value {
    let mut facts = vllm();
    if head {
        let mut instance = facts["instances"]["vllm"].take();
        instance.as_object_mut().map(|it| it.remove("socket"));
        instance["address"] = json!("127.0.0.1");
        instance["port"] = json!(8001);
        instance["over"] = json!({
            "link": "cable",
            "address": "10.44.0.1",
            "workers": { "right": "10.44.0.2" },
            "tensor_parallel": 1,
            "pipeline_parallel": 2,
            "port": 6379,
            "credential": "ray-token",
        });
        facts["instances"] = json!({ "vllm-wide": instance });
    } else {
        facts["instances"] = json!({});
        facts["workers"] = json!({ "vllm-wide": {
            "head": "left",
            "address": "10.44.0.2",
            "gpus": [0],
            "gpu_memory_utilization": 0.9,
            "credential": "ray-token",
        } });
    }
    facts
}

/// Two machines that are joined by a cable, with all that they are to be declared, and nothing applied.
fn joined(wheels: &Path) -> Result<(Cluster, Hub)> {
    let spec = |name| {
        MachineSpec::new(name)
            .base(Base::Python)
            .nic("link0")
            .file("/etc/tmpfiles.d/holders.conf", "f /run/holders\n")
            .program("/usr/bin/nvidia-smi", NVIDIA_SMI)
            .program("/usr/sbin/update-initramfs", "#!/bin/sh\n")
            .file("/srv/models/tiny/config.json", "{}\n")
            .file(
                "/etc/deployctl/secrets/vllm-api-key",
                "s3cret-of-requests\n",
            )
            .file("/etc/deployctl/secrets/ray-token", "t0ken-of-all-nodes\n")
    };
    let cluster = Cluster::boot(&[spec("left"), spec("right")])?;
    let hub = Hub::start(&cluster.world)?;
    let uv = projects::publish_uv(&hub)?;
    let project = publish(&cluster, &hub, wheels)?;
    let declared: Value = serde_json::from_str(include_str!("../../../fixtures/inventory.json"))?;
    let mut endpoints = serde_json::Map::new();
    for (name, address) in [("left", "10.44.0.1"), ("right", "10.44.0.2")] {
        let machine = cluster.machine(name);
        hub.trusted_by(machine)?;
        machine.write(
            "/etc/systemd/network/10-link0.network",
            format!(
                "[Match]\nName=link0\n[Link]\nMTUBytes=9000\n[Network]\nAddress={address}/24\n"
            ),
        )?;
        machine.ok(&format!("chmod 0700 /etc/deployctl/secrets; ip link set link0 mtu 9000 up && ip address replace {address}/24 dev link0"))?;
        cluster.redeclare(name, |facts| {
            facts["network"] = interface(address);
            facts["system"] = declared["hosts"]["linode"]["system"].clone();
            facts["system"]["hostname"] = json!(name);
            facts["ssh"] = declared["hosts"]["linode"]["ssh"].clone();
            facts["firewall"] = firewall();
            facts["nvidia"] = nvidia();
            facts["vllm"] = servers(name == "left");
            facts["python"] = json!({ "uv": uv, "environments": { "vllm": {
                "path": "/opt/vllm/current",
                "imports": { "ray": null, "vllm": "0.33.0" },
                "tensor": null,
                "project": { "pyproject": project.pyproject, "lock": project.lock, "python": "/usr/bin/python3" },
            } } });
        })?;
        endpoints.insert(
            name.to_owned(),
            json!({ "interface": "link0", "address": address }),
        );
    }
    cluster.declare_links(&cable(&endpoints))?;
    cluster.adopt_all()?;
    Ok((cluster, hub))
}

/// The checks of `vllm` on both, without those of latency, since what plays the server has no tokens, and without that of locked
/// memory, of which a container gets no more than this computer's processes.
fn verify(cluster: &Cluster) -> Result<Run> {
    cluster.deployctl(&[
        "verify",
        "--only",
        "vllm",
        "--skip",
        "vllm/process",
        "--quick",
    ])
}

fn where_workers_are(machine: &Machine) -> Result<Value> {
    let text = machine.ok("curl -fsS -m 5 http://127.0.0.1:8001/where")?;
    Ok(serde_json::from_str(&text)?)
}

#[test]
#[ignore = "75 MB from PyPI, and minutes: tests/run --full has it"]
fn one_server_runs_on_two_hosts_by_the_real_ray() -> Result<()> {
    let Some(wheels) = projects::real_wheels("ray") else {
        return Ok(());
    };
    let (cluster, _hub) = joined(&wheels)?;
    let (left, right) = (cluster.machine("left"), cluster.machine("right"));
    let minutes = Duration::from_secs(150);

    // The head comes first, and waits: its apply stands, and the check says for whom.
    cluster.deployctl(&["apply", "left", "--yes"])?.expect(0);
    left.ok("systemctl is-active vllm-wide.service vllm-wide-ray.service")?;
    cluster
        .deployctl(&["verify", "left", "--only", "vllm/nodes"])?
        .expect(4)
        .says("not there: right");

    cluster.deployctl(&["apply", "right", "--yes"])?.expect(0);
    left.wait_until(minutes, HEALTHY)?;
    verify(&cluster)?.expect(0);
    let mut nodes = Vec::new();
    for worker in where_workers_are(left)?.as_array().context("a list")? {
        ensure!(worker["has_key"] == false, "{worker}");
        ensure!(worker["VLLM_HOST_IP"] == worker["node"], "{worker}");
        ensure!(worker["NCCL_SOCKET_IFNAME"] == "=link0", "{worker}");
        ensure!(worker["GLOO_SOCKET_IFNAME"] == "link0", "{worker}");
        nodes.push(worker["node"].as_str().context("an address")?.to_owned());
    }
    nodes.sort();
    ensure!(nodes == ["10.44.0.1", "10.44.0.2"], "{nodes:?}");

    // Secrets are in no command line and no log.
    for machine in [left, right] {
        let told = machine.ok("for where in 'ps -eo args=' 'journalctl -b' 'grep -rh . /run/vllm-wide-ray /var/lib/deployctl'; do $where | grep -aE '[s]3cret-of|[t]0ken-of' | sed \"s|^|$where: |\"; done")?;
        ensure!(told.is_empty(), "{told}");
    }
    // From the other network nobody reaches Ray, though it listens there, too.
    left.ok("ss -Hltn 'sport = :6379' | grep -qF '*:6379'")?;
    let reached = cluster
        .world
        .controller("curl")
        .args(["-sS", "-m", "3", "-o", "/dev/null"])
        .arg(format!("http://{}:6379/", left.address()))
        .output()?;
    ensure!(reached.status.code() == Some(28), "{reached:?}");

    // Every process of a node is killed at once, then the host goes for good, and comes back; at last its machine boots anew.
    right.ok("systemctl kill --signal=KILL vllm-wide-ray.service")?;
    left.wait_until(minutes, &format!("! {HEALTHY}"))?;
    left.wait_until(minutes, HEALTHY)?;
    right.ok("systemctl stop vllm-wide-ray.service")?;
    left.wait_until(minutes, &format!("! {HEALTHY}"))?;
    left.wait_until(
        minutes,
        "systemctl is-active --quiet vllm-wide.service && ! pgrep -f 'bin/vllm [s]erve'",
    )?;
    cluster
        .deployctl(&["verify", "--only", "vllm/nodes"])?
        .expect(4)
        .says("not there: right");
    right.ok("systemctl start vllm-wide-ray.service")?;
    left.wait_until(minutes, HEALTHY)?;
    right.reboot()?;
    left.wait_until(minutes, &format!("! {HEALTHY}"))?;
    left.wait_until(minutes, HEALTHY)?;
    verify(&cluster)?.expect(0);

    // The head's own node ends: the server goes with it, and all of it comes back.
    left.ok("systemctl kill --signal=KILL vllm-wide-ray.service")?;
    left.wait_until(minutes, &format!("! {HEALTHY}"))?;
    left.wait_until(minutes, HEALTHY)?;

    for name in ["right", "left"] {
        cluster.redeclare(name, |facts| {
            facts.as_object_mut().map(|it| it.remove("vllm"));
        })?;
    }
    for name in ["right", "left"] {
        cluster.deployctl(&["apply", name, "--yes"])?.expect(0);
        let left = cluster.machine(name).ok(LEFT)?;
        ensure!(left.is_empty(), "left on {name}: {left}");
    }
    Ok(())
}
