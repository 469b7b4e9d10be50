//! `deployctl secret set`, `edit`, `rotate` and `rekey`: all that write files. Everything is encrypted before the first
//! file is written.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _};

use deployctl_core::secret::{Fault, NoKey, Reviewed};
use deployctl_engine::secret::{
    EditError, LONGEST, Plaintext, SealError, Workplace, random_value, seal,
};
use deployctl_report::Verdict;

use super::{Secrets, identities, review, shown, write};
use crate::args;
use crate::context::Context;
use crate::env_vars;
use crate::failure::Failure;
use crate::ui::{Tone, Ui};

pub(super) fn set(
    context: &Context,
    secrets: &Secrets,
    args: &args::SecretSet,
) -> Result<Verdict, Failure> {
    secrets.find(&args.name)?;
    let mut value = given(&args.name)?;
    if !args.exact {
        remove_line_end(&mut value);
    }
    store(context, secrets, &args.name, &value)
}

/// Takes one line break from the end of `value`: a terminal, `echo` and most editors put it there.
fn remove_line_end(value: &mut Plaintext) {
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
}

/// Encrypts `value`, the new one of `name`, and writes it.
fn store(
    context: &Context,
    secrets: &Secrets,
    name: &str,
    value: &Plaintext,
) -> Result<Verdict, Failure> {
    let sealed = sealed(context, secrets, name, value)?;
    write(context, secrets, &[(name.to_owned(), sealed)].into(), true)
}

/// The value that the user gives.
fn given(name: &str) -> Result<Plaintext, Failure> {
    let input = std::io::stdin().lock();
    if input.is_terminal() {
        return Ok(Plaintext::new(
            Ui::hidden(&format!("value of `{name}`: "))?.into_bytes(),
        ));
    }
    let mut value = Plaintext::new(Vec::with_capacity(4096));
    let read = input.take(LONGEST + 1).read_to_end(&mut value);
    read.map_err(|error| Failure::of(Verdict::Usage, &error))?;
    if value.len() as u64 > LONGEST {
        return Err(Failure::usage(format!(
            "the value is longer than {LONGEST} bytes"
        )));
    }
    Ok(value)
}

pub(super) async fn edit(
    context: &Context,
    secrets: &Secrets,
    args: &args::SecretShow,
) -> Result<Verdict, Failure> {
    secrets.find(&args.name)?;
    let there = secrets.vault.path(&args.name).exists();
    let earlier = if there {
        secrets.open(&args.name, &identities(context.ui, &args.identities)?)?
    } else {
        Plaintext::default()
    };
    let editor = env_vars::editor().ok_or_else(|| {
        Failure::usage("neither VISUAL nor EDITOR names an editor").hint(format!(
            "`EDITOR=nano deployctl secret edit {0}`, or `deployctl secret set {0}`",
            args.name
        ))
    })?;
    let workplace = Workplace::new(&env_vars::memory_directories())
        .map_err(|error| edit_failure(&error, &args.name))?;
    let edited = workplace.edit(&editor, &args.name, &earlier).await;
    let mut edited = edited.map_err(|error| edit_failure(&error, &args.name))?;
    drop(workplace);
    // An editor ends the line of a token, whose line break is no part of it; a key of several lines needs its last one.
    let first = edited.iter().position(|it| *it == b'\n');
    let is_line = first.is_some_and(|at| at + 1 == edited.len());
    if is_line && !earlier.ends_with(b"\n") {
        remove_line_end(&mut edited);
    }
    if there && edited == earlier {
        context
            .ui
            .say(&format!("{} is as it was", shown(&args.name)));
        return Ok(Verdict::Done);
    }
    store(context, secrets, &args.name, &edited)
}

fn edit_failure(error: &EditError, name: &str) -> Failure {
    let hint = match error {
        EditError::NoMemory(_) => Some(format!(
            "`deployctl secret set {name}` needs no file: it takes the value from standard input"
        )),
        EditError::Editor(_) => Some("see VISUAL and EDITOR".to_owned()),
        EditError::File { .. } | EditError::Unreadable(_) | EditError::Gave(_) => None,
    };
    Failure::of(Verdict::Usage, error).hint_if_any(hint)
}

pub(super) fn rotate(
    context: &Context,
    secrets: &Secrets,
    args: &args::SecretRotate,
) -> Result<Verdict, Failure> {
    let names: Vec<String> = if args.missing {
        let missing = secrets.declared().filter(|(name, secret)| {
            secret.generate_bytes.is_some() && !secrets.vault.path(name.as_str()).exists()
        });
        missing.map(|(name, _)| name.to_string()).collect()
    } else {
        args.names.clone()
    };
    let mut files = BTreeMap::new();
    for name in names {
        let Some(bytes) = secrets.find(&name)?.generate_bytes else {
            let message = format!("`{name}` has no `generate_bytes`, so its value is not random");
            return Err(Failure::usage(message).hint(format!(
                "`deployctl secret set {name}` takes a value that somebody issued"
            )));
        };
        let value = random_value(bytes).map_err(|error| Failure::of(Verdict::Internal, &error))?;
        let sealed = sealed(context, secrets, &name, &value)?;
        files.insert(name, sealed);
    }
    if files.is_empty() {
        context
            .ui
            .say("every secret with `generate_bytes` has a value");
        return Ok(Verdict::Done);
    }
    write(context, secrets, &files, true)
}

