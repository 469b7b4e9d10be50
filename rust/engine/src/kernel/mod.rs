//! Configures and builds a custom kernel with the tools of its source, started one by one.

mod error;
mod source;
mod tools;

use std::path::{Path, PathBuf};
use std::time::Duration;

use deployctl_core::inventory::host::Architecture;
use deployctl_core::inventory::kernel::Kernel;
use deployctl_core::kernel::{Config, Kconfig, LOCAL_VERSION, Verdict, fragment, judge, wanted};
use deployctl_core::rendered::Sha256Hex;

pub use error::KernelError;
pub use source::Source;

use crate::interrupt::Interrupt;
use crate::process::{Finished, Program};

/// Deadline of one step: a distribution's kernel takes hours on a small machine.
const DEADLINE: Duration = Duration::from_secs(12 * 3600);

/// What one step may print.
const CAP: usize = 64 << 20;

/// The machine that builds.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// `linux`, `macos`, …
    pub os: &'static str,
    /// `x86_64`, `aarch64`, …
    pub architecture: &'static str,
}

impl Machine {
    /// The machine that this process runs on.
    pub fn this() -> Self {
        Self {
            os: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
        }
    }
}

/// What to configure or build.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The host's facts.
    pub facts: &'a Kernel,
    /// The host's architecture.
    pub architecture: Architecture,
    /// The machine that builds.
    pub machine: Machine,
    /// A folder, or a tarball, of the kernel's source.
    pub source: &'a Path,
    /// The configuration that the symbols are merged over; the running kernel's where none is named.
    pub base: Option<&'a Path>,
    /// Whether to leave out modules that this machine has not loaded.
    pub trim: bool,
    /// Where everything goes.
    pub out: &'a Path,
    /// The packages' own version, for rebuilds of the same source.
    pub revision: u32,
    /// The request to stop.
    pub interrupt: &'a Interrupt,
}

/// A configuration in which all declared symbols hold.
#[derive(Debug)]
pub struct Configured {
    /// The kernel's version with our suffix: what `uname -r` will say.
    pub release: String,
    /// The configuration that was the base.
    pub base: PathBuf,
    /// The resulting configuration.
    pub config: PathBuf,
    /// How many symbols were compared.
    pub symbols: usize,
    /// Notes for the user, although all symbols hold.
    pub verdict: Verdict,
    source: Source,
}

/// One file that was built.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Package {
    /// Its file name below the output folder.
    pub file: String,
    /// Its hash.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Package {
    /// What declares it, to be installed where `release` is to run; `None` for packages that any kernel may do without, such
    /// as the headers that C libraries are built with. dpkg names files `NAME_VERSION_ARCHITECTURE.deb`.
    fn declaration(&self, release: &str) -> Option<serde_json::Value> {
        let mut parts = self.file.strip_suffix(".deb")?.split('_');
        let (name, version, architecture) = (parts.next()?, parts.next()?, parts.next()?);
        let of_release = name.strip_suffix(release)?.ends_with('-');
        of_release.then(|| {
            serde_json::json!({
                "name": name,
                "version": version,
                "architecture": architecture,
                "path": self.file,
                "size": self.bytes,
                "sha256": self.sha256,
            })
        })
    }
}

/// What declares the packages that `release` is installed with: the image and its headers.
pub fn declaration(release: &str, packages: &[Package]) -> serde_json::Value {
    let packages = packages.iter().filter_map(|it| it.declaration(release));
    serde_json::json!({ "packages": packages.collect::<Vec<_>>() })
}

/// Progress of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A tarball is being unpacked.
    Unpacking,
    /// The base is being trimmed to this machine's modules.
    Trimming,
    /// The symbols are being merged over this base.
    Merging(PathBuf),
    /// The kernel is being built; what the tools say goes to this file at the end.
    Building(PathBuf),
}

