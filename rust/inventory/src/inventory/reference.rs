//! The reference page of all facts, generated from the schema.

use std::fmt::Write as _;

use serde_json::Value;

use super::schema::{FLAT, expectation, facts_schema};
use crate::concern::{Concern, Concerns};

/// Markdown: every fact of `concerns` and of the host itself, with what it may be and what it means.
pub fn reference(concerns: &Concerns) -> String {
    let root = &FLAT["properties"];
    let host = &map_value(&root["hosts"])["properties"];
    let mut page = String::from(
        "# Facts\n\n\
         What `hosts/` may say, generated from the schema.\n\
         Every fact has to be written, or come from `defaults` in `hosts/cluster.nix`, unless it is marked *optional*.\n\
         `<name>` stands for any name, `[]` for any element of a list.\n",
    );
    section(&mut page, "cluster", &root["cluster"]);
    page.push_str("\n## hosts.\\<name\\>\n\n");
    header(&mut page);
    let mut sections = Vec::new();
    for (name, schema) in properties(host) {
        if concerns.get(name).is_some() || name == "hardware" || name == "identity" {
            sections.push((name, schema));
        } else {
            rows(&mut page, name, schema, false);
        }
    }
    let open = concerns
        .iter()
        .filter_map(|it| Some((it.name.as_str(), it.facts.as_ref()?)));
    sections.extend(open);
    // The typed ones stay as the type has them; the others go where they belong in reports.
    sections.sort_by_key(|(name, _)| concerns.get(name).map(|_| concerns.position(name)));
    for (name, schema) in sections {
        section(&mut page, name, schema);
    }
    page
}

/// Markdown: the facts of one concern.
pub fn reference_of(concern: &Concern) -> String {
    let mut page = String::new();
    section(&mut page, concern.name.as_str(), facts_schema(concern));
    page
}

fn section(page: &mut String, name: &str, schema: &Value) {
    let _ = write!(page, "\n## {name}\n\n{}\n\n", describe(schema));
    header(page);
    let required = required(schema);
    for (key, property) in properties(&schema["properties"]) {
        rows(page, key, property, !required.contains(&key));
    }
    for example in schema["examples"].as_array().into_iter().flatten() {
        let _ = write!(page, "\n```nix\n{name} = {};\n```\n", nix(example, ""));
    }
}

/// A value as `hosts/` would say it.
fn nix(value: &Value, indent: &str) -> String {
    let deeper = format!("{indent}  ");
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            let mut text = "{\n".to_owned();
            for (key, inner) in entries {
                let key = if is_nix_name(key) {
                    key.clone()
                } else {
                    nix_text(key)
                };
                let _ = writeln!(text, "{deeper}{key} = {};", nix(inner, &deeper));
            }
            text + indent + "}"
        }
        Value::Object(_) => "{ }".to_owned(),
        Value::Array(items) if items.is_empty() => "[ ]".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| nix(item, indent)).collect();
            format!("[ {} ]", items.join(" "))
        }
        Value::String(text) => nix_text(text),
        other => other.to_string(),
    }
}

fn nix_text(text: &str) -> String {
    Value::from(text).to_string().replace("${", "\\${")
}

/// Whether Nix takes `key` without quotes.
fn is_nix_name(key: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = |c: char| letter(c) || c.is_ascii_digit() || c == '-';
    key.starts_with(letter) && key.chars().all(rest)
}

fn header(page: &mut String) {
    page.push_str("| fact | value | meaning |\n| --- | --- | --- |\n");
}

fn rows(page: &mut String, path: &str, schema: &Value, optional: bool) {
    let branch = schema["anyOf"]
        .as_array()
        .and_then(|branches| branches.iter().find(|b| b["type"] != "null"));
    let inner = branch.unwrap_or(schema);
    let optional = if optional { "*optional* " } else { "" };
    let _ = writeln!(
        page,
        "| `{path}` | {optional}{} | {} |",
        expectation(schema).replace('|', "\\|"),
        describe(schema).replace('|', "\\|").replace('\n', " "),
    );
    let required = required(inner);
    for (key, property) in properties(&inner["properties"]) {
        rows(
            page,
            &format!("{path}.{key}"),
            property,
            !required.contains(&key),
        );
    }
    if inner["patternProperties"].is_object() {
        children(page, &format!("{path}.<name>"), map_value(inner));
    }
    if inner["items"].is_object() {
        children(page, &format!("{path}[]"), &inner["items"]);
    }
}

/// Elements: one row when they are plain values, else their facts.
fn children(page: &mut String, path: &str, schema: &Value) {
    if schema["properties"].is_object() {
        let required = required(schema);
        for (key, property) in properties(&schema["properties"]) {
            rows(
                page,
                &format!("{path}.{key}"),
                property,
                !required.contains(&key),
            );
        }
    } else {
        rows(page, path, schema, false);
    }
}

fn map_value(schema: &Value) -> &Value {
    schema["patternProperties"]
        .as_object()
        .and_then(|patterns| patterns.values().next())
        .unwrap_or(&Value::Null)
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    schema
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, property)| (name.as_str(), property))
}

fn required(schema: &Value) -> Vec<&str> {
    schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

fn describe(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}