pub(super) fn rekey(
    context: &Context,
    secrets: &Secrets,
    args: &args::SecretRekey,
) -> Result<Verdict, Failure> {
    let reviewed = review::all(context, secrets)?;
    let names = if args.names.is_empty() {
        to_rekey(context, &reviewed)
    } else {
        args.names.clone()
    };
    if names.is_empty() {
        return Ok(Verdict::Done);
    }
    let identities = identities(context.ui, &args.identities)?;
    let (mut files, mut failures) = (BTreeMap::new(), Vec::new());
    for name in names {
        let secret = secrets
            .find(&name)
            .and_then(|_| secrets.open(&name, &identities));
        match secret.and_then(|value| sealed(context, secrets, &name, &value)) {
            Ok(sealed) => drop(files.insert(name, sealed)),
            Err(failure) => failures.push(failure),
        }
    }
    if let Some(last) = failures.pop() {
        if failures.is_empty() {
            return Err(last);
        }
        // All at once, and nothing is written.
        let hint = last.hint.clone();
        let all = failures.iter().chain([&last]);
        let all: Vec<&str> = all.map(|failure| failure.message.as_str()).collect();
        return Err(Failure::new(last.verdict, all.join("\n")).hint_if_any(hint));
    }
    let verdict = write(context, secrets, &files, false)?;
    for Reviewed { name, faults, .. } in &reviewed {
        if files.contains_key(name) && faults.iter().any(Fault::is_exposure) {
            tell_exposure(context, secrets, name);
        }
    }
    Ok(verdict)
}

/// A new encryption takes no value back from whoever read it.
fn tell_exposure(context: &Context, secrets: &Secrets, name: &str) {
    let random = secrets
        .find(name)
        .is_ok_and(|it| it.generate_bytes.is_some());
    let renewal = if random { "rotate" } else { "set" };
    context.ui.say(&format!(
        "{}: {}: keys that are not declared could open it until now, so their owners may know its value\n  hint: `deployctl secret {renewal} {name}` gives it another",
        Tone::Warn.of("warning"),
        shown(name),
    ));
}

/// Files that other keys open than the declared ones. What a new encryption does not mend is said, or that all is well.
fn to_rekey(context: &Context, reviewed: &[Reviewed]) -> Vec<String> {
    let (mut names, mut sound) = (Vec::new(), true);
    for Reviewed { name, faults, .. } in reviewed {
        let other_readers = |fault: &Fault| {
            matches!(
                fault,
                Fault::Closed(_) | Fault::Others(_) | Fault::Hidden { .. }
            )
        };
        if faults.iter().any(other_readers) {
            names.push(name.clone());
            continue;
        }
        for fault in faults {
            if let Fault::Missing { .. } | Fault::File(_) | Fault::NoKey(_) = fault {
                sound = false;
                let (place, hint) = (shown(name), fault.hint(name));
                let warning = Tone::Warn.of("warning");
                context
                    .ui
                    .say(&format!("{warning}: {place}: {fault}\n  hint: {hint}"));
            }
        }
    }
    if names.is_empty() {
        context.ui.say(if sound {
            "as far as headers tell, every secret is encrypted to exactly its readers"
        } else {
            "there is nothing to encrypt anew"
        });
    }
    names
}

/// Encrypts `value` to the readers of `name`, and says who has no key yet.
fn sealed(
    context: &Context,
    secrets: &Secrets,
    name: &str,
    value: &Plaintext,
) -> Result<String, Failure> {
    let recipients = secrets.recipients(secrets.find(name)?);
    let sealed = seal(value, &recipients).map_err(|error| {
        let hint = match &error {
            SealError::Empty => {
                Some("a service would start with an empty key; nothing was written".to_owned())
            }
            SealError::Nobody => recipients.without.first().map(|it| it.hint.clone()),
            SealError::Key { .. } | SealError::Age(_) => None,
        };
        let message = format!("cannot write `{}`: {error}", shown(name));
        Failure::new(Verdict::Usage, message).hint_if_any(hint)
    })?;
    for NoKey {
        reader,
        because,
        hint,
    } in &recipients.without
    {
        context.ui.say(&format!(
            "warning: {reader} will not be able to open `{}`: {because}\n  hint: {hint}",
            shown(name)
        ));
    }
    Ok(sealed)
}
