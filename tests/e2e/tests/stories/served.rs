//! What a host serves and runs besides its own configuration: real exporters, a real UPS daemon, a real chronyd,
//! Python, and an endpoint; first as declared, then in trouble.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use deployctl_e2e::{Base, Machine, MachineSpec};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::demo;

/// Plays the endpoint for inference, and exporters that answer without metrics. Says `401` without the key.
const SERVER: &str = r##"
import sys
from threading import Thread
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODELS = b'{"object": "list", "data": [{"id": "tiny"}]}'

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get("Authorization") == "Bearer s3cret"
        status, body = {
            "/health": (200, b""),
            "/v1/models": (200, MODELS) if known else (401, b"{}"),
            "/comments": (200, b"# HELP node_load1 1m load average.\n# TYPE node_load1 gauge\n"),
            "/login": (401, b""),
            "/collecting": (503, b"node_load1 0.5\n"),
        }.get(self.path, (404, b""))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

Thread(target=ThreadingHTTPServer(("127.0.0.2", 8001), Handler).serve_forever).start()
ThreadingHTTPServer((sys.argv[1], 8000), Handler).serve_forever()
"##;

/// Follows its own clock, which never errs, and leaves the machine's alone.
const CLOCKS: &str = "\
systemctl stop chrony
mkdir -p /run/reference
printf 'local stratum 8\\nport 11123\\nallow 127.0.0.1\\ncmdport 0\\nbindcmdaddress /\\npidfile /run/reference/pid\\n' >/run/reference/conf
printf 'server 127.0.0.1 port 11123 iburst minpoll 0 maxpoll 0\\n' >/etc/chrony/chrony.conf
chronyd -x -f /run/reference/conf
chronyd -x";

