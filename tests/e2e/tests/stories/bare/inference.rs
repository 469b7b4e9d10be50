//! A host like one with a GPU, from nothing to a `verify` without a failure: driver, environment, model, key and server come
//! by `apply`. The programs of the GPU and of vLLM are labelled stand-ins; uv, age, apt, curl and systemd are real.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use deployctl_e2e::{AptRepo, Base, Deb, Machine, MachineSpec};
use serde_json::{Value, json};

use super::{MIB, TOKEN, answers};
use crate::cluster::Cluster;
use crate::environments::PASSWORD;
use crate::hub::{Hub, noise};
use crate::inference::{NVIDIA_SMI, nvidia, vllm};
use crate::projects::{Project, project, publish_uv, wheel};
use crate::secrets::leaks::set;

const REVISION: &str = "5555555555555555555555555555555555555555";

/// Plays the kernel's module: puts what that would say over the kernel's files, at each boot.
const MODULE: &str = r#"
[Unit]
Before=nvidia-power-limit.service vllm.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=mount -t tmpfs none /proc/driver
ExecStart=mkdir -p /proc/driver/nvidia/gpus/0000:01:00.0
ExecStart=sh -c "printf 'GPU UUID: \\t GPU-a\\nDevice Minor: \\t 0\\n' >/proc/driver/nvidia/gpus/0000:01:00.0/information"
ExecStart=sh -c "echo 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95' >/proc/driver/nvidia/version"
ExecStart=sh -c "mount -o remount,rw /sys; mkdir -p /sys/module/nvidia; echo 580.95 >/sys/module/nvidia/version"
ExecStart=sh -c ": >/run/holders"

[Install]
WantedBy=multi-user.target
"#;

/// What the host is to serve, and with what.
pub(super) struct Served {
    pub(super) version: &'static str,
    pub(super) project: Project,
    pub(super) manifest: Value,
}

/// A host with nothing on it: its driver is in an archive, its environment and its model are on the hub.
pub(super) fn bare() -> Result<(Hub, Cluster)> {
    let spec = MachineSpec::new("cuda")
        .base(Base::Python)
        // The driver's blacklist is in the initramfs, which a container has none of.
        .program("/usr/sbin/update-initramfs", "#!/bin/sh\n");
    let cluster = Cluster::boot(&[spec])?;
    let hub = Hub::start(&cluster.world)?;
    let machine = cluster.machine("cuda");
    hub.trusted_by(machine)?;
    let driver = Deb::new("nvidia-stand-in", "580.95-1")
        .file("/usr/bin/nvidia-smi", NVIDIA_SMI)
        .file("/usr/local/sbin/modinfo", "#!/bin/sh\necho 580.95\n");
    let archive = AptRepo::build(&cluster.world.scratch().join("apt"), &[driver])?;
    machine.use_apt_repo(&archive)?;
    machine.write("/etc/systemd/system/stand-in-module.service", MODULE)?;
    machine.ok("systemctl enable --quiet --now stand-in-module.service")?;
    Ok((hub, cluster))
}

/// Declares all of it; its secrets are encrypted.
pub(super) fn declare(hub: &Hub, cluster: &Cluster, served: &Served) -> Result<()> {
    let uv = publish_uv(hub)?;
    cluster.declare_secrets(&json!({
        "hub-token": { "for": ["cuda"] },
        "index-password": { "for": ["cuda"] },
        "vllm-api-key": { "for": ["cuda"], "generate_bytes": 32 },
    }))?;
    let address = cluster.world.address().to_string();
    cluster.redeclare("cuda", |facts| {
        facts["nvidia"] = nvidia();
        facts["nvidia"]["packages"] = json!({ "nvidia-stand-in": "580.95-1" });
        facts["vllm"] = vllm();
        facts["vllm"]["version"] = json!(served.version);
        facts["vllm"]["instances"]["vllm"]["model"]["path"] = json!("/srv/models/tiny/current");
        facts["models"] = json!({ "snapshots": { "tiny": {
            "manifest": served.manifest,
            "folder": "/srv/models/tiny",
            "hub": hub.url(),
            "credential": "hub-token",
        }}});
        facts["python"] = json!({ "uv": uv, "environments": { "vllm": {
            "path": "/opt/vllm/current",
            "imports": { "vllm": served.version },
            "tensor": null,
            "project": {
                "pyproject": served.project.pyproject,
                "lock": served.project.lock,
                "python": "/usr/bin/python3",
                "credential": { "server": address, "user": "reader", "secret": "index-password" },
            },
        }}});
    })?;
    cluster.adopt_all()?;
    set(cluster, "hub-token", TOKEN)?;
    set(cluster, "index-password", PASSWORD)?;
    cluster
        .deployctl(&["secret", "rotate", "vllm-api-key"])?
        .expect(0);
    Ok(())
}

