//! The programs that will read the rendered files read them here.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that starts the readers of rendered files"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use deployctl_core::render::Syntax;

use demand::demand;

#[path = "../../../tests/lib/demand.rs"]
mod demand;

/// The files of a host's golden tree whose path matches, by their path on the host.
fn golden(host: &str, matches: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/snapshots")
        .join(format!("{host}.snap"));
    let tree = std::fs::read_to_string(file).unwrap();
    let rule = format!("\n{}\n", "-".repeat(72));
    let mut files = Vec::new();
    for shown in tree.split(&format!("{} ", "=".repeat(72))) {
        let (path, rest) = shown.split_once('\n').unwrap();
        if let Some((_, content)) = rest.split_once(&rule).filter(|_| matches(path)) {
            files.push((path.to_owned(), content.to_owned()));
        }
    }
    files
}

/// Where a program is, `/usr/sbin` included.
fn find(program: &str) -> Option<PathBuf> {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.exists())
}

/// A folder for one test; the test removes it at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("deployctl-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Debian's package of a reader.
fn package(program: &str) -> &str {
    match program {
        "apt-config" => "apt",
        "chronyd" => "chrony",
        "netplan" => "netplan.io",
        "nft" => "nftables",
        "sshd" => "openssh-server",
        "ssh-keygen" => "openssh-client",
        "systemd-analyze" => "systemd",
        "visudo" => "sudo",
        same => same,
    }
}

