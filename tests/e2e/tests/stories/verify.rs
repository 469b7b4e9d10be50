//! What `verify` says of a real machine with as many concerns as it can carry: every check passes, fails for
//! a reason that was planted, or cannot be made in a container.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::Result;
use deployctl_e2e::{Machine, MachineSpec, Sudo};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Run};
use crate::demo;

/// What a container cannot have as declared, and why.
const NOT_HERE: &[(&str, &str)] = &[(
    "time",
    "its clock is the computer's: chronyd is passed over",
)];

/// A machine with the concerns that a container can carry, applied and as declared.
fn laden() -> Result<Cluster> {
    let cluster = Cluster::boot(&[MachineSpec::new("web")])?;
    let declared: Value = serde_json::from_str(include_str!("../../../fixtures/inventory.json"))?;
    let linode = &declared["hosts"]["linode"];
    cluster.redeclare("web", |facts| {
        for concern in ["system", "ssh", "time", "firewall", "storage"] {
            facts[concern] = linode[concern].clone();
        }
        facts["system"]["hostname"] = json!("web");
        facts["network"] = demo::network("2345");
        facts["storage"]["min_free_gib"] = json!({ "/": 1 });
        facts["extra"] = demo::extra();
        facts["extra"]["checks"] = json!({
            "alpha-colour": {
                "command": "cut -d ' ' -f 3 /etc/alpha.conf",
                "status": 0,
                "matches": "^red$",
                "deadline_seconds": 5,
                "retries": 0,
                "gate": true,
            },
            "motto": {
                "command": "cat /etc/story/motto",
                "status": 0,
                "contains": ["onward"],
                "deadline_seconds": 5,
                "retries": 0,
                "gate": false,
            },
            "processes": {
                "command": "ps -e --no-headers | wc -l",
                "status": 0,
                "number": { "at_least": 2, "at_most": 5000, "unit": "processes" },
                "deadline_seconds": 5,
                "retries": 0,
                "gate": false,
            },
        });
    })?;
    cluster.adopt_all()?;
    let web = cluster.machine("web");
    web.ok("mkdir -p /etc/story; echo onward >/etc/story/motto")?;
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    Ok(cluster)
}

/// Every check of `web`, how it ended, and what was found.
fn checks(run: &Run) -> BTreeMap<String, (String, String)> {
    let report = run.json();
    let checks = report["hosts"][0]["checks"].as_array().cloned();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    checks
        .expect("a host has checks")
        .iter()
        .map(|check| {
            let told = format!("{} {}", check["evidence"], check["status"]);
            (
                text(&check["check"]),
                (text(&check["status"]["status"]), told),
            )
        })
        .collect()
}

/// `verify web`, without what a container cannot have.
fn here<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["verify", "web"];
    all.extend(arguments);
    for (pattern, _) in NOT_HERE {
        all.extend(["--skip", pattern]);
    }
    all
}

