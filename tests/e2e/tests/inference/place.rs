//! Where servers run and are asked: namespaces of their own, with the addresses of the link and an empty
//! /run, which nothing outside sees and which end with their last process.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use deployctl_checks::{Check, CheckResult, evaluate};
use deployctl_core::query::Section;

/// A place, with what runs in it.
pub(crate) struct Place {
    holder: Child,
    server: Option<Child>,
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Result<Self> {
        let holder = Command::new("unshare")
            .args(["--net", "--mount", "--propagation", "private", "sh", "-c"])
            .arg("mount -t tmpfs -o mode=755 none /run && exec sleep infinity")
            .spawn()
            .context("failed to start `unshare`")?;
        let place = Self {
            holder,
            server: None,
            folder: tempfile::tempdir()?,
        };
        let ready = "ip link set lo up && ip address add 10.0.0.1/24 dev lo && ip address add 10.0.0.2/24 dev lo && mountpoint -q /run";
        let start = Instant::now();
        while !place.command(ready).output()?.status.success() {
            ensure!(
                start.elapsed() < Duration::from_secs(10),
                "no namespace came up"
            );
            sleep(Duration::from_millis(50));
        }
        Ok(place)
    }

    /// `script` inside, not yet started.
    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args([
                "--net",
                "--mount",
                "--target",
                &self.holder.id().to_string(),
            ])
            .args(["/bin/sh", "-c", script])
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        command
    }

    /// Starts a server and waits until `ready` succeeds.
    pub(crate) fn serve(&mut self, script: &str, ready: &str, within: Duration) -> Result<()> {
        let log = self.folder.path().join("server.log");
        let mut command = self.command(&format!("exec {script}"));
        let file = fs::File::create(&log)?;
        // What it starts itself ends with it.
        command
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0);
        let server = self.server.insert(command.spawn()?);
        let start = Instant::now();
        loop {
            let ended = server.try_wait()?;
            let holder = self.holder.id().to_string();
            let asked = Command::new("nsenter")
                .args([
                    "--net", "--mount", "--target", &holder, "/bin/sh", "-c", ready,
                ])
                .output()?;
            if asked.status.success() {
                return Ok(());
            }
            if ended.is_some() || start.elapsed() > within {
                let text = fs::read_to_string(&log)?;
                let lines: Vec<_> = text.lines().rev().take(20).collect();
                bail!("the server did not come up: {ended:?}, {lines:#?}");
            }
            sleep(Duration::from_millis(250));
        }
    }

    /// Stops the server, as a crash would: nothing is cleaned up.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            let group = format!("-{}", server.id());
            let killed = Command::new("kill")
                .args(["-KILL", "--", &group])
                .output()?;
            ensure!(killed.status.success(), "the server was gone already");
            server.wait()?;
        }
        Ok(())
    }

    /// Asks a check as the engine would, and judges.
    pub(crate) fn ask(&self, check: &Check) -> Result<CheckResult> {
        let seconds = check.query.deadline.as_secs().to_string();
        let mut command = self.command(&format!("timeout {seconds} sh -c \"$QUERY\""));
        command.env("QUERY", &check.query.command);
        let output = command.output()?;
        let section = Section {
            status: output.status.code(),
            stdout: output.stdout,
            stderr: output.stderr,
            truncated: false,
        };
        Ok(evaluate(check, Some(&section)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.stop();
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