/// Exit status and everything the program said; `None` where the test is skipped for want of it.
fn run(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let what = format!("{program} (package {})", package(program));
    let path = demand(find(program), &what)?;
    let output = Command::new(path)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

fn accepts(program: &str, arguments: &[&str]) {
    if let Some((accepted, said)) = run(program, arguments) {
        assert!(accepted, "{program} {arguments:?}:\n{said}");
    }
}

const HOSTS: [&str; 3] = ["cuda", "linode", "debian"];

#[test]
fn shells_read_the_scripts() {
    let scratch = Scratch::new("sh");
    let mut seen = 0;
    for host in HOSTS {
        let shell = |path: &str| {
            path.contains("/libexec/") || path.contains("/grub.d/") || path.contains("/profile.d/")
        };
        for (path, content) in golden(host, shell) {
            let file = scratch.write("script", &content);
            let file = file.to_str().unwrap();
            accepts("dash", &["-n", file]);
            accepts("bash", &["-n", file]);
            // What is assigned is read by others; what they hold is known to their readers alone, as apt's own variables.
            accepts(
                "shellcheck",
                &["--shell=sh", "--exclude=SC2034,SC2016", file],
            );
            assert!(
                !path.contains("/libexec/") || content.starts_with("#!/bin/sh\n"),
                "{path}"
            );
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn sudo_reads_sudoers() {
    let scratch = Scratch::new("sudoers");
    for host in HOSTS {
        let (_, content) = &golden(host, |path| path.contains("/sudoers.d/"))[0];
        let file = scratch.write("sudoers", content);
        accepts("visudo", &["-cf", file.to_str().unwrap()]);
    }
}

#[test]
fn perl_reads_needrestart() {
    let scratch = Scratch::new("perl");
    let (_, content) = &golden("cuda", |path| path.contains("/needrestart/"))[0];
    let file = scratch.write("conf", &format!("my %nrconf;\n{content}"));
    accepts("perl", &["-c", file.to_str().unwrap()]);
}

#[test]
fn apt_reads_its_settings() {
    let (_, content) = &golden("cuda", |path| path.contains("/apt.conf.d/"))[0];
    let scratch = Scratch::new("apt");
    let file = scratch.write("apt.conf", content);
    if let Some((accepted, said)) = run("apt-config", &["-c", file.to_str().unwrap(), "dump"]) {
        assert!(accepted, "{said}");
        assert!(
            said.contains("Unattended-Upgrade::Package-Blacklist:: \"nvidia-\""),
            "{said}"
        );
    }
}

#[test]
fn nft_reads_the_firewall() {
    let scratch = Scratch::new("nft");
    for host in HOSTS {
        let (_, content) = &golden(host, |path| path.contains("/nftables.d/"))[0];
        let file = scratch.write("table.nft", content);
        let Some((accepted, said)) = run("nft", &["-c", "-f", file.to_str().unwrap()]) else {
            return;
        };
        let permitted = !said.contains("Operation not permitted");
        if demand(permitted.then_some(()), "the right to ask nft").is_none() {
            return;
        }
        assert!(accepted, "{said}");
    }
}

#[test]
fn chrony_reads_its_sources() {
    let scratch = Scratch::new("chrony");
    let (_, content) = &golden("cuda", |path| path.ends_with("/chrony/deployctl.conf"))[0];
    let file = scratch.write("chrony.conf", content);
    if let Some((accepted, said)) = run("chronyd", &["-p", "-f", file.to_str().unwrap()]) {
        assert!(accepted && said.contains("makestep 1 3"), "{said}");
    }
}

#[test]
fn netplan_reads_the_interface() {
    let scratch = Scratch::new("netplan");
    let (path, content) = &golden("cuda", |path| path.contains("/netplan/"))[0];
    scratch.write(path.trim_start_matches('/'), content);
    let root = scratch.0.to_str().unwrap();
    if let Some((accepted, said)) = run(
        "netplan",
        &["get", "--root-dir", root, "ethernets.cluster0.mtu"],
    ) {
        assert!(accepted && said.starts_with("9000\n"), "{said}");
    }
}

#[test]
fn sshd_takes_our_values_first() {
    let scratch = Scratch::new("sshd");
    for host in HOSTS {
        let (_, content) = &golden(host, |path| path.contains("/sshd_config.d/"))[0];
        let drop_in = scratch.write("00-deployctl.conf", content);
        let key = scratch.0.join("key");
        let _ = std::fs::remove_file(&key);
        if run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()],
        )
        .is_none()
        {
            return;
        }
        let main = format!(
            "HostKey {}\nInclude {}\nPasswordAuthentication yes\nUsePAM yes\n",
            key.display(),
            drop_in.display()
        );
        let main = scratch.write("sshd_config", &main);
        // Where root runs sshd, it wants this empty directory.
        let _ = std::fs::create_dir("/run/sshd");
        let Some((accepted, said)) = run("sshd", &["-T", "-f", main.to_str().unwrap()]) else {
            return;
        };
        assert!(accepted, "{said}");
        for line in [
            "passwordauthentication no",
            "authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2 /etc/ssh/authorized_keys.d/%u",
        ] {
            assert!(said.contains(line), "{line}:\n{said}");
        }
    }
}

/// Programs are only there on a host; systemd looks for those that a unit starts.
fn with_programs(unit: &str) -> String {
    let mut text = String::new();
    for line in unit.lines() {
        match line.split_once('=') {
            Some((key, command)) if key.starts_with("Exec") && !command.is_empty() => {
                let arguments = command
                    .split_once(' ')
                    .map_or("", |(_, arguments)| arguments);
                let _ = writeln!(text, "{key}=/bin/true {arguments}");
            }
            _ => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

#[test]
fn systemd_reads_the_units() {
    for host in HOSTS {
        let scratch = Scratch::new(&format!("units-{host}"));
        let unit = |path: &str| path.starts_with("/etc/systemd/system/") && !path.contains(".d/");
        let mut files = Vec::new();
        for (path, content) in golden(host, unit) {
            let name = path.rsplit('/').next().unwrap();
            let content = with_programs(&content);
            files.push(scratch.write(name, &content).to_str().unwrap().to_owned());
        }
        let mut arguments = vec!["verify", "--man=no", "--recursive-errors=no"];
        arguments.extend(files.iter().map(String::as_str));
        if let Some((accepted, said)) = run("systemd-analyze", &arguments) {
            let ours = said
                .lines()
                .filter(|line| line.contains(scratch.0.to_str().unwrap()));
            assert!(accepted, "{said}");
            assert_eq!(ours.count(), 0, "{said}");
        }
    }
}

#[test]
fn a_shell_gives_back_what_was_quoted() {
    for text in [
        "it's", "$(id)", "`id`", "a\\", "\"", "*", "", "-n", "#x", "a  b", "{{ x }}", "é;&|",
    ] {
        let word = Syntax::Sh.word(text).unwrap();
        for shell in ["dash", "bash"] {
            let script = format!("x={word}; printf '[%s]' \"$x\" {word}");
            if let Some((accepted, said)) = run(shell, &["-c", &script]) {
                assert!(accepted, "{said}");
                assert_eq!(said, format!("[{text}][{text}]"), "{shell}");
            }
        }
    }
}

#[test]
fn systemd_gives_back_what_was_escaped() {
    let Ok(word) = Syntax::Unit.word("100%h/%n") else {
        panic!("a percent sign is writable")
    };
    let scratch = Scratch::new("percent");
    let unit = format!("[Unit]\nDescription={word}\n[Service]\nExecStart=/bin/true {word}\n");
    let file = scratch.write("percent.service", &unit);
    accepts(
        "systemd-analyze",
        &[
            "verify",
            "--man=no",
            "--recursive-errors=no",
            file.to_str().unwrap(),
        ],
    );
    assert_eq!(word, "100%%h/%%n");
}

#[test]
fn the_engine_is_left_alone_in_market_hours() {
    let (_, script) = &golden("linode", |path| path.ends_with("/trading-may-restart"))[0];
    for (now, may) in [
        ("1 0959", true),
        ("1 1000", false),
        ("5 1611", false),
        ("5 1612", true),
        ("3 0900", true),
        ("6 1200", true),
        ("7 1200", true),
    ] {
        let (day, time) = now.split_once(' ').unwrap();
        let clock = format!("date() {{ case $1 in +%u) echo {day} ;; *) echo {time} ;; esac; }}\n");
        if let Some((exit, said)) = run("dash", &["-c", &(clock + script)]) {
            assert_eq!((exit, said.as_str()), (may, ""), "{now}");
        }
    }
}
