//! Two machines on a real network of their own, and what verification says of it from both ends.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use deployctl_e2e::{Base, Machine, MachineSpec};
use serde_json::{Map, Value, json};

use crate::cluster::Cluster;

/// What stands for an inference gateway.
const GATEWAY: &str = include_str!("links/openai.py");
/// The path of its key, on the host that asks. A key that quotes badly.
const SECRET: &str = "/etc/deployctl/secrets/inference-api-key";
const KEY: &str = r#"k"e\y$(id) '1"#;
/// All that a measurement could leave on a machine.
const LEFT: &str = "ps -eo args= | grep -E '[i]perf3|[p]ing -n|[c]url -q' ; ls -d /run/deployctl.* /tmp/tmp.* 2>/dev/null; ip -o link | cut -d: -f2 | grep -Ev ' (lo|host0|link0)'; true";

pub(crate) fn interface(address: &str) -> Value {
    json!({
        "interfaces": { "link0": {
            "match": { "driver": "veth", "mac": null },
            "addresses": [format!("{address}/24")],
            "gateway": null,
            "dhcp": false,
            "mtu": 9000,
            "rings": null,
            "required_for_boot": false,
        } },
        "sysctl": {},
    })
}

/// The link between machines whose `link0` [`interface`] declares.
pub(crate) fn cable(endpoints: &Map<String, Value>) -> Value {
    json!({ "cable": {
        "subnet": "10.44.0.0/24",
        "mtu": 9000,
        "endpoints": endpoints,
        "min_gbits": 0.5,
        "max_rtt_ms": 20.0,
        "measure": { "port": 5201, "seconds": 1, "streams": 2, "pings": 3 },
    } })
}

/// A concern of the project's own inference host: declared, for what its server calls the model.
fn declared(concern: &str) -> Value {
    let fixture: Value = serde_json::from_str(include_str!("../../../fixtures/inventory.json"))
        .expect("the fixture is JSON");
    fixture["hosts"]["cuda"][concern].clone()
}

/// `left` and `right`, joined by `link0` of each, and a gateway on either.
fn joined() -> Result<Cluster> {
    let spec = |name| MachineSpec::new(name).base(Base::Python).nic("link0");
    let cluster = Cluster::boot(&[spec("left"), spec("right")])?;
    let ends = [("left", "10.44.0.1"), ("right", "10.44.0.2")];
    let mut endpoints = Map::new();
    for (name, address) in ends {
        let machine = cluster.machine(name);
        machine.ok(&format!(
            "ip link set link0 mtu 9000 up && ip address add {address}/24 dev link0"
        ))?;
        machine.write("/srv/openai.py", GATEWAY)?;
        machine.write("/srv/key", KEY)?;
        machine.ok(&format!(
            "systemd-run --quiet --unit=gateway sh -c 'exec python3 /srv/openai.py {address} 8000 \"$(cat /srv/key)\" llama-3.1-8b /run/no-model'"
        ))?;
        machine.write(SECRET, format!("{KEY}\n"))?;
        machine.ok("chmod 0700 /etc/deployctl/secrets")?;
        cluster.redeclare(name, |facts| {
            facts["network"] = interface(address);
            facts["gateway"] =
                json!({ "address": address, "port": 8000, "credential": "inference-api-key" });
            for concern in ["nvidia", "vllm"] {
                facts[concern] = declared(concern);
            }
        })?;
        let end = json!({ "interface": "link0", "address": address });
        endpoints.insert(name.to_owned(), end);
    }
    cluster.declare_links(&cable(&endpoints))?;
    cluster.adopt_all()?;
    for machine in &cluster.machines {
        machine.wait_until(Duration::from_secs(20), "ss -ltn | grep -q :8000")?;
    }
    Ok(cluster)
}

/// How the checks of the link ended, by id without the link's name: the word, what was found, and the hint
/// or reason.
struct Verified(BTreeMap<String, (String, String)>);

