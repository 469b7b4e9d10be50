//! `deployctl secret`: values that only some hosts and the operators may read.

mod change;
mod review;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use deployctl_core::inventory::cluster::Secret;
use deployctl_core::inventory::text::Label;
use deployctl_core::inventory::{Inventory, suggest};
use deployctl_core::name::HostName;
use deployctl_core::query::printable_line;
use deployctl_core::secret::{
    EXPOSED_HINT, Fault, Header, HeaderError, Recipients, exposed_facts, opens, unused,
};
use deployctl_engine::secret::{Identities, IdentityError, OpenError, Person, Plaintext, Vault};
use deployctl_report::Verdict;

use crate::args;
use crate::context::Context;
use crate::env_vars;
use crate::failure::Failure;
use crate::moment::date;
use crate::ui::{Tone, Ui};

pub(super) async fn run(context: &Context, args: &args::Secret) -> Result<Verdict, Failure> {
    let secrets = Secrets {
        inventory: context.inventory().await?,
        vault: Vault::of(&context.repo()?),
    };
    match args {
        args::Secret::List => review::list(context, &secrets),
        args::Secret::Check => review::check(context, &secrets),
        args::Secret::Show(args) => show(context.ui, &secrets, args),
        args::Secret::Set(args) => change::set(context, &secrets, args),
        args::Secret::Edit(args) => change::edit(context, &secrets, args).await,
        args::Secret::Rotate(args) => change::rotate(context, &secrets, args),
        args::Secret::Rekey(args) => change::rekey(context, &secrets, args),
    }
}

/// Names, on standard error, facts that have the shape of a secret, and secrets that no fact names. Facts reach the Nix
/// store, which everybody can read.
pub(super) fn warn_of_facts(ui: Ui, inventory: &Inventory) {
    for fact in exposed_facts(inventory) {
        let place = fact.place.as_deref().unwrap_or("the inventory");
        ui.say(&format!(
            "{}: {place}: `{}` looks like {}; facts reach plans, and the Nix store, which everybody can read\n  hint: {EXPOSED_HINT}",
            Tone::Warn.of("warning"),
            fact.path,
            fact.looks_like,
        ));
    }
    for secret in unused(inventory) {
        let place = secret.place.as_deref().unwrap_or("the inventory");
        ui.say(&format!(
            "{}: {place}: {secret}\n  hint: {}",
            Tone::Warn.of("warning"),
            secret.hint(),
        ));
    }
}

/// Files for `host` that none of its `keys` opens, as far as their headers tell: all of them once it was installed anew.
pub(super) fn closed_to(
    vault: &Vault,
    inventory: &Inventory,
    host: &HostName,
    keys: &BTreeSet<String>,
) -> Vec<String> {
    let declared = inventory.cluster().secrets.iter().flatten();
    declared
        .filter(|(_, secret)| secret.hosts.contains(host))
        .filter(|(name, _)| {
            // A file that is missing or damaged is for `secret check` to tell.
            let file = vault.read(name.as_str()).ok().flatten();
            file.and_then(|file| Header::parse(&file).ok())
                .is_some_and(|header| !opens(&header, keys))
        })
        .map(|(name, _)| shown(name.as_str()))
        .collect()
}

/// What is declared, and where the files are.
struct Secrets {
    inventory: Inventory,
    vault: Vault,
}

impl Secrets {
    /// The declared ones, by name.
    fn declared(&self) -> impl Iterator<Item = (&Label, &Secret)> {
        self.inventory.cluster().secrets.iter().flatten()
    }

    /// One that is declared.
    fn find(&self, name: &str) -> Result<&Secret, Failure> {
        let found = self.declared().find(|(it, _)| it.as_str() == name);
        found.map(|(_, secret)| secret).ok_or_else(|| {
            let failure = Failure::usage(format!("no secret `{name}` is declared"));
            let known = self.declared().map(|(name, _)| name.as_str());
            let close = suggest::hint(name, "secrets", known);
            failure.hint(close.unwrap_or_else(|| {
                format!("declare it in `cluster.secrets.{name}` of hosts/cluster.nix")
            }))
        })
    }

    fn recipients(&self, secret: &Secret) -> Recipients {
        Recipients::of(&self.inventory, secret)
    }

