//! What was said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod nested;
mod verify;

pub(crate) use nested::{
    Concern, ConcernNew, ConcernTest, Identities, Model, ModelPin, Python, PythonLock, Secret,
    SecretRekey, SecretRotate, SecretSet, SecretShow,
};
pub(crate) use verify::Verify;

/// Says what each machine is, shows what would change, applies it without losing a machine, and checks it.
///
/// Hosts are selected by name, glob, `@tag`, and excluded by a leading `!`; none selects all.
/// Data goes to standard output, progress and messages to standard error.
#[derive(Debug, Parser)]
#[command(
    name = "deployctl",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done · 1 internal · 2 usage or invalid inventory · 3 changes pending (only with \
                  --exit-code) · 4 checks failed · 5 rolled back · 6 rollback failed · 7 build failed · 8 unreachable · 9 refused · \
                  10 open: not confirmed · 130 interrupted"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(crate) struct Global {
    /// The repository that holds `hosts/` and `modules/` [default: upwards from here]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) repo: Option<PathBuf>,
    /// An inventory in JSON instead of evaluating `hosts/` with Nix
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) inventory: Option<PathBuf>,
    /// Directories below DIR stand for the hosts: files only, no host is contacted
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) sandbox: Option<PathBuf>,
    /// Tell more: what hosts log while they are changed, whole plans before an apply
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours
    #[arg(long, value_enum, default_value_t, global = true)]
    pub(crate) color: Color,
    /// Log in as NAME instead of the inventory's `connection.user`; NAME needs sudo there
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) user: Option<String>,
    /// Ask for the password that sudo wants on the hosts
    #[arg(long, global = true)]
    pub(crate) ask_sudo_password: bool,
    /// Read the password that sudo wants on the hosts from the first line of FILE
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        conflicts_with = "ask_sudo_password"
    )]
    pub(crate) sudo_password_file: Option<PathBuf>,
    /// Evaluate the systems of Nix hosts anew, whatever is remembered of the same files
    #[arg(long, global = true)]
    pub(crate) no_eval_cache: bool,
    /// Sign what is copied to Nix hosts with the secret key in FILE, so that the login there need not be trusted
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) signing_key_file: Option<PathBuf>,
    /// How many hosts to work on at a time
    #[arg(long, value_name = "N", default_value_t = 16, global = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: u16,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Which hosts.
#[derive(Debug, Args)]
pub(crate) struct Hosts {
    /// Names, globs or @tags; a leading `!` excludes [default: all]
    #[arg(value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the hosts as declared, or check them
    Inventory(Inventory),
    /// Render the files of hosts, without asking any host
    Render(Render),
    /// Build the systems of Nix hosts, where their facts say, and copy them nowhere
    Build(Hosts),
    /// Build the image that a host is installed from
    Image(Image),
    /// Show what an apply would change
    Plan(Plan),
    /// Bring hosts to their declared state; roll back those that fail
    Apply(Apply),
    /// Fetch what an apply will switch to, and change nothing that runs
    Stage(Hosts),
    /// Show what is in use of artifacts, and free the releases that are not
    Gc(Gc),
    /// Check what is in effect on hosts and between them
    Verify(Verify),
    /// Ask hosts for their generation and the last apply
    Status(Hosts),
    /// List the generations of a host
    History(History),
    /// Go back to an earlier generation
    Rollback(Rollback),
    /// Show drift: what was changed on hosts since their last apply
    Diff(Diff),
    /// Pin who a host is: its SSH host keys and machine id
    Adopt(Adopt),
    /// Tell where a file on a host comes from
    Why(Why),
    /// Show what hosts can declare, and from where it comes
    #[command(subcommand)]
    Concern(Concern),
    /// Keep values that only some hosts and the operators may read
    #[command(subcommand)]
    Secret(Secret),
    /// Keep lists of the files of models
    #[command(subcommand)]
    Model(Model),
    /// Keep locks of Python projects
    #[command(subcommand)]
    Python(Python),
    /// Configure and build a host's own kernel
    #[command(subcommand)]
    Kernel(Kernel),
    /// Print a completion script for a shell
    Completions(Completions),
}

/// Show the hosts as declared, or check them
#[derive(Debug, Args)]
pub(crate) struct Inventory {
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    /// Only say whether it is valid
    #[arg(long, conflicts_with = "schema")]
    pub(crate) check: bool,
    /// Print the JSON Schema of the inventory
    #[arg(long)]
    pub(crate) schema: bool,
    /// Print the reference page of all facts, in Markdown
    #[arg(long, conflicts_with_all = ["check", "schema"])]
    pub(crate) reference: bool,
}