impl Verified {
    fn of(cluster: &Cluster) -> Result<Self> {
        let report = cluster
            .deployctl(&["verify", "--only", "cable", "--json"])?
            .json();
        let checks = report["links"][0]["checks"]
            .as_array()
            .with_context(|| format!("no checks of a link: {report:#}"))?;
        let mut found = BTreeMap::new();
        for check in checks {
            let id = check["check"].as_str().context("an id")?;
            let id = id.strip_prefix("cable/").context("of this link")?;
            let status = &check["status"];
            let said = format!("{} | {status}", check["evidence"]);
            let word = status["status"].as_str().context("a word")?;
            found.insert(id.to_owned(), (word.to_owned(), said));
        }
        for machine in &cluster.machines {
            let left = machine.ok(LEFT)?;
            assert_eq!(left, "", "left on {}", machine.name());
        }
        Ok(Self(found))
    }

    /// Every check ends with `pass` but those named, which end as said and say that.
    #[track_caller]
    fn but(&self, expected: &[(&str, &str, &str)]) {
        for (id, word, said) in expected {
            let (ended, text) = &self.0[*id];
            assert!(
                ended == word && text.contains(said),
                "{id} should be {word} and say `{said}`: {ended} {text}\n{:#?}",
                self.0
            );
        }
        for (id, (ended, text)) in &self.0 {
            if !expected.iter().any(|(named, ..)| named == id) {
                assert_eq!(ended, "pass", "{id}: {text}\n{:#?}", self.0);
            }
        }
    }
}

const SKIPPED: &str = "did not pass";

#[test]
fn a_link_is_measured_from_both_ends_and_each_fault_has_its_check() -> Result<()> {
    let cluster = joined()?;
    let (left, right) = (cluster.machine("left"), cluster.machine("right"));

    let good = Verified::of(&cluster)?;
    assert_eq!(good.0.len(), 18, "{:#?}", good.0.keys());
    good.but(&[]);

    // One end takes smaller packets than the other sends.
    right.ok("ip link set link0 mtu 1400")?;
    Verified::of(&cluster)?.but(&[
        ("mtu/right", "fail", "MTU 1400"),
        ("full-ping/left-to-right", "fail", "small packets pass"),
        ("full-ping/right-to-left", "fail", "essage too long"),
        ("throughput/left-to-right", "skip", SKIPPED),
        ("throughput/right-to-left", "skip", SKIPPED),
    ]);
    right.ok("ip link set link0 mtu 9000")?;

    // Slower than declared, one way.
    left.ok("tc qdisc add dev link0 root tbf rate 100mbit burst 128k latency 100ms")?;
    Verified::of(&cluster)?.but(&[("throughput/left-to-right", "fail", "0.0")]);
    left.ok("tc qdisc del dev link0 root")?;

    // The firewall keeps the measurement out, and says nothing.
    right.ok("nft add table inet t; nft 'add chain inet t i { type filter hook input priority 0; }'; nft add rule inet t i tcp dport 5201 drop")?;
    Verified::of(&cluster)?.but(&[
        ("throughput/left-to-right", "fail", "firewall.services"),
        ("throughput/right-to-left", "fail", "firewall.services"),
    ]);
    right.ok("nft delete table inet t")?;

    // Another way leads there.
    left.ok("ip route add 10.44.0.2/32 via 10.231.0.1")?;
    Verified::of(&cluster)?.but(&[
        ("route/left-to-right", "fail", "by host0 via 10.231.0.1"),
        ("ping/left-to-right", "skip", SKIPPED),
        ("full-ping/left-to-right", "skip", SKIPPED),
        ("throughput/left-to-right", "skip", SKIPPED),
        ("gateway-health/left-to-right", "skip", SKIPPED),
        ("gateway-models/left-to-right", "skip", SKIPPED),
        ("gateway-chat/left-to-right", "skip", SKIPPED),
        ("ping/right-to-left", "fail", "came back"),
        ("full-ping/right-to-left", "skip", SKIPPED),
        ("throughput/right-to-left", "skip", SKIPPED),
        ("gateway-health/right-to-left", "skip", SKIPPED),
        ("gateway-models/right-to-left", "skip", SKIPPED),
        ("gateway-chat/right-to-left", "skip", SKIPPED),
    ]);
    left.ok("ip route del 10.44.0.2/32")?;
    Ok(())
}

