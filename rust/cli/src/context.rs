//! What was said, resolved: where the repository is, which hosts, how to reach them, and who works here.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deployctl_core::concern::{Concerns, Folders};
use deployctl_core::inventory::{self, Inventory};
use deployctl_core::name::{HostName, LoginName};
use deployctl_core::query::word;
use deployctl_core::render::{Facts, TemplateSet};
use deployctl_core::select::Selector;
use deployctl_engine::clock::{Clock as _, System};
use deployctl_engine::connect::{Again, Connector, OverSsh, Sandbox, SshSettings};
use deployctl_engine::interrupt::Interrupt;
use deployctl_engine::nix::cache::EvaluationCache;
use deployctl_engine::nix::deployer::ClosureDeployer;
use deployctl_engine::nix::{self, Nix};
use deployctl_engine::process::Program;
use deployctl_engine::secret::Vault;
use deployctl_engine::transport::Secret;
use deployctl_engine::{modules, repository};
use deployctl_report::Verdict;
use deployctl_report::text::About;

use crate::args::Global;
use crate::env_vars;
use crate::failure::Failure;
use crate::moment::rfc3339;
use crate::ui::Ui;

/// Everything a command needs beside its own arguments.
pub(crate) struct Context {
    pub(crate) ui: Ui,
    pub(crate) global: Global,
    pub(crate) interrupt: Interrupt,
    /// Whether hosts may have been changed by now.
    pub(crate) started: Arc<AtomicBool>,
    pub(crate) clock: Arc<System>,
    /// The command as it was given, for records.
    pub(crate) said: String,
    /// The folders of concerns, once they are read.
    folders: OnceLock<Folders>,
}

impl Context {
    pub(crate) fn new(global: Global, interrupt: Interrupt) -> Self {
        Self {
            ui: Ui::new(global.json, global.color),
            global,
            interrupt,
            started: Arc::default(),
            clock: Arc::new(System::new()),
            said: said(),
            folders: OnceLock::new(),
        }
    }

    /// The directory that holds `hosts/` and `modules/`.
    pub(crate) fn repo(&self) -> Result<PathBuf, Failure> {
        if let Some(named) = self.global.repo.clone().or_else(env_vars::repo) {
            if is_repo(&named) {
                return Ok(named);
            }
            return Err(Failure::usage(format!(
                "`{}` is no repository of deployctl: it has no `hosts/default.nix`",
                named.display()
            )));
        }
        let here = std::env::current_dir().map_err(|error| {
            Failure::of(Verdict::Usage, &error).hint("name the repository by --repo")
        })?;
        here.ancestors()
            .find(|folder| is_repo(folder))
            .map(Path::to_owned)
            .ok_or_else(|| {
                Failure::usage(format!(
                    "no `hosts/default.nix` in `{}` or above",
                    here.display()
                ))
                .hint("go to the repository, or name it by --repo")
            })
    }

    /// The valid inventory: of `--inventory FILE`, or as Nix evaluates it.
    pub(crate) async fn inventory(&self) -> Result<Inventory, Failure> {
        let Some(file) = &self.global.inventory else {
            let top = self.repo()?;
            // Nix is another process: the folders are read while it evaluates.
            let (bytes, concerns) = tokio::join!(nix::evaluate(&top), async { self.concerns() });
            return Ok(inventory::parse_with(&bytes?, &concerns?)?);
        };
        inventory::parse_with(&nix::read(file)?, &self.concerns()?).map_err(|errors| {
            // What has a place in `hosts/` is to be put right there.
            if errors.iter().any(|error| error.position.is_some()) {
                return errors.into();
            }
            Failure::usage(format!("`{}` is no valid inventory", file.display())).cause(&errors)
        })
    }

    /// The folders of concerns of the repository at hand; where there is none, those that the program carries.
    pub(crate) fn folders(&self) -> Result<Folders, Failure> {
        if let Some(folders) = self.folders.get() {
            return Ok(folders.clone());
        }
        let folders = match self.repo() {
            Ok(top) => modules::read(&top)?,
            Err(_) if self.global.repo.is_none() => Folders::built_in().clone(),
            Err(failure) => return Err(failure),
        };
        Ok(self.folders.get_or_init(|| folders).clone())
    }

