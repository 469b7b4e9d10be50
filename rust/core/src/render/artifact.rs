//! From one `[[artifact]]` to what the host is to hold, and from `[artifact.build]` to what the host is sent to make an
//! artifact by itself.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::Value;
use minijinja::value::ValueKind;

use super::error::RenderError;
use super::module_file::{ArtifactItem, BuildItem, Text};
use super::scope::{Occurrence, Scope};
use super::template_set::Module;
use crate::artifact::{Artifact, ArtifactFile, Build, Source};
use crate::name::{ArtifactName, ArtifactPath, ManagedPath};
use crate::rendered::Sha256Hex;

/// How many releases stay where the module does not say: the one in use and the one before.
const KEEP: u8 = 2;

/// Evaluates `item`; returns also the facts that it reads. The list of files is one of them, and not each of its values.
pub(super) fn read(
    scope: &Scope,
    module: &Module,
    item: &ArtifactItem,
    at: &Occurrence,
) -> Result<(Artifact, BTreeSet<String>), RenderError> {
    let source = Source::try_from(scope.text(&item.source, at)?)
        .map_err(|reason| scope.field_error(&item.source, "source", reason))?;
    let keep = match &item.keep {
        None => KEEP,
        Some(scalar) => match scope.number("keep", Some(scalar), at)? {
            None => KEEP,
            Some(number) => u8::try_from(number)
                .ok()
                .filter(|keep| (1..=16).contains(keep))
                .ok_or_else(|| scope.bad_field(scalar.span(), "keep", "is not from 1 to 16"))?,
        },
    };
    let kind = scope.name("kind", &item.kind, at, ArtifactName::new)?;
    let name = scope.name("name", &item.name, at, ArtifactName::new)?;
    let credential = credential(scope, item, at)?;
    let programs = words(scope, "programs", item.programs.as_ref(), at, program)?;
    let after = words(scope, "after", item.after.as_ref(), at, managed)?;
    let min_free_gib = guards(scope, item, at)?;
    let list = scope.expression(&item.files, at)?;
    let items = list.try_iter().map_err(|_| {
        let reason = format!("a {} is no list of files", list.kind());
        scope.field_error(&item.files, "files", reason)
    })?;
    let build = match &item.build {
        None => None,
        Some(build) => Some(read_build(scope, module, build, at)?),
    };
    let facts = scope.facts(at);
    let files = files(items).map_err(|reason| scope.field_error(&item.files, "files", reason))?;
    let artifact = Artifact {
        concern: scope.concern.clone(),
        kind,
        name,
        digest: Artifact::digest_of(&files, build.as_ref()),
        source,
        credential,
        programs,
        after,
        min_free_gib,
        keep,
        files,
        made: build.is_some(),
        build,
    };
    Ok((artifact, facts))
}

fn credential(
    scope: &Scope,
    item: &ArtifactItem,
    at: &Occurrence,
) -> Result<Option<ManagedPath>, RenderError> {
    let Some(text) = &item.credential else {
        return Ok(None);
    };
    let path = scope.text(text, at)?;
    if path.is_empty() {
        return Ok(None);
    }
    let path = ManagedPath::new(path);
    path.map(Some)
        .map_err(|error| scope.field_error(text, "credential", error.to_string()))
}

/// A list of words, each read by `read`.
fn words<T: Ord>(
    scope: &Scope,
    key: &'static str,
    text: Option<&Text>,
    at: &Occurrence,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<BTreeSet<T>, RenderError> {
    let Some(text) = text else {
        return Ok(BTreeSet::new());
    };
    let wrong = |reason: String| scope.field_error(text, key, reason);
    let list = scope.expression(text, at)?;
    let items = match list.kind() {
        ValueKind::Seq | ValueKind::Iterable => list.try_iter().ok(),
        _ => None,
    };
    let items = items.ok_or_else(|| wrong(format!("a {} is no list", list.kind())))?;
    let read = |item: Value| read(item.as_str().unwrap_or_default()).map_err(wrong);
    items.map(read).collect()
}

/// A path, or a name on the search path.
fn program(word: &str) -> Result<String, String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"/._+-".contains(&b);
    if word.is_empty() || word.starts_with('-') || !word.bytes().all(good) {
        let word = word.escape_debug();
        return Err(format!("`{word}` is no path and no name of a program"));
    }
    Ok(word.to_owned())
}

fn managed(word: &str) -> Result<ManagedPath, String> {
    ManagedPath::new(word).map_err(|error| error.to_string())
}

/// The files, each path once. Paths must be able to stand beside each other.
fn files(
    items: impl Iterator<Item = Value>,
) -> Result<BTreeMap<ArtifactPath, ArtifactFile>, String> {
    let mut files = BTreeMap::new();
    for (number, item) in items.enumerate() {
        let (path, file) =
            file(&item).map_err(|reason| format!("file {}: {reason}", number + 1))?;
        if files.insert(path.clone(), file).is_some() {
            return Err(format!("`{path}` is there twice"));
        }
    }
    if files.is_empty() {
        return Err("there are no files".to_owned());
    }
    for path in files.keys() {
        let mut above = path.as_str();
        while let Some((parent, _)) = above.rsplit_once('/') {
            above = parent;
            if files.contains_key(parent) {
                return Err(format!("`{path}` is below the file `{parent}`"));
            }
        }
    }
    Ok(files)
}