#[test]
fn what_is_missing_on_an_end_is_named_with_the_end() -> Result<()> {
    let cluster = joined()?;
    let (left, right) = (cluster.machine("left"), cluster.machine("right"));

    // No program there, and a gateway without a model.
    right.ok("mv /usr/bin/iperf3 /usr/bin/no-iperf3; touch /run/no-model")?;
    Verified::of(&cluster)?.but(&[
        (
            "throughput/left-to-right",
            "fail",
            "apply `right`: its `network` installs iperf3",
        ),
        (
            "throughput/right-to-left",
            "fail",
            "apply `right`: its `network` installs iperf3",
        ),
        ("gateway-health/left-to-right", "fail", "no model behind it"),
        ("gateway-models/left-to-right", "skip", SKIPPED),
        ("gateway-chat/left-to-right", "skip", SKIPPED),
    ]);
    right.ok("mv /usr/bin/no-iperf3 /usr/bin/iperf3; rm /run/no-model")?;

    // None here, a wrong key on one end and none on the other.
    left.ok("mv /usr/bin/iperf3 /usr/bin/no-iperf3")?;
    left.write(SECRET, "another\n")?;
    right.ok(&format!("rm {SECRET}"))?;
    Verified::of(&cluster)?.but(&[
        (
            "throughput/left-to-right",
            "fail",
            "apply `left`: its `network` installs iperf3",
        ),
        (
            "throughput/right-to-left",
            "fail",
            "apply `left`: its `network` installs iperf3",
        ),
        ("gateway-health/left-to-right", "fail", "status 401"),
        ("gateway-models/left-to-right", "skip", SKIPPED),
        ("gateway-chat/left-to-right", "skip", SKIPPED),
        ("gateway-health/right-to-left", "fail", "right has no key"),
        ("gateway-models/right-to-left", "skip", SKIPPED),
        ("gateway-chat/right-to-left", "skip", SKIPPED),
    ]);
    left.ok("mv /usr/bin/no-iperf3 /usr/bin/iperf3")?;
    for machine in [left, right] {
        machine.write(SECRET, KEY)?;
    }

    // Another process has the port; none listens on the gateway's.
    right.ok("systemd-run --quiet --unit=other python3 -c 'import socket, time; s = socket.create_server((\"10.44.0.2\", 5201)); time.sleep(600)'")?;
    right.wait_until(Duration::from_secs(10), "ss -ltn | grep -q :5201")?;
    left.ok("systemctl stop gateway")?;
    Verified::of(&cluster)?.but(&[
        (
            "throughput/left-to-right",
            "fail",
            "listens on port 5201 of right already",
        ),
        (
            "throughput/right-to-left",
            "fail",
            "listens on port 5201 of right already",
        ),
        (
            "gateway-health/right-to-left",
            "fail",
            "nothing listens on port 8000 of `left`",
        ),
        ("gateway-models/right-to-left", "skip", SKIPPED),
        ("gateway-chat/right-to-left", "skip", SKIPPED),
    ]);
    Ok(())
}

/// Waits until nothing is left on `machine`.
fn quiet(machine: &Machine, patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        let left = machine.ok(LEFT)?;
        if left.is_empty() {
            return Ok(());
        }
        assert!(
            Instant::now() < deadline,
            "left on {}: {left}",
            machine.name()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn whoever_goes_away_in_the_middle_leaves_nothing() -> Result<()> {
    let cluster = joined()?;
    // Interrupted, and killed: then the machines are on their own.
    for (signal, patience) in [("INT", 5), ("KILL", 25)] {
        let mut command = cluster.command(&["verify", "--only", "cable", "--json"]);
        let mut running = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        for machine in &cluster.machines {
            machine.wait_until(Duration::from_secs(40), "pgrep -x iperf3")?;
        }
        let pid = running.id();
        let sent = std::process::Command::new("kill")
            .args([format!("-{signal}"), pid.to_string()])
            .status()?;
        assert!(sent.success());
        running.wait()?;
        for machine in &cluster.machines {
            quiet(machine, Duration::from_secs(patience))?;
        }
    }
    Ok(())
}
