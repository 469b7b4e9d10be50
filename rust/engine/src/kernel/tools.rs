//! The programs and libraries that a build needs.

use deployctl_core::inventory::kernel::{Kernel, SymbolValue};

use super::KernelError;
use crate::process::{ProcessError, Program};

/// How to test whether a requirement is installed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tool {
    /// A program, and its package.
    Program(&'static str, &'static str),
    /// A C header, and its package.
    Header(&'static str, &'static str),
}

/// For Kconfig.
const FOR_CONFIGURING: &[Tool] = &[
    Tool::Program("make", "make"),
    Tool::Program("gcc", "gcc"),
    Tool::Program("flex", "flex"),
    Tool::Program("bison", "bison"),
];

/// It reads types from the kernel; without it Kconfig rejects [`BTF`].
const PAHOLE: Tool = Tool::Program("pahole", "dwarves");

/// The symbol that needs it.
const BTF: &str = "DEBUG_INFO_BTF";

/// For `make bindeb-pkg`, in addition.
const FOR_BUILDING: &[Tool] = &[
    Tool::Program("bc", "bc"),
    Tool::Program("cpio", "cpio"),
    Tool::Program("depmod", "kmod"),
    Tool::Program("dh", "debhelper"),
    Tool::Program("dpkg-buildpackage", "dpkg-dev"),
    Tool::Program("openssl", "openssl"),
    Tool::Program("perl", "perl"),
    Tool::Program("python3", "python3"),
    Tool::Program("rsync", "rsync"),
    Tool::Program("tar", "tar"),
    Tool::Program("xz", "xz-utils"),
    Tool::Header("libelf.h", "libelf-dev"),
    Tool::Header("openssl/opensslv.h", "libssl-dev"),
    Tool::Header("stdio.h", "libc6-dev"),
];

pub(super) fn for_configuring(facts: &Kernel) -> Vec<Tool> {
    let types = facts
        .symbols
        .iter()
        .any(|(symbol, value)| symbol.as_str() == BTF && *value != SymbolValue::N);
    let mut tools = FOR_CONFIGURING.to_vec();
    tools.extend(types.then_some(PAHOLE));
    tools
}

pub(super) fn for_building(facts: &Kernel) -> Vec<Tool> {
    [&for_configuring(facts), FOR_BUILDING].concat()
}

/// Fails with all that is missing at once.
pub(super) async fn present(tools: &[Tool]) -> Result<(), KernelError> {
    let mut missing = Vec::new();
    for tool in tools {
        let there = match tool {
            Tool::Program(name, _) => runs(&Program::new(name).arguments(["--version"])).await?,
            // Headers cannot be tested without a compiler.
            Tool::Header(..) if missing.contains(&("gcc", "gcc")) => Some(true),
            Tool::Header(name, _) => {
                let compiler = Program::new("gcc").arguments([
                    "-fsyntax-only",
                    "-include",
                    name,
                    "-x",
                    "c",
                    "/dev/null",
                ]);
                runs(&compiler).await?
            }
        };
        match (tool, there) {
            (Tool::Program(name, package), None) | (Tool::Header(name, package), Some(false)) => {
                missing.push((*name, *package));
            }
            _ => {}
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(KernelError::Tools { missing })
}

/// Whether it succeeded; `None` if there is no such program.
async fn runs(program: &Program) -> Result<Option<bool>, KernelError> {
    match program.run().await {
        Ok(finished) => Ok(Some(finished.status.success())),
        Err(ProcessError::NotInstalled { .. }) => Ok(None),
        Err(other) => Err(other.into()),
    }
}
