//! What the engine will need of its host, tried in its place; and a build of the engine, shipped and tried.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use deployctl_e2e::MachineSpec;
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// Rights of the unit, taken away behind its back.
const DROP_IN: &str = "/etc/systemd/system/trading.service.d/99-story.conf";

fn trading(artifact: &str) -> Value {
    json!({
        "user": "trading",
        "group": "trading",
        "directory": "/opt/trading",
        "state_directory": "/var/lib/trading",
        "start_at_boot": false,
        "cpus": [1],
        "priority": 50,
        "inference_socket": null,
        "session": null,
        "fix": null,
        "engine": {
            "artifact": artifact,
            "build": [],
            "version_arguments": ["--version"],
            "version": "engine 1.4.2",
        },
        "probe": {
            "memlock_mib": 16,
            "cycles": 200,
            "interval_us": 1000,
            // Two machines share two processors with all other tests.
            "max_jitter_us": 1_000_000,
            "echoes": 200,
        },
    })
}

/// A machine with the unit's rights applied.
fn applied(artifact: &str) -> Result<Cluster> {
    // The engine's unit has this capability, and containers do not have it by default.
    let spec = MachineSpec::new("exchange").capability("CAP_IPC_LOCK");
    let cluster = Cluster::boot(&[spec])?;
    cluster.redeclare("exchange", |facts| {
        facts["hardware"]["cpu"] = json!({ "model": "shared", "cores": 2, "threads": 2 });
        facts["trading"] = trading(artifact);
    })?;
    cluster.adopt_all()?;
    cluster
        .deployctl(&["apply", "exchange", "--yes"])?
        .expect(0);
    Ok(cluster)
}

