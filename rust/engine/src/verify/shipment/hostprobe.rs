//! The probe, built beforehand.

use deployctl_checks::elf;
use deployctl_core::inventory::host::Architecture;

use super::{Refusal, SIZE_CAP, Shipments, Upload};
use crate::files;

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