/// Serves by what plays vLLM.
fn declared() -> Result<(Hub, Cluster)> {
    let (hub, cluster) = bare()?;
    let place = cluster.world.scratch().join("wheels");
    fs::create_dir_all(&place)?;
    fs::write(place.join("vllm.py"), include_str!("vllm.py"))?;
    let played = wheel(&hub, &place, ("vllm", "0.33.0", None), MIB)?;
    let manifest = hub.publish(
        REVISION,
        &[
            ("config.json", b"{}\n".to_vec()),
            ("model.safetensors", noise(5, 12 * MIB)),
        ],
    )?;
    let served = Served {
        version: "0.33.0",
        project: project(&hub, &[&played]),
        manifest,
    };
    declare(&hub, &cluster, &served)?;
    Ok((hub, cluster))
}

/// Every check passes, but for the one of a boot loader that a container has none of. A computer that gives nobody more locked
/// memory gives its containers no more, whatever their units ask for: then that check says how much it is. `options` are of
/// `verify`.
pub(super) fn is_green(cluster: &Cluster, machine: &Machine, options: &[&str]) -> Result<()> {
    machine.wait_until(
        Duration::from_secs(60),
        "systemctl is-active --quiet vllm.service",
    )?;
    let run = cluster.deployctl(&[&["verify", "cuda", "--json"], options].concat())?;
    let report: Value = serde_json::from_str(&run.stdout)?;
    let checks = report["hosts"][0]["checks"].as_array();
    let others: Vec<String> = checks
        .into_iter()
        .flatten()
        .filter(|check| check["status"]["status"] != "pass")
        .map(|check| {
            let [name, status, found] = [&check["check"], &check["status"], &check["evidence"]];
            format!("{}: {status} {found}", name.as_str().unwrap_or_default())
        })
        .collect();
    let limit = machine
        .ok("systemd-run --quiet --pipe --wait -p LimitMEMLOCK=infinity sh -c 'ulimit -l'")?;
    let is_bounded = limit.trim() != "unlimited";
    let (bounded, others): (Vec<String>, Vec<String>) = others.into_iter().partition(|line| {
        line.starts_with("vllm/process/vllm: ") && line.contains("locked memory")
    });
    assert_eq!(
        bounded.len(),
        usize::from(is_bounded),
        "{limit}: {bounded:?}"
    );
    assert_eq!(run.code, if is_bounded { 4 } else { 0 });
    assert_eq!(
        others,
        [
            r#"nvidia/next-kernel: {"status":"skip","reason":"another boot loader chooses the next kernel"} "no kernel in /boot/grub/grub.cfg""#
        ]
    );
    let passed = checks.map_or(0, Vec::len) - others.len();
    assert!(passed > 35, "{passed} checks passed");
    cluster
        .deployctl(&["plan", "cuda", "--exit-code"])?
        .expect(0);
    Ok(())
}

#[test]
fn a_bare_host_serves_a_model_after_one_apply() -> Result<()> {
    let (hub, cluster) = declared()?;
    let machine = cluster.machine("cuda");
    answers(&hub, &json!({}))?;
    machine.ok(
        "! command -v nvidia-smi; ! test -e /opt/vllm -o -e /srv/models -o -e /etc/deployctl",
    )?;
    cluster
        .deployctl(&["apply", "cuda", "--yes"])?
        .expect(0)
        .says("committed as generation 2");
    is_green(&cluster, machine, &[])?;

    // All of it comes up by itself.
    machine.reboot()?;
    is_green(&cluster, machine, &[])
}

#[test]
fn a_bare_host_serves_a_model_although_it_is_cut_off_and_reboots() -> Result<()> {
    let (hub, cluster) = declared()?;
    let machine = cluster.machine("cuda");
    answers(&hub, &json!({ "rate": 2 * MIB }))?;
    let mut controller = cluster.command(&["apply", "cuda", "--yes"]).spawn()?;
    machine.wait_until(
        Duration::from_secs(90),
        "test \"$(find /srv/models/tiny -name model.safetensors -printf %s)\" -gt 2000000",
    )?;
    controller.kill()?;
    controller.wait()?;
    machine.ok(
        "test \"$(cat /var/lib/deployctl/generation)\" = 1; ! systemctl is-active -q vllm.service",
    )?;
    machine.reboot()?;
    answers(&hub, &json!({}))?;
    cluster
        .deployctl(&["apply", "cuda", "--yes"])?
        .expect(0)
        .says("committed as generation 2");
    is_green(&cluster, machine, &[])
}