/// Render the files of hosts, without asking any host
#[derive(Debug, Args)]
pub(crate) struct Render {
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    /// Write the files below DIR/HOST instead of listing them
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Build the image that a host is installed from
#[derive(Debug, Args)]
pub(crate) struct Image {
    /// The host
    #[arg(value_name = "HOST")]
    pub(crate) host: String,
    /// A system that boots from a stick and installs the host, instead of what its disk holds
    #[arg(long)]
    pub(crate) installer: bool,
    /// Copy the image into DIR, instead of only printing its path
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Show what an apply would change
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    /// Save the plans to FILE, for `apply --plan`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Exit with 3 when something would change
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Show whole diffs
    #[arg(long)]
    pub(crate) full: bool,
}

/// Bring hosts to their declared state; roll back those that fail
#[derive(Debug, Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    #[command(flatten)]
    pub(crate) rollout: Rollout,
    /// Apply only what `plan --out FILE` saved; refuse where anything changed since
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    /// Exit with 3 when something was changed
    #[arg(long)]
    pub(crate) exit_code: bool,
}

/// How to roll out.
#[derive(Debug, Args)]
pub(crate) struct Rollout {
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Go on where only a guard refuses, such as market hours
    #[arg(long)]
    pub(crate) force: bool,
    /// Roll back an apply that another holds on a host, and take over
    #[arg(long)]
    pub(crate) steal: bool,
    /// Seconds that a host waits for us to confirm before it rolls back by itself
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=3600))]
    pub(crate) timeout: u32,
}

/// Show what is in use of artifacts, and free the releases that are not
#[derive(Debug, Args)]
pub(crate) struct Gc {
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    /// Free them
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// List the generations of a host
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The host
    #[arg(value_name = "HOST")]
    pub(crate) host: String,
}

/// Go back to an earlier generation
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The host
    #[arg(value_name = "HOST")]
    pub(crate) host: String,
    /// Which generation [default: the one before the current one]
    #[arg(long, value_name = "GENERATION")]
    pub(crate) to: Option<u32>,
    /// Where a rollback failed and you have looked: take the host as it is, and let it be worked on again
    #[arg(long, conflicts_with_all = ["to", "force", "steal"])]
    pub(crate) abandon: bool,
    #[command(flatten)]
    pub(crate) rollout: Rollout,
}

/// Show drift: what was changed on hosts since their last apply
#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    /// Exit with 3 when there is drift
    #[arg(long)]
    pub(crate) exit_code: bool,
}

/// Pin who a host is: its SSH host keys and machine id
#[derive(Debug, Args)]
pub(crate) struct Adopt {
    /// The host
    #[arg(value_name = "HOST")]
    pub(crate) host: String,
    /// The fingerprint that its host key must have (SHA256:…); instead of asking
    #[arg(long, value_name = "SHA256:…")]
    pub(crate) fingerprint: Option<String>,
    /// Replace another identity that was pinned before
    #[arg(long)]
    pub(crate) replace: bool,
    /// Trust the key that the host shows, without asking
    #[arg(long, conflicts_with = "fingerprint")]
    pub(crate) trust_on_first_use: bool,
}

/// Tell where a file on a host comes from
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// A path on the host, such as /etc/ssh/sshd_config.d/10-deployctl.conf
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) hosts: Hosts,
}

/// Configure and build a host's own kernel
#[derive(Debug, Subcommand)]
pub(crate) enum Kernel {
    /// Print the symbols that a host declares, as a fragment of a configuration
    Fragment(KernelFragment),
    /// Merge the symbols over a configuration, and say which do not come out as declared
    Config(KernelSource),
    /// Build Debian packages of the kernel
    Build(KernelBuild),
}

/// Print the symbols that a host declares, as a fragment of a configuration
#[derive(Debug, Args)]
pub(crate) struct KernelFragment {
    /// The host
    #[arg(value_name = "HOST")]
    pub(crate) host: String,
}

/// Merge the symbols over a configuration, and say which do not come out as declared
#[derive(Debug, Args)]
pub(crate) struct KernelSource {
    /// The host
    #[arg(value_name = "HOST")]
    pub(crate) host: String,
    /// The kernel's source, a folder or a tarball; it stays as it is
    #[arg(long, value_name = "DIR|TARBALL")]
    pub(crate) source: PathBuf,
    /// The configuration to start from [default: that of the kernel that runs here]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Leave out modules that this machine has not loaded: faster to build, for this machine alone
    #[arg(long)]
    pub(crate) trim: bool,
    /// Where everything goes: configuration, objects, packages
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// Build Debian packages of the kernel
#[derive(Debug, Args)]
pub(crate) struct KernelBuild {
    #[command(flatten)]
    pub(crate) source: KernelSource,
    /// The packages' own version; raise it when the same source is built again
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) revision: u32,
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}