/// Breaks by hand what four concerns are about, behind every file's back.
fn plant(web: &Machine) -> Result<()> {
    web.ok("nft delete table inet deployctl
         sysctl -qw net.core.somaxconn=77
         sed -i s/red/rod/ /etc/alpha.conf
         systemctl stop beta")?;
    Ok(())
}

/// What of it has to be seen, and nothing else.
fn is_planted(check: &str) -> bool {
    [
        "table",
        "input",
        "output",
        "service/",
        "egress/",
        "nothing-else",
    ]
    .iter()
    .any(|what| check.starts_with(&format!("firewall/{what}")))
        || [
            "network/sysctl/net.core.somaxconn",
            "extra/file/etc/alpha.conf",
            "extra/check/alpha-colour",
            "extra/unit/beta.service",
        ]
        .contains(&check)
}

#[test]
fn every_check_passes_or_fails_for_a_planted_reason() -> Result<()> {
    let cluster = laden()?;
    let web = cluster.machine("web");
    let files = ["--junit", "junit.xml", "--html", "report.html"];
    let run = cluster.deployctl(&here(&[&["--json"], &files[..]].concat()))?;
    let good = checks(&run);
    let bad: Vec<_> = good
        .iter()
        .filter(|(_, (status, _))| status != "pass")
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(good.len() > 40, "{} checks", good.len());
    assert_eq!(run.code, 0);

    plant(web)?;
    let run = cluster
        .deployctl(&here(&[&["--json"], &files[..]].concat()))?
        .expect(4);
    let now = checks(&run);
    assert_eq!(now.len(), good.len());
    let red: BTreeSet<&str> = now
        .iter()
        .filter(|(_, (status, _))| status != "pass")
        .map(|(check, _)| check.as_str())
        .collect();
    let wrong: Vec<_> = now
        .iter()
        .filter(|(check, _)| red.contains(check.as_str()) != is_planted(check))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    // What needs the table only says so.
    let firewall = now
        .iter()
        .filter(|(check, (status, _))| check.starts_with("firewall/") && status == "fail");
    assert_eq!(
        firewall
            .map(|(check, _)| check.as_str())
            .collect::<Vec<_>>(),
        ["firewall/table"]
    );

    // The same in every format, each with its hint or reason.
    let junit = fs::read_to_string(cluster.path("junit.xml"))?;
    // A slash of a host's answer is escaped there.
    let html = fs::read_to_string(cluster.path("report.html"))?.replace("&#x2f;", "/");
    let table = cluster.deployctl(&here(&[]))?.expect(4);
    // What was skipped for want of the table is counted there.
    for check in red.iter().filter(|check| now[**check].0 == "fail") {
        for (kind, text) in [("table", &table.stdout), ("JUnit", &junit), ("HTML", &html)] {
            assert!(text.contains(check), "{check} is not in the {kind}\n{text}");
        }
    }
    assert!(junit.contains("<failure"), "{junit}");

    // One apply mends all of it, the rules that another tool flushed among it.
    cluster.deployctl(&["apply", "web", "--yes"])?.expect(0);
    cluster.deployctl(&here(&[]))?.expect(0);

    // Another firewall beside ours, which knows of ssh and the web alone.
    web.ok("nft -f - <<'RULES'
table ip filter {
  chain INPUT {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    iifname lo accept
    tcp dport 22 accept
  }
  chain OUTPUT {
    type filter hook output priority 0; policy drop;
    ct state established,related accept
    oifname lo accept
    tcp dport { 80, 443 } accept
  }
}
RULES")?;
    let beside = cluster.deployctl(&["verify", "web", "--only", "firewall"])?;
    let beside = beside
        .expect(4)
        .says("udp 53: no rule in table ip filter, where chain OUTPUT drops by policy");
    for open in ["tcp 22:", "tcp 443:"] {
        assert!(!beside.stdout.contains(open), "{beside:?}");
    }
    web.ok("nft delete table ip filter")?;

    // A unit that is still at its start is asked again.
    web.ok("mkdir -p /run/systemd/system/beta.service.d
         printf '[Service]\nExecStartPre=/bin/sleep 4\n' >/run/systemd/system/beta.service.d/slow.conf
         systemctl daemon-reload; systemctl stop beta; systemctl start --no-block beta")?;
    cluster
        .deployctl(&["verify", "web", "--only", "extra/unit/beta.service"])?
        .expect(0);
    Ok(())
}

#[test]
fn what_was_accepted_is_compared_from_then_on() -> Result<()> {
    let cluster = laden()?;
    let web = cluster.machine("web");
    cluster.deployctl(&here(&["--accept"]))?.expect(0);
    let accepted = fs::read_to_string(cluster.path("hosts/web/accepted.snap"))?;
    assert!(
        accepted.contains("extra/check/alpha-colour: pass"),
        "{accepted}"
    );
    cluster.deployctl(&here(&["--exit-code"]))?.expect(0);

    // Still as declared, and not what was accepted.
    web.ok("echo 'and it says more' >>/etc/story/motto")?;
    cluster
        .deployctl(&here(&["--exit-code"]))?
        .expect(3)
        .says("extra/check/motto")
        .says("and it says more");
    cluster.deployctl(&here(&[]))?.expect(0);
    // Something that fails is a failure first.
    plant(web)?;
    cluster
        .deployctl(&here(&["--exit-code"]))?
        .expect(4)
        .says("network/sysctl/net.core.somaxconn");
    Ok(())
}

/// `verify --watch` while it runs.
struct Watch {
    child: std::process::Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Watch {
    /// Waits for a line that holds all of `words`.
    fn until(&mut self, words: &[&str]) {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("no {words:?} in {:#?}", self.seen));
            let found = words.iter().all(|word| line.contains(word));
            self.seen.push(line);
            if found {
                return;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn watching_sees_a_failure_and_its_mending() -> Result<()> {
    let cluster = laden()?;
    let web = cluster.machine("web");
    let mut child = cluster
        .command(&["verify", "web", "--only", "extra/check/*", "--watch=1"])
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut watch = Watch {
        child,
        lines,
        seen: Vec::new(),
    };
    watch.until(&["pass", "extra/check/alpha-colour"]);
    web.ok("sed -i s/red/rod/ /etc/alpha.conf")?;
    watch.until(&["fail", "extra/check/alpha-colour"]);
    web.ok("sed -i s/rod/red/ /etc/alpha.conf")?;
    watch.until(&["pass", "extra/check/alpha-colour"]);
    Ok(())
}

#[test]
fn no_secret_is_in_anything_that_verification_writes() -> Result<()> {
    let cluster = Cluster::boot(&[MachineSpec::new("web").sudo(Sudo::Password)])?;
    let web = cluster.machine("web");
    let password = cluster.world.scratch().join("password");
    fs::write(&password, "operator\n")?;
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600))?;
    web.ok("echo operator:poison-4711 | chpasswd")?;
    fs::write(&password, "poison-4711\n")?;
    cluster.redeclare("web", |facts| {
        facts["extra"] = demo::extra();
        facts["network"] = demo::network("2345");
    })?;
    let fingerprint = web.ok("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")?;
    let fingerprint = fingerprint.split_whitespace().nth(1).unwrap_or_default();
    let file = password.to_string_lossy().into_owned();
    let with = |arguments: &[&str]| {
        cluster.deployctl(&[arguments, &["--sudo-password-file", &file]].concat())
    };
    with(&["adopt", "web", "--fingerprint", fingerprint])?.expect(0);
    let reports = ["--junit", "junit.xml", "--html", "report.html"];
    let mut told = Vec::new();
    // Everything fails before an apply, and passes after it.
    let verify = |more: &[&str]| with(&[&["verify", "web"], &reports[..], more].concat());
    told.push(verify(&["--json"])?.expect(4));
    told.push(with(&["apply", "web", "--yes"])?.expect(0));
    told.push(verify(&["--accept"])?.expect(0));
    for run in &told {
        assert!(!run.stdout.contains("poison-4711"), "{}", run.stdout);
        assert!(!run.stderr.contains("poison-4711"), "{}", run.stderr);
    }
    // The repository with its reports and snapshots, and the history of runs at home.
    for name in ["junit.xml", "report.html", "hosts/web/accepted.snap"] {
        assert!(fs::metadata(cluster.path(name))?.len() > 0, "{name}");
    }
    let places = [cluster.path("."), cluster.world.home()];
    let found = std::process::Command::new("grep")
        .args(["-rl", "poison-4711"])
        .args(places)
        .output()?;
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    Ok(())
}