/// The checks of the machine whose ids match `pattern`: `status id: evidence [hint or reason]`.
fn verified(cluster: &Cluster, pattern: &str) -> Result<Vec<String>> {
    let run = cluster.deployctl(&["verify", "exchange", "--json", "--only", pattern])?;
    let report = run.json();
    let checks = report["hosts"][0]["checks"]
        .as_array()
        .with_context(|| format!("no checks: {run:?}"))?;
    Ok(checks
        .iter()
        .map(|check| {
            let status = &check["status"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!(
                "{} {}: {} [{}{}]",
                text(&status["status"]),
                text(&check["check"]),
                text(&check["evidence"]),
                text(&status["hint"]),
                text(&status["reason"]),
            )
        })
        .collect())
}

#[track_caller]
fn says(checks: &[String], start: &str, text: &str) {
    assert!(
        checks
            .iter()
            .any(|check| check.starts_with(start) && check.contains(text)),
        "no `{start}` with `{text}` in {checks:#?}"
    );
}

#[test]
fn what_the_engine_needs_is_tried_with_the_rights_of_its_unit() -> Result<()> {
    let cluster = applied("dist/engine")?;
    let machine = cluster.machine("exchange");
    let checks = verified(&cluster, "trading/probe-*")?;
    for item in ["io-uring", "memlock", "fifo", "jitter"] {
        says(&checks, &format!("pass trading/probe-{item}"), "");
    }
    ensure!(checks.len() == 4, "{checks:#?}");
    // Once it is there it is not sent again.
    let there = "stat -c %i-%Z /var/cache/deployctl/hostprobe-*";
    let before = machine.ok(there)?;

    // As before the limits were applied.
    machine.ok(&format!(
        "mkdir -p {d} && printf '[Service]\\nAmbientCapabilities=\\nCapabilityBoundingSet=\\nLimitRTPRIO=0\\nLimitMEMLOCK=1M\\n' >{DROP_IN} && systemctl daemon-reload",
        d = Path::new(DROP_IN).parent().context("it has a folder")?.display()
    ))?;
    let checks = verified(&cluster, "trading/probe-*")?;
    says(&checks, "pass trading/probe-io-uring", "");
    says(
        &checks,
        "fail trading/probe-memlock",
        "RLIMIT_MEMLOCK is 1024 KiB",
    );
    says(&checks, "fail trading/probe-fifo", "RLIMIT_RTPRIO is 0");
    says(&checks, "fail trading/probe-jitter", "SCHED_OTHER");
    ensure!(machine.ok(there)? == before, "hostprobe was sent again");

    // A filter that kills is told from a kernel that refuses.
    machine.ok(&format!(
        "printf '[Service]\\nSystemCallFilter=~io_uring_setup\\n' >{DROP_IN} && systemctl daemon-reload"
    ))?;
    let checks = verified(&cluster, "trading/probe-*")?;
    says(&checks, "fail trading/probe-io-uring", "seccomp");
    says(&checks, "pass trading/probe-fifo", "");

    // Its user is gone.
    machine.ok(&format!(
        "printf '[Service]\\nUser=nobody-at-all\\n' >{DROP_IN} && systemctl daemon-reload"
    ))?;
    let checks = verified(&cluster, "trading/probe-*")?;
    says(&checks, "fail trading/probe-fifo", "217/USER");

    // The engine runs: its CPUs are left alone.
    machine.ok(&format!(
        "rm {DROP_IN} && systemctl daemon-reload && mkdir -p /opt/trading/releases/1/bin && \
         printf '#!/bin/sh\\nexec sleep infinity\\n' >/opt/trading/releases/1/bin/trading_engine && \
         chmod -R a+rX,u+x /opt/trading/releases && chmod a+x /opt/trading/releases/1/bin/trading_engine && \
         ln -s releases/1 /opt/trading/current && systemctl start trading.service"
    ))?;
    let checks = verified(&cluster, "trading/probe-*")?;
    says(&checks, "pass trading/probe-io-uring", "");
    says(&checks, "pass trading/probe-memlock", "");
    says(&checks, "skip trading/probe-fifo", "the unit runs");
    says(&checks, "skip trading/probe-jitter", "the unit runs");
    ensure!(
        machine
            .ok("systemctl list-units --all --no-legend 'deployctl-engine-*'")?
            .is_empty()
    );
    Ok(())
}

/// Compiles `program` for hosts of every kind.
fn compile(folder: &Path, program: &str, arguments: &[&str]) -> Result<PathBuf> {
    let source = folder.join(format!("{program}.c"));
    let artifact = folder.join(program);
    let output = Command::new("gcc")
        .arg("-o")
        .arg(&artifact)
        .arg(&source)
        .args(arguments)
        .current_dir(folder)
        .output()
        .context("gcc did not start")?;
    ensure!(output.status.success(), "{output:?}");
    Ok(artifact)
}

const SAYS: &str = "#include <stdio.h>\nint main(void) { puts(\"engine 1.4.2\"); return 0; }\n";

#[test]
fn a_build_of_the_engine_is_shipped_and_tried() -> Result<()> {
    let cluster = applied("dist/engine")?;
    let machine = cluster.machine("exchange");
    let dist = cluster.path("dist");
    fs::create_dir_all(&dist)?;
    let try_build = |artifact: &str| -> Result<Vec<String>> {
        cluster.redeclare("exchange", |facts| {
            facts["trading"]["engine"]["artifact"] = json!(format!("dist/{artifact}"));
        })?;
        verified(&cluster, "trading/[ec]*")
    };

    says(
        &try_build("nothing")?,
        "fail trading/engine",
        "build it to `dist/nothing`",
    );

    fs::write(dist.join("engine.c"), SAYS)?;
    compile(&dist, "engine", &[])?;
    let checks = try_build("engine")?;
    says(&checks, "pass trading/engine", "it says `engine 1.4.2`");
    says(
        &checks,
        "skip trading/current",
        "no release has been put there yet",
    );

    fs::write(dist.join("static.c"), SAYS)?;
    let whole = compile(&dist, "static", &["-static"])?;
    says(&try_build("static")?, "pass trading/engine", "");

    // For another processor family: the same, but for the two bytes that say so.
    let mut other = fs::read(whole)?;
    other[18..20].copy_from_slice(&183_u16.to_le_bytes());
    fs::write(dist.join("arm"), other)?;
    says(
        &try_build("arm")?,
        "fail trading/engine",
        "built for aarch64, and the host is x86_64",
    );

    // With an instruction that this processor does not have.
    fs::write(
        dist.join("march.c"),
        "int main(void) { __builtin_trap(); }\n",
    )?;
    compile(&dist, "march", &[])?;
    says(
        &try_build("march")?,
        "fail trading/engine",
        "SIGILL: built for another processor",
    );

    // A symbol of a glibc that nobody has yet.
    let future = dist.join("future");
    fs::create_dir_all(&future)?;
    fs::write(future.join("libc.c"), "int tomorrow(void) { return 0; }\n")?;
    fs::write(future.join("map"), "GLIBC_2.99 { tomorrow; };\n")?;
    compile(
        &future,
        "libc",
        &[
            "-shared",
            "-fPIC",
            "-Wl,-soname,libm.so.6",
            "-Wl,--version-script=map",
        ],
    )?;
    fs::write(
        dist.join("new.c"),
        "int tomorrow(void); int main(void) { return tomorrow(); }\n",
    )?;
    compile(&dist, "new", &["future/libc"])?;
    says(
        &try_build("new")?,
        "fail trading/engine",
        "it wants glibc 2.99, and the host has 2.36",
    );

    // What another C library starts.
    fs::write(dist.join("nix.c"), SAYS)?;
    compile(&dist, "nix", &["-Wl,--dynamic-linker=/nix/store/ld.so"])?;
    says(
        &try_build("nix")?,
        "fail trading/engine",
        "/nix/store/ld.so, which is not there",
    );

    // An older one.
    fs::write(dist.join("old.c"), SAYS.replace("1.4.2", "1.4.1"))?;
    compile(&dist, "old", &[])?;
    says(
        &try_build("old")?,
        "fail trading/engine",
        "it says `engine 1.4.1`",
    );

    // A file that was changed on the host is uploaded again.
    machine.ok("for f in /var/cache/deployctl/engine-*; do echo x >>\"$f\"; done")?;
    says(&try_build("engine")?, "pass trading/engine", "");

    // A release that is there, and breaks.
    machine.ok(
        "mkdir -p /opt/trading/releases/1/bin && ln -s releases/1 /opt/trading/current && \
         printf '#!/bin/sh\\nkill -SEGV $$\\n' >/opt/trading/current/bin/trading_engine && \
         chmod -R a+rX /opt/trading/releases && chmod a+x /opt/trading/current/bin/trading_engine",
    )?;
    says(&try_build("engine")?, "fail trading/current", "SIGSEGV");
    Ok(())
}
