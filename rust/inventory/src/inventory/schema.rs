//! The inventory's JSON Schema, generated from the types.

use std::sync::{Arc, LazyLock};

use jsonschema::{PatternCache, ValidationError, Validator};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value, json};

use super::Document;
use super::host::BlackoutHours;
use super::text::{self, rule_of};
use crate::concern::{Concern, Concerns, Origin};

/// The JSON Schema of inventory version 1 with the facts of `concerns`, with definitions, for editors and other tools.
pub fn schema(concerns: &Concerns) -> Value {
    let mut whole = generate(false);
    let host = whole.pointer_mut("/$defs/Host/properties");
    if let Some(host) = host.and_then(Value::as_object_mut) {
        host.extend(open_facts(concerns));
        in_order(host, concerns);
    }
    whole
}

/// Sorts the properties of a host: what it is, then its concerns in the order of reports.
fn in_order(host: &mut Map<String, Value>, concerns: &Concerns) {
    let place = |name: &String| concerns.get(name).map(|_| concerns.position(name));
    let mut all: Vec<(String, Value)> = std::mem::take(host).into_iter().collect();
    all.sort_by_key(|(name, _)| place(name));
    host.extend(all);
}

/// The facts of the concerns that bring a schema of their own, by the concern's name.
fn open_facts(concerns: &Concerns) -> impl Iterator<Item = (String, Value)> {
    let with_schema = concerns
        .iter()
        .filter_map(|it| Some((it, it.facts.clone()?)));
    with_schema.map(|(concern, facts)| (concern.name.to_string(), facts))
}

/// The same without references, so that the place of a keyword is the place of its neighbours; the typed facts
/// alone.
pub(super) static FLAT: LazyLock<Value> = LazyLock::new(|| generate(true));

/// What an inventory may say: the typed facts, and those of the concerns that bring a schema of their own.
pub(super) struct Schema {
    /// Without references.
    pub(super) flat: Value,
    /// Its validator.
    pub(super) validator: Validator,
}

impl Schema {
    /// With the facts of `concerns`, all of them optional.
    pub(super) fn of(concerns: &Concerns) -> Arc<Self> {
        static BUILT_IN: LazyLock<Arc<Schema>> =
            LazyLock::new(|| Arc::new(Schema::with(Concerns::built_in())));
        if concerns.iter().all(|it| it.origin == Origin::BuiltIn) {
            return Arc::clone(&BUILT_IN);
        }
        Arc::new(Self::with(concerns))
    }

    fn with(concerns: &Concerns) -> Self {
        let mut flat = FLAT.clone();
        let host = flat.pointer_mut(&HOST).and_then(Value::as_object_mut);
        let host = host.expect("generated with hosts");
        host.extend(open_facts(concerns));
        in_order(host, concerns);
        Self {
            validator: validator(&flat).expect("the parts are schemas without references"),
            flat,
        }
    }

    /// The part at a JSON pointer.
    pub(super) fn part(&self, pointer: &str) -> Option<&Value> {
        self.flat.pointer(pointer)
    }
}

/// The validator of `schema`. Schemas share most of their patterns, which take longest to compile.
///
/// # Errors
/// What makes it no JSON Schema.
pub fn validator(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    static PATTERNS: LazyLock<PatternCache> = LazyLock::new(PatternCache::new);
    let options = jsonschema::options().with_pattern_cache(PATTERNS.clone());
    options.build(schema)
}

/// The JSON pointer to the facts of a host in [`FLAT`].
static HOST: LazyLock<String> = LazyLock::new(|| {
    let patterns = FLAT["properties"]["hosts"]["patternProperties"].as_object();
    let pattern = patterns.and_then(|patterns| patterns.keys().next());
    let pattern = pattern
        .expect("hosts have names")
        .replace('~', "~0")
        .replace('/', "~1");
    format!("/properties/hosts/patternProperties/{pattern}/properties")
});

/// Whether the facts of that name have a type, so that their schema comes from it.
pub(crate) fn has_type(name: &str) -> bool {
    FLAT.pointer(&HOST)
        .and_then(|host| host.get(name))
        .is_some()
}

/// The schema of a concern's facts, without references, wherever it comes from.
pub fn facts_schema(concern: &Concern) -> &Value {
    let typed = || {
        FLAT.pointer(&HOST)
            .and_then(|host| host.get(concern.name.as_str()))
    };
    concern
        .facts
        .as_ref()
        .or_else(typed)
        .unwrap_or(&Value::Null)
}

fn generate(flat: bool) -> Value {
    schema_of::<Document>(flat)
}

fn schema_of<T: JsonSchema>(flat: bool) -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|s| s.inline_subschemas = flat)
        .with_transform(Strict);
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// What the derive cannot say: every fact has to be written (`null` is a value) unless its field is
/// marked `x-optional`; documented enumerations are plain ones; patterns say what they mean.
#[derive(Debug, Clone)]
struct Strict;

impl Transform for Strict {
    fn transform(&mut self, schema: &mut schemars::Schema) {
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

/// Kinds of values that a concern's own schema can name as `deployctl:KIND`: those of the typed facts that are a text,
/// a port, and hours in which units are left alone.
pub(crate) fn kinds() -> &'static Map<String, Value> {
    static KINDS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
        let texts = text::kinds().map(|(name, pattern, rule)| {
            let schema = json!({ "type": "string", "pattern": pattern, "x-expected": rule });
            (kebab(name), schema)
        });
        let port = json!({ "type": "integer", "minimum": 1, "maximum": 65535 });
        let mut hours = schema_of::<BlackoutHours>(true);
        hours.as_object_mut().map(|it| it.shift_remove("$schema"));
        let others = [("port", port), ("blackout-hours", hours)];
        let others = others.map(|(name, schema)| (name.to_owned(), schema));
        texts.chain(others).collect()
    });
    &KINDS
}

/// `ManagedPath` as `managed-path`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
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
        let text = schema.get("x-expected").and_then(Value::as_str);
        let text = text.unwrap_or("a text");
        match types.first().copied() {
            Some("integer") if types.contains(&"string") => {
                format!("{}, or {text}", range(schema))
            }
            Some("integer" | "number") => range(schema),
            Some("string") => text.to_owned(),
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
