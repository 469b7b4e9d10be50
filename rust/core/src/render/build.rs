//! From `[artifact.build]` to what the host is sent to make an artifact by itself.

use std::collections::BTreeMap;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::error::RenderError;
use super::module_file::{BuildItem, Text};
use super::scope::{Occurrence, Scope};
use super::template_set::Module;
use crate::artifact::Build;
use crate::name::{ArtifactPath, ManagedPath};

pub(super) fn read(
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