/// Merges the symbols over the base, completes the configuration, and compares.
pub async fn configure(
    request: &Request<'_>,
    tell: &(dyn Fn(Step) + Sync),
) -> Result<Configured, KernelError> {
    fits(request)?;
    tools::present(&tools::for_configuring(request.facts)).await?;
    let build = request.out.join("build");
    create(&build)?;
    let source = Source::open(request.source, request.out, tell).await?;
    let base = base(request.base)?;
    let config = build.join(".config");
    copy(&base, &config)?;
    if Config::parse(&read(&config)?).is_empty() {
        return Err(KernelError::NoConfig { path: base });
    }
    let make = Make {
        source: &source,
        build: &build,
        interrupt: request.interrupt,
    };
    if request.trim {
        tell(Step::Trimming);
        // It prompts for symbols that the base does not set; there is no terminal to answer.
        make.target("olddefconfig").await?;
        make.target("localmodconfig").await?;
    }
    tell(Step::Merging(base.clone()));
    let lines = request.out.join("kernel.fragment");
    write(&lines, &fragment(request.facts))?;
    make.merge(&absolute(&lines)?).await?;
    make.target("olddefconfig").await?;
    let wanted = wanted(request.facts);
    let srcarch = match request.architecture {
        Architecture::X86_64 => "x86",
        Architecture::Aarch64 => "arm64",
    };
    let kconfig = Kconfig::read(srcarch, &|path| source.text(path));
    let verdict = judge(&wanted, &Config::parse(&read(&config)?), &kconfig);
    if !verdict.missed.is_empty() {
        return Err(KernelError::Missed {
            of: wanted.len(),
            verdict: Box::new(verdict),
        });
    }
    let version = make.target("kernelversion").await?.stdout;
    let version = String::from_utf8_lossy(&version).trim().to_owned();
    Ok(Configured {
        release: format!("{version}{LOCAL_VERSION}"),
        base,
        config,
        symbols: wanted.len(),
        verdict,
        source,
    })
}

/// Configures, and builds Debian packages.
pub async fn build(
    request: &Request<'_>,
    tell: &(dyn Fn(Step) + Sync),
) -> Result<(Configured, Vec<Package>), KernelError> {
    fits(request)?;
    tools::present(&tools::for_building(request.facts)).await?;
    let configured = configure(request, tell).await?;
    let folder = request.out.join("build");
    let make = Make {
        source: &configured.source,
        build: &folder,
        interrupt: request.interrupt,
    };
    let log = request.out.join("build.log");
    tell(Step::Building(log.clone()));
    let produced = folder.join("debian/files");
    if produced.exists() {
        std::fs::remove_file(&produced).map_err(|error| KernelError::file(&produced, error))?;
    }
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let program = make
        .command("bindeb-pkg")
        .arguments([
            format!("-j{jobs}"),
            format!("KDEB_PKGVERSION={}", request.revision),
        ])
        // The package with debugging symbols is larger than all others together.
        .variable("DEB_BUILD_PROFILES", "pkg.linux-upstream.nokerneldbg");
    let finished = make.watch(&program).await?;
    let said = [finished.stdout.as_slice(), finished.stderr.as_slice()].concat();
    std::fs::write(&log, &said).map_err(|error| KernelError::file(&log, error))?;
    succeeded("make bindeb-pkg", &finished)?;
    let packages = packages(request.out, &read(&produced)?)?;
    Ok((configured, packages))
}

/// Whether this machine can build for that host.
fn fits(request: &Request<'_>) -> Result<(), KernelError> {
    let Machine { os, architecture } = request.machine;
    if os != "linux" {
        return Err(KernelError::NotLinux { os });
    }
    let wanted = match request.architecture {
        Architecture::X86_64 => "x86_64",
        Architecture::Aarch64 => "aarch64",
    };
    if architecture != wanted {
        return Err(KernelError::OtherMachine {
            here: architecture,
            wanted,
        });
    }
    Ok(())
}

/// The configuration named, or the running kernel's.
fn base(named: Option<&Path>) -> Result<PathBuf, KernelError> {
    let path = if let Some(path) = named {
        path.to_owned()
    } else {
        let release = read(Path::new("/proc/sys/kernel/osrelease"))?;
        PathBuf::from(format!("/boot/config-{}", release.trim()))
    };
    if path.is_file() {
        return Ok(path);
    }
    Err(KernelError::NoBase { path })
}

/// The files that dpkg lists as produced, one per line, with their kind.
fn packages(out: &Path, list: &str) -> Result<Vec<Package>, KernelError> {
    let mut packages = Vec::new();
    for file in list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        if Path::new(file).extension() != Some("deb".as_ref()) {
            continue;
        }
        let path = out.join(file);
        let bytes = std::fs::read(&path).map_err(|error| KernelError::file(&path, error))?;
        packages.push(Package {
            file: file.to_owned(),
            sha256: Sha256Hex::of(&bytes).as_str().to_owned(),
            bytes: bytes.len() as u64,
        });
    }
    packages.sort_by(|a, b| a.file.cmp(&b.file));
    if packages.is_empty() {
        return Err(KernelError::NoPackage {
            out: out.to_owned(),
        });
    }
    Ok(packages)
}