fn file(item: &Value) -> Result<(ArtifactPath, ArtifactFile), String> {
    let value = |key: &str| {
        let value = item.get_attr(key).ok().filter(|it| !it.is_undefined());
        value.ok_or_else(|| format!("it has no `{key}`"))
    };
    let path = value("path")?;
    let path = path.as_str().ok_or("its `path` is no text")?;
    let path = ArtifactPath::new(path).map_err(|error| error.to_string())?;
    let size = u64::try_from(value("size")?)
        .map_err(|_| format!("the size of `{path}` is no number of bytes"))?;
    let sha256 = value("sha256")?;
    let sha256 = sha256
        .as_str()
        .and_then(Sha256Hex::from_hex)
        .ok_or_else(|| format!("the sha256 of `{path}` is not 64 lower-case hexadecimal digits"))?;
    Ok((path, ArtifactFile { size, sha256 }))
}

fn guards(
    scope: &Scope,
    item: &ArtifactItem,
    at: &Occurrence,
) -> Result<BTreeMap<String, u32>, RenderError> {
    let Some(text) = &item.min_free_gib else {
        return Ok(BTreeMap::new());
    };
    let map = scope.expression(text, at)?;
    let wrong = |reason: &str| scope.field_error(text, "min_free_gib", reason.to_owned());
    let keys = map
        .try_iter()
        .map_err(|_| wrong("it is no map of mount points to GiB"))?;
    let mut guards = BTreeMap::new();
    for key in keys {
        let gib = map
            .get_item(&key)
            .ok()
            .and_then(|it| u32::try_from(it).ok());
        let gib = gib.ok_or_else(|| wrong("a value is no number of GiB"))?;
        let mount = key.as_str().unwrap_or_default();
        if mount != "/" && ManagedPath::new(mount).is_err() {
            return Err(wrong("a key is no mount point"));
        }
        guards.insert(mount.to_owned(), gib);
    }
    Ok(guards)
}

fn read_build(
    scope: &Scope,
    module: &Module,
    item: &BuildItem,
    at: &Occurrence,
) -> Result<Build, RenderError> {
    let mut program = BTreeMap::new();
    for (name, text) in module.program(item) {
        let name = file_name(name);
        let name = name.map_err(|reason| scope.field_error(&item.program, "program", reason))?;
        program.insert(name, text.to_owned());
    }
    let mut inputs = BTreeMap::new();
    for (name, text) in texts(scope, "inputs", Some(&item.inputs), at)? {
        let name = file_name(&name);
        let name = name.map_err(|reason| scope.field_error(&item.inputs, "inputs", reason))?;
        inputs.insert(name, text);
    }
    let variables = texts(scope, "variables", item.variables.as_ref(), at)?;
    if let (Some(wrong), Some(text)) = (
        variables.keys().find(|name| !is_variable(name)),
        &item.variables,
    ) {
        let reason = format!(
            "`{}` is no lower-case name of a variable",
            wrong.escape_debug()
        );
        return Err(scope.field_error(text, "variables", reason));
    }
    let mut secrets = BTreeMap::new();
    for (purpose, path) in texts(scope, "secrets", item.secrets.as_ref(), at)? {
        let path = ManagedPath::new(path).map_err(|error| error.to_string());
        let path = path.and_then(|path| one_line(&purpose).map(|()| path));
        let path = path.map_err(|reason| {
            let text = item.secrets.as_ref().unwrap_or(&item.inputs);
            scope.field_error(text, "secrets", reason)
        })?;
        secrets.insert(purpose, path);
    }
    Ok(Build {
        program,
        inputs,
        variables,
        secrets,
    })
}

/// A map of texts to texts.
fn texts(
    scope: &Scope,
    key: &'static str,
    text: Option<&Text>,
    at: &Occurrence,
) -> Result<BTreeMap<String, String>, RenderError> {
    let Some(text) = text else {
        return Ok(BTreeMap::new());
    };
    let wrong = |reason: String| scope.field_error(text, key, reason);
    let map = scope.expression(text, at)?;
    let keys = match map.kind() {
        ValueKind::Map => map.try_iter().ok(),
        _ => None,
    };
    let keys = keys.ok_or_else(|| wrong(format!("a {} is no map", map.kind())))?;
    let mut texts = BTreeMap::new();
    for name in keys {
        let value = map.get_item(&name).ok();
        let (Some(word), Some(value)) = (name.as_str(), value.as_ref().and_then(Value::as_str))
        else {
            return Err(wrong(format!("the value of `{name}` is no text")));
        };
        texts.insert(word.to_owned(), value.to_owned());
    }
    Ok(texts)
}

fn file_name(text: &str) -> Result<ArtifactPath, String> {
    if text.contains('/') {
        return Err(format!("`{}` is in a folder", text.escape_debug()));
    }
    ArtifactPath::new(text).map_err(|error| error.to_string())
}

/// Upper-case ones mean something to the shell and to other programs.
fn is_variable(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(good)
}

fn one_line(purpose: &str) -> Result<(), String> {
    if purpose.is_empty() || purpose.chars().any(char::is_control) {
        return Err(format!("`{}` is no line", purpose.escape_debug()));
    }
    Ok(())
}
