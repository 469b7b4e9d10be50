//! The inventory's JSON Schema, generated from the types.

use std::sync::LazyLock;

use jsonschema::Validator;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value, json};

use super::Document;
use super::text::rule_of;

/// The JSON Schema of inventory version 1, with definitions, for editors and other tools.
pub fn schema() -> Value {
    generate(false)
}

/// The same without references, so that the place of a keyword is the place of its neighbours.
pub(super) static FLAT: LazyLock<Value> = LazyLock::new(|| generate(true));

/// The validator of [`FLAT`].
pub(super) static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    jsonschema::validator_for(&FLAT).expect("a schema generated from types is a schema")
});

fn generate(flat: bool) -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|s| s.inline_subschemas = flat)
        .with_transform(Strict);
    settings
        .into_generator()
        .into_root_schema_for::<Document>()
        .to_value()
}

/// What the derive cannot say: every fact has to be written (`null` is a value) unless its field is
/// marked `x-optional`; documented enumerations are plain ones; patterns say what they mean.
#[derive(Debug, Clone)]
struct Strict;

impl Transform for Strict {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else {
            return;
        };
        collapse_variants(object);
        for noise in ["default", "format", "title"] {
            object.remove(noise);
        }
        if let Some(rule) = object
            .get("pattern")
            .and_then(Value::as_str)
            .and_then(rule_of)
        {
            object.insert("x-expected".into(), rule.into());
        }
        require_all(object);
    }
}

/// `oneOf` documented constants → `enum`, with the documentation beside it.
fn collapse_variants(object: &mut Map<String, Value>) {
    let Some(variants) = object.get("oneOf").and_then(Value::as_array) else {
        return;
    };
    let mut values = Vec::new();
    let mut meanings = Map::new();
    for variant in variants {
        let Some(value) = variant.get("const").and_then(Value::as_str) else {
            return;
        };
        values.push(value.to_owned());
        meanings.insert(
            value.to_owned(),
            variant.get("description").cloned().unwrap_or_default(),
        );
    }
    object.remove("oneOf");
    object.insert("type".into(), "string".into());
    object.insert("enum".into(), values.into());
    object.insert("x-meanings".into(), meanings.into());
}

fn require_all(object: &mut Map<String, Value>) {
    let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    let mut required = Vec::new();
    for (name, property) in properties {
        let optional = property
            .as_object_mut()
            .is_some_and(|property| property.remove("x-optional").is_some());
        if !optional {
            required.push(name.clone());
        }
    }
    object.insert("required".into(), json!(required));
}

/// What a schema asks for, in words: `1280–9216`, `one of a, b`, `true or false`.
pub(super) fn expectation(schema: &Value) -> String {
    if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
        let parts: Vec<String> = branches.iter().map(expectation).collect();
        return parts.join(" or ");
    }
    let (types, nullable) = types_of(schema);
    let mut text = if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values
            .iter()
            .filter(|v| !v.is_null())
            .map(|v| match v {
                Value::String(s) => format!("`{s}`"),
                other => other.to_string(),
            })
            .collect();
        match values.as_slice() {
            [one] => one.clone(),
            many => format!("one of {}", many.join(", ")),
        }
    } else if let Some(value) = schema.get("const") {
        value.to_string()
    } else {
        match types.first().copied() {
            Some("integer" | "number") => range(schema),
            Some("string") => schema
                .get("x-expected")
                .and_then(Value::as_str)
                .unwrap_or("a text")
                .to_owned(),
            Some("boolean") => "true or false".to_owned(),
            Some("array") => "a list".to_owned(),
            Some("object") => "an attribute set".to_owned(),
            _ => "null".to_owned(),
        }
    };
    if nullable && !types.is_empty() {
        text.push_str(" or null");
    }
    text
}

fn types_of(schema: &Value) -> (Vec<&str>, bool) {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let nullable = types.contains(&"null");
    (
        types.into_iter().filter(|t| *t != "null").collect(),
        nullable,
    )
}

fn range(schema: &Value) -> String {
    let whole = types_of(schema).0.contains(&"integer");
    let bound = |name| {
        let text = schema.get(name)?.to_string();
        Some(
            text.strip_suffix(".0")
                .map_or_else(|| text.clone(), ToOwned::to_owned),
        )
    };
    match (bound("minimum"), bound("maximum")) {
        (Some(min), Some(max)) => format!("{min}–{max}"),
        (Some(min), None) => format!("{min} or more"),
        (None, Some(max)) => format!("{max} or less"),
        (None, None) if whole => "a whole number".to_owned(),
        (None, None) => "a number".to_owned(),
    }
}

/// The part of [`FLAT`] at a JSON pointer.
pub(super) fn part(pointer: &str) -> Option<&'static Value> {
    FLAT.pointer(pointer)
}
