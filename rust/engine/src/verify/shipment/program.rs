//! The programs that are shipped: the probe, built beforehand, and programs of the repository, built here where a
//! command for that is declared, then read.

use std::path::PathBuf;
use std::time::Duration;

use deployctl_checks::elf;
use deployctl_core::inventory::host::Architecture;
use deployctl_core::name::HostName;
use deployctl_core::query::printable_line;

use super::{Refusal, Run, SIZE_CAP, Shipments, Upload};
use crate::event::EventKind;
use crate::process::Program;
use crate::{files, in_full};

/// Longest time for a build.
const BUILD_LIMIT: Duration = Duration::from_secs(60 * 60);
/// Most that a build may print on standard output.
const BUILD_CAP: usize = 256 << 20;
/// Last lines of a build that failed.
const LINES: usize = 5;

impl Shipments {
    /// Builds and reads the program. `host`: named in progress events.
    pub(super) async fn program(
        &self,
        artifact: &str,
        build: &[String],
        run: &Run,
        host: &HostName,
    ) -> Result<Upload, Refusal> {
        self.build(artifact, build, run, host).await?;
        let path = self.repository.join(artifact);
        let bytes = files::read_up_to(&path, SIZE_CAP).map_err(|error| Refusal::Fail {
            evidence: format!("`{artifact}`: {error}"),
            hint: if build.is_empty() {
                format!(
                    "build it to `{artifact}` in the repository, or declare the command that does"
                )
            } else {
                format!(
                    "`{}` does not make it: correct the declared path or command",
                    build.join(" ")
                )
            },
        })?;
        let program = elf::read(&bytes).map_err(|error| Refusal::Fail {
            evidence: format!("`{artifact}` is no Linux program: {error}"),
            hint: "build it for the host: this build is for another system".to_owned(),
        })?;
        // Hosts have it by this name since the trading engine was the only one.
        Ok(Upload::new("engine", bytes, program))
    }

    async fn build(
        &self,
        artifact: &str,
        build: &[String],
        run: &Run,
        host: &HostName,
    ) -> Result<(), Refusal> {
        let Some((name, arguments)) = build.split_first() else {
            return Ok(());
        };
        let command = build.join(" ");
        run.tell(host, EventKind::Preparing(command.clone()));
        // A path with a slash is relative to the repository, not to the current directory.
        let name = if name.contains('/') {
            self.repository.join(name)
        } else {
            PathBuf::from(name)
        };
        let mut said = Vec::new();
        let mut hear = |line: &str| {
            run.tell(
                host,
                EventKind::Logged(printable_line(line.as_bytes(), 300)),
            );
            said.push(printable_line(line.as_bytes(), 120));
            if said.len() > LINES {
                said.remove(0);
            }
        };
        let finished = Program::new(name)
            .arguments(arguments)
            .folder(&self.repository)
            .deadline(BUILD_LIMIT)
            .cap(BUILD_CAP)
            .watch(&run.context.interrupt, &mut hear)
            .await
            .map_err(|error| Refusal::Error(format!("`{command}`: {}", in_full(&error))))?;
        if finished.status.success() {
            return Ok(());
        }
        if said.is_empty() {
            let text = String::from_utf8_lossy(&finished.stdout).into_owned();
            let lines: Vec<_> = text.lines().rev().take(LINES).collect();
            let lines = lines.into_iter().rev();
            said.extend(lines.map(|line| printable_line(line.as_bytes(), 120)));
        }
        Err(Refusal::Fail {
            evidence: format!("`{command}`: {}: {}", finished.status, said.join(" / ")),
            hint: format!("run it by hand in the repository: it is declared to build `{artifact}`"),
        })
    }
}

impl Shipments {
    /// The probe for hosts of `architecture`.
    pub(super) fn hostprobe(&self, architecture: Architecture) -> Result<Upload, Refusal> {
        let machine = machine(architecture);
        let path = match self.hostprobes.get(&architecture) {
            Some(Ok(path)) => path,
            Some(Err(problem)) => {
                let hint = problem.hint.iter().map(|hint| format!("; {hint}"));
                let hint: String = hint.collect();
                return Err(Refusal::Error(format!("{}{hint}", problem.message)));
            }
            None => {
                return Err(Refusal::Error(format!(
                    "there is no build of hostprobe for {machine}"
                )));
            }
        };
        let shown = path.display();
        let bytes = files::read_up_to(path, SIZE_CAP).map_err(|error| {
            Refusal::Error(format!("cannot read hostprobe: `{shown}`: {error}"))
        })?;
        let program = elf::read(&bytes).map_err(|error| {
            Refusal::Error(format!("`{shown}` is no build of hostprobe: {error}"))
        })?;
        if program.machine != machine {
            return Err(Refusal::Error(format!(
                "`{shown}` is a build of hostprobe for {}, and the host is {machine}",
                program.machine
            )));
        }
        Ok(Upload::new("hostprobe", bytes, program))
    }
}

/// As [`elf::Program::machine`] calls it.
fn machine(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x86_64",
        Architecture::Aarch64 => "aarch64",
    }
}