    /// What hosts can declare.
    pub(crate) fn concerns(&self) -> Result<Concerns, Failure> {
        Ok(Concerns::read(
            &self.folders()?,
            &deployctl_checks::judges(),
        )?)
    }

    /// Compiles the templates of the repository's own folders. Those of the program are sound.
    pub(crate) fn check_templates(&self) -> Result<(), Failure> {
        TemplateSet::of(&self.folders()?.with_other("ubuntu"))?;
        Ok(())
    }

    /// The templates, and the facts as they see them.
    pub(crate) fn sources(&self, inventory: &Inventory) -> Result<(TemplateSet, Facts), Failure> {
        let templates = TemplateSet::of(&self.folders()?)?;
        let facts = Facts::from_inventory(inventory.value());
        let secrets = inventory.cluster().secrets.iter().flatten();
        let names: Vec<&str> = secrets.map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            return Ok((templates, facts));
        }
        let sealed = Vault::of(&self.repo()?).armored(&names)?;
        Ok((templates, facts.with_sealed(sealed)))
    }

    /// The way to the hosts.
    pub(crate) fn connector(&self, inventory: &Inventory) -> Result<Arc<dyn Connector>, Failure> {
        if let Some(directory) = &self.global.sandbox {
            let sandbox = Sandbox::new(directory).map_err(|error| {
                let failure = Failure::from(error);
                Failure {
                    verdict: Verdict::Usage,
                    ..failure
                }
            })?;
            return Ok(Arc::new(sandbox));
        }
        let below = Arc::new(OverSsh::new(inventory, &self.ssh_settings()?)?);
        Ok(Arc::new(Again::new(below, self.clock.clone())))
    }

    /// Evaluates, builds and copies the systems of Nix hosts.
    pub(crate) async fn deployer(&self) -> Result<ClosureDeployer, Failure> {
        let top = self.repo()?;
        let directory = env_vars::cache_directory();
        let cache = match &directory {
            Some(directory) if !self.global.no_eval_cache => {
                EvaluationCache::open(directory, &top).await
            }
            _ => EvaluationCache::none(),
        };
        let roots = directory.unwrap_or_else(env_vars::runtime_directory);
        let key = self.global.signing_key_file.clone();
        let key = key.or_else(env_vars::signing_key_file);
        if let Some(key) = &key {
            std::fs::File::open(key).map_err(|error| {
                let message = format!("cannot read the signing key `{}`", key.display());
                Failure::usage(message).cause(&error)
            })?;
        }
        let (roots, interrupt) = (roots.join("roots"), self.interrupt.clone());
        let deployer = ClosureDeployer::new(Nix::default(), top, cache, roots, interrupt);
        Ok(deployer.signing_with(key))
    }

    /// How ssh is to be used.
    pub(crate) fn ssh_settings(&self) -> Result<SshSettings, Failure> {
        Ok(SshSettings {
            runtime: env_vars::runtime_directory(),
            user_config: ssh_config()?,
            user: self.ssh_user()?,
            sudo_password: self.sudo_password()?,
        })
    }

    /// Who logs in instead of the inventory's users.
    fn ssh_user(&self) -> Result<Option<LoginName>, Failure> {
        let user = self.global.user.clone().or_else(env_vars::ssh_user);
        user.map(LoginName::new)
            .transpose()
            .map_err(|error| Failure::of(Verdict::Usage, &error))
    }

    fn sudo_password(&self) -> Result<Option<Secret>, Failure> {
        if self.global.ask_sudo_password {
            let word = Ui::password("password for sudo on the hosts: ")?;
            let secret = Secret::new(word.as_bytes());
            return secret
                .map(Some)
                .map_err(|error| Failure::usage("what was typed is no password").cause(&error));
        }
        let file = self.global.sudo_password_file.clone();
        let Some(file) = file.or_else(env_vars::sudo_password_file) else {
            return Ok(None);
        };
        let failure =
            |what: &str| Failure::usage(format!("{what} the password file `{}`", file.display()));
        let text = std::fs::read(&file).map_err(|error| failure("cannot read").cause(&error))?;
        self.warn_of_readers(&file, "password");
        let secret = Secret::new(&text).map_err(|error| {
            failure("there is no password in")
                .cause(&error)
                .hint("its first line is the password, in the bytes that the host expects")
        })?;
        Ok(Some(secret))
    }

    /// Warns where others than the owner can read a file with a secret, which is `what`.
    pub(crate) fn warn_of_readers(&self, file: &Path, what: &str) {
        let found = std::fs::metadata(file)
            .ok()
            .filter(std::fs::Metadata::is_file);
        let mode = found.map(|it| it.permissions().mode() & 0o777);
        if let Some(mode) = mode
            && mode & 0o077 != 0
        {
            let name = file.display();
            self.ui.say(&format!(
                "warning: others can read the {what} file `{name}` (mode {mode:04o})\n  hint: chmod 600 {}",
                word(&name.to_string())
            ));
        }
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.clock.unix_seconds()
    }

    /// What pages say of a run that ended `at` so many seconds since 1970.
    pub(crate) async fn about(&self, at: u64) -> About {
        let state = match self.repo() {
            Ok(top) => repository::state(&top).await,
            Err(_) => None,
        };
        About {
            at: rfc3339(at),
            dirty: state.as_ref().is_some_and(|state| state.dirty),
            commit: state.and_then(|state| state.commit),
            command: self.said.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// How many hosts at a time.
    pub(crate) fn jobs(&self) -> usize {
        self.global.jobs.into()
    }
}

/// The user's own ssh configuration, for ssh to read.
fn ssh_config() -> Result<String, Failure> {
    let Some(named) = env_vars::ssh_config() else {
        return Ok("~/.ssh/config".to_owned());
    };
    if named.as_os_str().is_empty() {
        return Ok(String::new());
    }
    let failure = |error: &dyn std::error::Error| {
        let message = format!(
            "cannot read `{}`, which {} names",
            named.display(),
            env_vars::SSH_CONFIG
        );
        Failure::usage(message).cause(error)
    };
    let path = std::path::absolute(&named).map_err(|error| failure(&error))?;
    std::fs::File::open(&path).map_err(|error| failure(&error))?;
    path.into_os_string().into_string().map_err(|_| {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "its path is not UTF-8");
        failure(&error)
    })
}