    /// Opens the file of a declared secret.
    fn open(&self, name: &str, identities: &Identities) -> Result<Plaintext, Failure> {
        let place = shown(name);
        let sealed = self.vault.read(name)?.ok_or_else(|| {
            let random = self.find(name).is_ok_and(|it| it.generate_bytes.is_some());
            let hint = Fault::Missing { random }.hint(name);
            Failure::usage(format!("there is no `{place}`")).hint(hint)
        })?;
        identities.open(&sealed).map_err(|error| {
            let hint = open_hint(&error, name);
            Failure::new(Verdict::Refused, format!("cannot open `{place}`: {error}")).hint(hint)
        })
    }
}

/// A secret's file as messages name it.
fn shown(name: &str) -> String {
    format!("secrets/{name}.age")
}

fn open_hint(error: &OpenError, name: &str) -> String {
    match error {
        OpenError::NoIdentity | OpenError::NoMatch(_) => {
            "name another private key by `--identity FILE`; who can open it is in `deployctl secret list`".to_owned()
        }
        OpenError::NoTerminal => {
            "run it in a terminal, or name a key without a passphrase by `--identity FILE`".to_owned()
        }
        OpenError::Passphrase => {
            "try it again, or name another private key by `--identity FILE`".to_owned()
        }
        OpenError::Header(HeaderError::Version(_)) => {
            "take a newer deployctl, or let the program that made it write version 1".to_owned()
        }
        OpenError::Header(_)
        | OpenError::Damaged
        | OpenError::Truncated
        | OpenError::TooLong
        | OpenError::Other(_) => format!(
            "an earlier one is in git: `git log -- {}`; `deployctl secret set {name}` writes a new value",
            shown(name)
        ),
    }
}

fn show(ui: Ui, secrets: &Secrets, args: &args::SecretShow) -> Result<Verdict, Failure> {
    secrets.find(&args.name)?;
    let value = secrets.open(&args.name, &identities(ui, &args.identities)?)?;
    let mut out = std::io::stdout().lock();
    // A reader that is gone is no error.
    let _ = out.write_all(&value);
    if out.is_terminal() && !value.ends_with(b"\n") {
        let _ = out.write_all(b"\n");
    }
    let _ = out.flush();
    Ok(Verdict::Done)
}

/// Whoever started the program.
struct Terminal(Ui);

impl Person for Terminal {
    fn passphrase(&self, words: &str) -> Option<String> {
        let question = format!("{words}: ");
        Ui::is_attended()
            .then(|| Ui::hidden(&question).ok())
            .flatten()
    }

    fn message(&self, words: &str) {
        self.0.say(&printable_line(words.as_bytes(), 200));
    }
}

/// The private keys at hand.
fn identities(ui: Ui, args: &args::Identities) -> Result<Identities, Failure> {
    let files = if args.files.is_empty() {
        let usual = env_vars::ssh_keys().into_iter();
        usual.filter(|path| path.is_file()).collect()
    } else {
        args.files.clone()
    };
    let person: Arc<dyn Person> = Arc::new(Terminal(ui));
    Identities::read(&files, &person).map_err(|error| {
        let hint = match &error {
            IdentityError::Read { .. } => "see its owner and mode",
            IdentityError::Unusable { .. } => {
                "name another private key by `--identity FILE`; `age-keygen` makes one, whose public half goes into `age_keys` of the operator"
            }
        };
        Failure::of(Verdict::Usage, &error).hint(hint)
    })
}

/// Writes `files`, and says which.
fn write(
    context: &Context,
    secrets: &Secrets,
    files: &BTreeMap<String, String>,
    changed: bool,
) -> Result<Verdict, Failure> {
    let day = date(context.now()).to_string();
    let on = changed.then_some(day.as_str());
    secrets.vault.write(files, on)?;
    if context.ui.json {
        Ui::print_json(&serde_json::json!({
            "version": 1,
            "written": files.keys().map(|name| shown(name)).collect::<Vec<_>>(),
        }));
        return Ok(Verdict::Done);
    }
    for name in files.keys() {
        context.ui.print(&format!("{} written\n", shown(name)));
    }
    Ok(Verdict::Done)
}