/// The source's make, in a separate build folder: the source is not changed.
struct Make<'a> {
    source: &'a Source,
    build: &'a Path,
    interrupt: &'a Interrupt,
}

impl Make<'_> {
    fn command(&self, target: &str) -> Program {
        let build = absolute(self.build).unwrap_or_else(|_| self.build.to_owned());
        Program::new("make")
            .arguments(["--no-print-directory", "-C"])
            .arguments([self.source.folder()])
            .arguments([format!("O={}", build.display())])
            .arguments([format!("LOCALVERSION={LOCAL_VERSION}"), target.to_owned()])
            .variable("LC_ALL", "C")
            .deadline(DEADLINE)
            .cap(CAP)
    }

    async fn target(&self, target: &str) -> Result<Finished, KernelError> {
        let finished = self.watch(&self.command(target).arguments(["-s"])).await?;
        succeeded(&format!("make {target}"), &finished)?;
        Ok(finished)
    }

    /// Runs it to its end, or until a stop is requested.
    async fn watch(&self, program: &Program) -> Result<Finished, KernelError> {
        let mut stderr = Vec::new();
        let finished = program
            .watch(self.interrupt, &mut |line| {
                stderr.extend_from_slice(line.as_bytes());
                stderr.push(b'\n');
            })
            .await?;
        Ok(Finished { stderr, ..finished })
    }

    /// Merges the fragment into `.config`; a symbol that is built in stays built in where a module is enough.
    async fn merge(&self, fragment: &Path) -> Result<(), KernelError> {
        let script = self.source.folder().join(source::MERGE);
        let finished = Program::new("sh")
            .arguments([script.as_os_str()])
            .arguments(["-m", "-y", ".config"])
            .arguments([fragment])
            .folder(self.build)
            .variable("LC_ALL", "C")
            .variable("KCONFIG_CONFIG", ".config")
            .run()
            .await?;
        succeeded(source::MERGE, &finished)
    }
}

fn succeeded(step: &str, finished: &Finished) -> Result<(), KernelError> {
    if finished.status.success() {
        return Ok(());
    }
    let said = if finished.stderr.iter().all(u8::is_ascii_whitespace) {
        &finished.stdout
    } else {
        &finished.stderr
    };
    Err(KernelError::step(step, said))
}

fn create(folder: &Path) -> Result<(), KernelError> {
    std::fs::create_dir_all(folder).map_err(|error| KernelError::file(folder, error))
}

fn copy(from: &Path, to: &Path) -> Result<(), KernelError> {
    let bytes = std::fs::read(from).map_err(|error| KernelError::file(from, error))?;
    std::fs::write(to, bytes).map_err(|error| KernelError::file(to, error))
}

fn read(path: &Path) -> Result<String, KernelError> {
    let bytes = std::fs::read(path).map_err(|error| KernelError::file(path, error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(path: &Path, text: &str) -> Result<(), KernelError> {
    std::fs::write(path, text).map_err(|error| KernelError::file(path, error))
}

fn absolute(path: &Path) -> Result<PathBuf, KernelError> {
    path.canonicalize()
        .map_err(|error| KernelError::file(path, error))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn only_a_machine_of_the_host_s_kind_builds_its_kernel() {
        let facts = Kernel {
            flavour: deployctl_core::inventory::kernel::Flavour::Custom,
            command_line: Vec::new(),
            modules: BTreeSet::default(),
            sysctl: BTreeMap::default(),
            io_uring_group: None,
            symbols: BTreeMap::default(),
        };
        let interrupt = Interrupt::never();
        let on = |os, architecture| {
            let request = Request {
                facts: &facts,
                architecture: Architecture::X86_64,
                machine: Machine { os, architecture },
                source: Path::new("source"),
                base: None,
                trim: false,
                out: Path::new("out"),
                revision: 1,
                interrupt: &interrupt,
            };
            match fits(&request) {
                Ok(()) => "it fits".to_owned(),
                Err(error) => format!("{error}\n  hint: {}", error.hint().unwrap_or_default()),
            }
        };
        let said = [
            on("linux", "x86_64"),
            on("macos", "aarch64"),
            on("linux", "aarch64"),
        ];
        insta::assert_snapshot!(said.join("\n"), @"
        it fits
        a Linux kernel cannot be built on `macos`
          hint: build it on the host itself or another Linux machine, or by the flake's output `HOST-kernel` with a Linux builder
        this machine is `aarch64`; the host is `x86_64`
          hint: build it on the host itself, or on a machine of its kind
        ");
    }
}