/// The command line as a shell would take it again.
fn said() -> String {
    let words = std::env::args().skip(1).map(|argument| word(&argument));
    let words: Vec<String> = std::iter::once("deployctl".to_owned())
        .chain(words)
        .collect();
    words.join(" ")
}

/// The hosts that `words` select, in the inventory's order.
pub(crate) fn select(inventory: &Inventory, words: &[String]) -> Result<Vec<HostName>, Failure> {
    let chosen = Selector::parse(words)?.select(inventory)?;
    Ok(chosen.into_iter().cloned().collect())
}

/// One host by its name.
pub(crate) fn one_host(inventory: &Inventory, word: &str) -> Result<HostName, Failure> {
    let mut hosts = select(inventory, &[word.to_owned()])?;
    match (hosts.pop(), hosts.is_empty()) {
        (Some(host), true) => Ok(host),
        _ => Err(Failure::usage(format!("`{word}` is more than one host"))
            .hint("this command is about one host at a time")),
    }
}

fn is_repo(folder: &Path) -> bool {
    folder.join("hosts/default.nix").is_file()
}

/// `user@controller`. Where the environment does not name the user (cron, a unit, a container), the system's accounts do.
pub(crate) async fn holder() -> String {
    let user = match env_vars::user() {
        Some(user) => user,
        None => answer_of("id", "-un").await.unwrap_or("unknown".to_owned()),
    };
    let controller = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let controller = controller
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    let controller = match controller {
        Some(name) => name,
        None => answer_of("uname", "-n")
            .await
            .unwrap_or("controller".to_owned()),
    };
    format!("{user}@{controller}")
}

/// What a small program says, if it says anything.
async fn answer_of(program: &str, argument: &str) -> Option<String> {
    let program = Program::new(program)
        .arguments([argument])
        .deadline(Duration::from_secs(5));
    let finished = program.run().await.ok()?;
    let text = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
    (finished.status.success() && !text.is_empty()).then_some(text)
}
