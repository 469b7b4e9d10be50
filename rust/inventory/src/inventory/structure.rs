//! What the schema says against a document, in our words.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use super::error::{Findings, path_of, value_at};
use super::forms;
use super::path::FactPath;
use super::schema::{Schema, expectation};
use super::suggest;
use super::text::rule_of;

/// Holds `document` against the schema.
pub(super) fn check(document: &Value, schema: &Schema, findings: &mut Findings<'_>) {
    for error in schema.validator.iter_errors(document) {
        report(document, schema, &error, findings);
    }
}

fn report(
    document: &Value,
    schema: &Schema,
    error: &ValidationError<'_>,
    findings: &mut Findings<'_>,
) {
    let pointer: Vec<String> = steps(error.instance_path().as_str());
    let path = path_of(document, &pointer);
    let keyword_at = error.schema_path().as_str();
    let holder = keyword_at
        .rsplit_once('/')
        .and_then(|(holder, _)| schema.part(holder))
        .unwrap_or(&Value::Null);

    match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            for key in unexpected {
                unknown_key(&path, key, holder, findings);
            }
        }
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            missing(document, &path, name, holder, findings);
        }
        Kind::AnyOf { context } => {
            // A nullable attribute set: the branch that is not `null` has the reasons.
            let reasons = context.iter().find(|branch| {
                branch
                    .iter()
                    .all(|e| e.instance_path().as_str() != error.instance_path().as_str())
            });
            match reasons {
                Some(branch) if !branch.is_empty() => {
                    for error in branch {
                        report(document, schema, error, findings);
                    }
                }
                _ => wrong_value(&path, error.instance(), holder, findings),
            }
        }
        Kind::UniqueItems => {
            let items = error.instance().as_array();
            let twice = items.and_then(|items| twice(items));
            let twice = twice.map_or_else(String::new, show);
            findings.add(path, format!("names {twice} twice"));
        }
        Kind::MinItems { .. } => findings.add(path, "is empty; expected at least one"),
        // A text with control characters was already reported.
        _ if error.instance().is_string() && findings.touches(&path) => {}
        _ => wrong_value(&path, error.instance(), holder, findings),
    }
}

fn missing(
    document: &Value,
    path: &FactPath,
    name: &str,
    holder: &Value,
    findings: &mut Findings<'_>,
) {
    let wanted = holder
        .get("properties")
        .and_then(|properties| properties.get(name))
        .map_or_else(|| "a value".to_owned(), expectation);
    let near = slip_of(document, path, name, holder);
    findings.push(
        path.clone().key(name),
        format!("is missing; expected {wanted}"),
        near.map(|near| format!("is `{near}` meant to be it?")),
    );
}

/// The first item that was there before.
fn twice(items: &[Value]) -> Option<&Value> {
    let mut all = items.iter().enumerate();
    all.find(|(i, item)| items[..*i].contains(item))
        .map(|(_, item)| item)
}

fn wrong_value(path: &FactPath, value: &Value, schema: &Value, findings: &mut Findings<'_>) {
    let hint = match (value.as_str(), schema.get("enum").and_then(Value::as_array)) {
        (Some(word), Some(options)) => {
            suggest::nearest(word, options.iter().filter_map(Value::as_str))
                .map(|near| format!("did you mean `{near}`?"))
        }
        (Some(text), None)
            if text.parse::<f64>().is_ok()
                && (takes(schema, "integer") || takes(schema, "number")) =>
        {
            Some("write the number without quotes".to_owned())
        }
        (Some(text), None) => forms::hint(path, text),
        _ => None,
    };
    let (kind, whole) = match value {
        Value::String(_) if !takes(schema, "integer") && !takes(schema, "number") => ("", ""),
        Value::String(_) => ("the text ", ""),
        Value::Number(n) if n.is_f64() && takes(schema, "integer") => ("", "a whole number "),
        _ => ("", ""),
    };
    findings.push(
        path.clone(),
        format!(
            "is {kind}{}; expected {whole}{}",
            show(value),
            expectation(schema)
        ),
        hint,
    );
}

/// Whether `schema` lets values of type `name` through.
fn takes(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(|t| t == name),
        Some(one) => one == name,
        None => false,
    }
}

/// A key that the schema does not have: unknown, or badly written where any name is allowed.
fn unknown_key(path: &FactPath, key: &str, holder: &Value, findings: &mut Findings<'_>) {
    let at = path.clone().key(key);
    if findings.touches(&at) {
        return;
    }
    let patterns = holder.get("patternProperties").and_then(Value::as_object);
    if let Some(rule) = patterns
        .and_then(|patterns| patterns.keys().next())
        .and_then(|p| rule_of(p))
        .or_else(|| holder.get("x-expected").and_then(Value::as_str))
    {
        findings.add(at, format!("is no valid name; expected {rule}"));
        return;
    }
    let known: Vec<&str> = holder
        .get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default();
    findings.push(
        at,
        "is not a known fact".to_owned(),
        suggest::hint(key, "known here", known),
    );
}

/// The unknown key beside a missing one that is probably it.
fn slip_of(document: &Value, path: &FactPath, missing: &str, holder: &Value) -> Option<String> {
    let known = holder.get("properties")?.as_object()?;
    let present = value_at(document, path)?.as_object()?;
    let strangers = present
        .keys()
        .filter(|key| !known.contains_key(*key))
        .map(String::as_str);
    suggest::nearest(missing, strangers).map(ToOwned::to_owned)
}

/// A value for people: JSON in one line, cut short, nothing that a terminal would act on.
pub(super) fn show(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = match value {
        Value::String(text) => format!("`{}`", text.escape_debug()),
        Value::Object(_) => return "an attribute set".to_owned(),
        Value::Array(_) => return "a list".to_owned(),
        other => other.to_string(),
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    let start: String = text.chars().take(LONGEST - 1).collect();
    let close = if value.is_string() { "…`" } else { "…" };
    format!("{start}{close}")
}

/// The steps of a JSON pointer.
fn steps(pointer: &str) -> Vec<String> {
    pointer
        .split('/')
        .skip(1)
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect()
}
