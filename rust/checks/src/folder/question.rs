//! A declared question as it is asked of one host.

use std::fmt::Write as _;
use std::time::Duration;

use deployctl_core::concern::{Expression, NoValue, Question};
use deployctl_core::precedence::grub::NEXT_BOOT;
use deployctl_core::query::{Query, quote};
use minijinja::Value;
use minijinja::value::ValueKind;

use super::Scope;

/// What a question is asked for: the part of its id that tells it from the others, and what expressions read.
pub(super) fn each(question: &Question, scope: &Scope) -> Result<Vec<(String, Scope)>, NoValue> {
    let Some(each) = &question.each else {
        return Ok(vec![(String::new(), scope.clone())]);
    };
    let things = each.evaluate(&Value::from(scope.clone()))?;
    let is_map = things.kind() == ValueKind::Map;
    let keys = things
        .try_iter()
        .map_err(|_| each.fault("is neither a list nor an attribute set"))?;
    let mut all = Vec::new();
    for (index, key) in keys.enumerate() {
        let value = if is_map {
            things
                .get_item(&key)
                .map_err(|error| each.fault(error.to_string()))?
        } else {
            key.clone()
        };
        let mut scope = scope.clone();
        let part = part(&key, index);
        scope.insert("key".to_owned(), key);
        scope.insert("value".to_owned(), value);
        all.push((part, scope));
    }
    Ok(all)
}

/// The key, where an id can hold it, or else its place.
fn part(key: &Value, index: usize) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    match key.as_str() {
        Some(key) if !key.is_empty() && key.chars().all(allowed) => format!("/{key}"),
        _ => format!("/{}", index + 1),
    }
}

/// The query: variables and arguments, quoted, then the command as it was written.
pub(super) fn query(
    question: &Question,
    id: String,
    command: &str,
    context: &Value,
) -> Result<Query, NoValue> {
    let mut script = String::new();
    for (name, value) in &question.variables {
        let word = word(value, &value.evaluate(context)?)?;
        let _ = writeln!(script, "{name}={word}");
    }
    if let Some(arguments) = &question.arguments {
        script.push_str("set --");
        let list = arguments.evaluate(context)?;
        let items = list.try_iter().map_err(|_| arguments.fault("is no list"))?;
        for item in items {
            let _ = write!(script, " {}", word(arguments, &item)?);
        }
        script.push('\n');
    }
    script.push_str(command.trim_end());
    if question.asks_boot {
        let _ = write!(
            script,
            "\nprintf 'running='; cat /proc/cmdline\n{NEXT_BOOT}"
        );
    }
    Ok(Query::new(id, script)
        .with_deadline(Duration::from_secs(question.deadline_seconds.into()))
        .with_cap(usize::from(question.cap_kib) * 1024))
}

/// A value as one word of sh.
fn word(from: &Expression, value: &Value) -> Result<String, NoValue> {
    let text = match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => value.to_string(),
        ValueKind::None | ValueKind::Undefined => String::new(),
        kind => return Err(from.fault(format!("is a {kind}, not one word"))),
    };
    if text.contains('\0') {
        return Err(from.fault("holds a NUL character, which no command can be given"));
    }
    Ok(quote(&text))
}