/// A supply that exists in a file only, by NUT's own driver for tests.
const SUPPLY: &str = "\
echo MODE=netserver >/etc/nut/nut.conf
printf 'pollinterval = 1\\n[cyberpower]\\n  driver = dummy-ups\\n  port = cyberpower.dev\\n' >/etc/nut/ups.conf
printf 'LISTEN 127.0.0.1 3493\\n' >/etc/nut/upsd.conf
chown root:nut /etc/nut/*; chmod 640 /etc/nut/*
systemctl restart nut-driver-enumerator nut-server";

fn supply(machine: &Machine, status: &str, charge: u8) -> Result<()> {
    machine.write(
        "/etc/nut/cyberpower.dev",
        format!("ups.status: {status}\nbattery.charge: {charge}\nbattery.runtime: 1284\n"),
    )
}

fn serve(machine: &Machine, address: &str) -> Result<()> {
    machine.ok(&format!(
        "systemctl stop server 2>/dev/null; systemd-run --quiet --unit=server python3 /root/server.py {address}"
    ))?;
    Ok(())
}

fn exporter(port: u16, path: &str) -> Value {
    let address = if port == 9100 {
        "127.0.0.1"
    } else {
        "127.0.0.2"
    };
    json!({ "address": address, "port": port, "path": path, "metrics": ["node_load1"] })
}

/// How the checks of these concerns end, one a line: `time/leap pass`.
fn asked(cluster: &Cluster) -> Result<String> {
    let run = cluster.deployctl(&["verify", "box", "--json"])?;
    let report = run.json();
    let checks = report["hosts"][0]["checks"]
        .as_array()
        .with_context(|| format!("no checks: {run:?}"))?;
    let mut lines = Vec::new();
    for check in checks {
        let id = check["check"].as_str().unwrap_or_default();
        let status = check["status"]["status"].as_str().unwrap_or_default();
        let concern = id.split('/').next().unwrap_or_default();
        // Whether the machine's own clock is synchronised is up to the computer that it runs on.
        let ours = ["time", "python", "gateway", "power", "monitoring"].contains(&concern)
            && ![
                "time/synchronized",
                "time/packages",
                // Nothing was applied here.
                "time/overruled/chrony.service.d/10-deployctl.conf",
                "time/unit/chrony.service",
            ]
            .contains(&id);
        if ours {
            // How long curl waited for a refusal differs from run to run.
            let words = check["evidence"].as_str().unwrap_or_default();
            let words = words.split(" after ").next().unwrap_or_default();
            let evidence = if status == "pass" { "" } else { words };
            lines.push(format!("{status} {id} {evidence}").trim_end().to_owned());
        }
    }
    Ok(lines.join("\n"))
}

/// A file of others that netplan does not take, and of which nothing but its place leaves the host.
fn files_of_netplan(cluster: &Cluster, machine: &Machine) -> Result<()> {
    let before = cluster.facts("box")?;
    machine.ok("mkdir -p -m 0755 /etc/netplan")?;
    machine.write(
        "/etc/netplan/00-theirs.yaml",
        "network:\n  version: 2\n  ethernets:\n    lan9:\n      dhcp4: hunter2\n",
    )?;
    cluster.redeclare("box", |facts| {
        let ours = "network:\n  version: 2\n  ethernets:\n    lan8:\n      mtu: 1400\n";
        facts["extra"] = json!({
            "files": [demo::file("/etc/netplan/60-ours.yaml", ours)], "packages": {}, "units": {},
        });
    })?;
    let told = cluster
        .deployctl(&["plan", "box"])?
        .expect(9)
        .says("`netplan` does not take `/etc/netplan/00-theirs.yaml:5`: invalid boolean value");
    assert!(!told.stdout.contains("hunter2"), "{told:?}");
    machine.ok("rm /etc/netplan/00-theirs.yaml")?;
    cluster.deployctl(&["plan", "box"])?.expect(0);
    cluster.declare("box", &before)
}

#[test]
fn what_a_host_serves_is_asked_of_the_real_programs() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("box").base(Base::Python)])?;
    let machine = cluster.machine("box");
    machine.write("/root/server.py", SERVER)?;
    machine.write("/etc/deployctl/secrets/key", "s3cret\n")?;
    serve(machine, "127.0.0.2")?;
    supply(machine, "OL", 100)?;
    machine.ok(SUPPLY)?;
    machine.ok(CLOCKS)?;
    machine.ok("python3 -m venv --without-pip /opt/tools || { mkdir -p /opt/tools/bin; ln -s /usr/bin/python3 /opt/tools/bin/python; echo 'home = /usr/bin' >/opt/tools/pyvenv.cfg; }")?;
    cluster.redeclare("box", |facts| {
        facts["time"] = json!({
            "pools": [], "servers": ["127.0.0.1"], "max_offset_ms": 5.0,
            "makestep": { "threshold_seconds": 1.0, "limit": 3 },
        });
        facts["python"] = json!({ "environments": { "tools": {
            "path": "/opt/tools", "imports": { "json": null, "sqlite3": null }, "tensor": null,
        } } });
        facts["gateway"] = json!({ "address": "127.0.0.2", "port": 8000, "credential": "key" });
        facts["power"] = json!({ "ups": {
            "name": "cyberpower", "server": "localhost",
            "min_charge_percent": 90, "min_runtime_seconds": 300,
        } });
        facts["monitoring"] = json!({ "exporters": { "node": exporter(9100, "/metrics") } });
    })?;
    cluster.adopt_all()?;
    // Until chronyd has heard enough, and the driver has told the server.
    sleep(Duration::from_secs(6));
    let as_declared = asked(&cluster)?;
    insta::assert_snapshot!(as_declared, @"
    pass time/offset
    pass time/leap
    pass time/sources
    pass python/tools/interpreter
    pass python/tools/import/json
    pass python/tools/import/sqlite3
    pass gateway/listening
    pass gateway/health
    pass gateway/models
    pass gateway/closed
    pass power/ups-answers
    pass power/ups
    pass power/ups-charge
    pass power/ups-runtime
    pass monitoring/node
    ");
    // A supply that is not heard for a while is asked again.
    machine.ok("systemctl stop nut-driver@cyberpower; systemd-run --quiet --on-active=8 systemctl start nut-driver@cyberpower")?;
    assert_eq!(asked(&cluster)?, as_declared);

    files_of_netplan(&cluster, machine)?;

    // Now everything at once goes wrong behind the file's back.
    serve(machine, "0.0.0.0")?;
    machine.write("/etc/deployctl/secrets/key", "another\n")?;
    supply(machine, "OB DISCHRG", 61)?;
    machine.ok("kill $(cat /run/reference/pid); chronyc -a 'delete 127.0.0.1' >/dev/null; rm /opt/tools/pyvenv.cfg")?;
    cluster.redeclare("box", |facts| {
        facts["python"]["environments"]["tools"]["imports"] =
            json!({ "json": "3.0", "torch": null });
        facts["monitoring"] = json!({ "exporters": {
            "comments": exporter(8001, "/comments"),
            "nobody": exporter(9101, "/metrics"),
        } });
    })?;
    sleep(Duration::from_secs(3));
    insta::assert_snapshot!(asked(&cluster)?, @"
    pass time/offset
    pass time/leap
    error time/sources
    fail python/tools/interpreter Python 3.11.2 in /usr
    fail python/tools/import/json json 2.0.9
    fail python/tools/import/torch ModuleNotFoundError: No module named 'torch'
    fail gateway/listening on 0.0.0.0:8000
    pass gateway/health
    fail gateway/models status 401
    pass gateway/closed
    pass power/ups-answers
    fail power/ups OB DISCHRG
    fail power/ups-charge 61 %
    pass power/ups-runtime
    fail monitoring/comments no node_load1 among 0 samples
    fail monitoring/nobody curl: (7) Failed to connect to 127.0.0.2 port 9101
    ");

    // Nothing of it runs any more.
    machine.ok("systemctl stop nut-driver@cyberpower server; pkill chronyd; sleep 1")?;
    cluster.redeclare("box", |facts| {
        facts["python"]["environments"]["tools"]["path"] = json!("/opt/nothing");
    })?;
    insta::assert_snapshot!(asked(&cluster)?, @"
    fail time/offset 506 Cannot talk to daemon
    fail time/leap 506 Cannot talk to daemon
    fail time/sources 506 Cannot talk to daemon
    fail python/tools/interpreter there is no such interpreter
    fail python/tools/import/json there is no such interpreter
    fail python/tools/import/torch there is no such interpreter
    fail gateway/listening nothing listens on that port
    fail gateway/health curl: (7) Failed to connect to 127.0.0.2 port 8000
    fail gateway/models curl: (7) Failed to connect to 127.0.0.2 port 8000
    fail gateway/closed curl: (7) Failed to connect to 127.0.0.2 port 8000
    fail power/ups-answers Error: Driver not connected
    skip power/ups
    skip power/ups-charge
    skip power/ups-runtime
    fail monitoring/comments curl: (7) Failed to connect to 127.0.0.2 port 8001
    fail monitoring/nobody curl: (7) Failed to connect to 127.0.0.2 port 9101
    ");
    Ok(())
}
