//! `facts.schema.json`: what hosts may say of a concern that has no type in Rust.

use serde_json::{Map, Value};

use super::folder::{ConcernError, Folder, MANIFEST};
use crate::inventory::{has_type, kinds, suggest, validator};
use crate::name::ConcernName;

/// The file.
const SCHEMA: &str = "facts.schema.json";

/// How many references may lead to one another.
const DEEPEST: usize = 16;
/// How many values a schema may have once its references are resolved.
const LARGEST: usize = 20_000;

/// The schema of `folder`'s facts, without references; `None` where the facts have a type.
///
/// A `$ref` leads to the schema's own `$defs`, or is `deployctl:KIND`, a kind of value that the typed facts have, too
/// (`deployctl:port`).
pub(super) fn read(
    name: &ConcernName,
    folder: &Folder,
) -> Result<Option<Value>, Vec<ConcernError>> {
    let Some(source) = source(name, folder)? else {
        return Ok(None);
    };
    let whole: Value = serde_json::from_str(source).map_err(|error| {
        let problem = format!("is no JSON: {error}");
        vec![fault(folder, SCHEMA, error.line(), problem)]
    })?;
    resolved(&whole).map(Some).map_err(|problems| {
        let problems = problems.into_iter();
        problems
            .map(|problem| fault(folder, SCHEMA, 1, problem))
            .collect()
    })
}

fn fault(folder: &Folder, file: &str, line: usize, problem: String) -> ConcernError {
    ConcernError {
        file: format!("{}/{file}", folder.place),
        line,
        problem,
        hint: None,
    }
}

/// The file's text; `None` where the facts have a type. A concern has one of them.
fn source<'a>(
    name: &ConcernName,
    folder: &'a Folder,
) -> Result<Option<&'a str>, Vec<ConcernError>> {
    let typed = has_type(name.as_str());
    let found = folder.files.get(SCHEMA);
    let (file, problem, hint) = match found {
        None if typed => return Ok(None),
        Some(source) if !typed => return Ok(Some(source)),
        None => (
            MANIFEST,
            format!("the folder has no `{SCHEMA}`"),
            "it is the JSON Schema of what a host may say of the concern",
        ),
        Some(_) => (
            SCHEMA,
            format!("the facts of `{name}` have a type in deployctl"),
            "remove the file; another concern takes another name",
        ),
    };
    Err(vec![ConcernError {
        hint: Some(hint.to_owned()),
        ..fault(folder, file, 1, problem)
    }])
}

/// The schema without references; else what is wrong with it.
fn resolved(whole: &Value) -> Result<Value, Vec<String>> {
    let mut resolver = Resolver {
        definitions: &whole["$defs"],
        values: 0,
        problems: Vec::new(),
    };
    let mut schema = resolver.resolve(whole, "", 0);
    if schema["type"] != "object" || !schema["properties"].is_object() {
        let problem =
            "the facts are no attribute set: expected `\"type\": \"object\"` and `properties`";
        resolver.problems.push(problem.to_owned());
    }
    for noise in ["$defs", "$schema", "$id"] {
        schema
            .as_object_mut()
            .map(|object| object.shift_remove(noise));
    }
    if resolver.problems.is_empty()
        && let Err(error) = validator(&schema)
    {
        let pointer = error.instance_path();
        resolver
            .problems
            .push(format!("is no JSON Schema: `{pointer}`: {error}"));
    }
    if resolver.problems.is_empty() {
        Ok(schema)
    } else {
        Err(resolver.problems)
    }
}

/// Whether the fact at `path` of a schema without references is of the kind `blackout-hours`: then it fits the type.
pub(super) fn is_blackout(schema: &Value, path: &str) -> bool {
    let pointer = format!("/properties/{}", path.replace('.', "/properties/"));
    schema.pointer(&pointer).is_some_and(|fact| {
        let kind = &kinds()["blackout-hours"];
        let same = ["additionalProperties", "properties", "required"];
        same.iter().all(|keyword| fact[keyword] == kind[keyword])
    })
}

/// Whether the fact at `path` of a schema without references is of the kind `content`, which may hold line breaks. A list's
/// index is `None`.
pub(super) fn is_content(schema: &Value, path: &[Option<&str>]) -> bool {
    let Some((first, below)) = path.split_first() else {
        return schema["pattern"] == kinds()["content"]["pattern"];
    };
    let next = match first {
        None => schema.get("items"),
        Some(key) => schema["properties"].get(key),
    };
    if let Some(next) = next {
        return is_content(next, below);
    }
    let patterns = schema["patternProperties"].as_object();
    first.is_some()
        && patterns.is_some_and(|patterns| {
            !patterns.is_empty() && patterns.values().all(|next| is_content(next, below))
        })
}

struct Resolver<'a> {
    definitions: &'a Value,
    values: usize,
    problems: Vec<String>,
}

impl Resolver<'_> {
    /// `schema` with what its references lead to in their place; `place` is its JSON pointer.
    fn resolve(&mut self, schema: &Value, place: &str, depth: usize) -> Value {
        self.values += 1;
        if self.values == LARGEST {
            self.problems.push(format!(
                "has more than {LARGEST} values once its references are resolved"
            ));
        }
        if self.values >= LARGEST {
            return Value::Null;
        }
        match schema {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.resolve(item, &format!("{place}/{index}"), depth))
                .collect(),
            Value::Object(object) => {
                match object.get("$ref").map(|to| to.as_str().unwrap_or_default()) {
                    Some(to) => self.follow(to, object, place, depth),
                    None => self.object(object, place, depth),
                }
            }
            other => other.clone(),
        }
    }

    fn object(&mut self, object: &Map<String, Value>, place: &str, depth: usize) -> Value {
        let open = object.get("properties").is_some_and(Value::is_object)
            && object.get("type").is_some_and(|it| it == "object")
            && object.get("additionalProperties") != Some(&Value::Bool(false));
        if open {
            self.problems.push(format!(
                "{} lets unknown facts through: expected `\"additionalProperties\": false`",
                if place.is_empty() {
                    "the root".to_owned()
                } else {
                    format!("`{place}`")
                }
            ));
        }
        object
            .iter()
            .filter(|(key, _)| *key != "$defs")
            .map(|(key, item)| {
                (
                    key.clone(),
                    self.resolve(item, &format!("{place}/{key}"), depth),
                )
            })
            .collect()
    }

    fn follow(
        &mut self,
        to: &str,
        beside: &Map<String, Value>,
        place: &str,
        depth: usize,
    ) -> Value {
        if depth == DEEPEST {
            self.problems
                .push(format!("`{place}`: the reference `{to}` leads to itself"));
            return Value::Null;
        }
        let own = to
            .strip_prefix("#/$defs/")
            .and_then(|name| self.definitions.get(name))
            .cloned();
        let target = own.or_else(|| kinds().get(to.strip_prefix("deployctl:")?).cloned());
        let Some(target) = target else {
            let word = to.strip_prefix("deployctl:").unwrap_or(to);
            let hint = suggest::hint(word, "kinds", kinds().keys().map(String::as_str));
            self.problems.push(format!(
                "`{place}`: there is no `{to}`; expected `#/$defs/NAME` or `deployctl:KIND`; {}",
                hint.unwrap_or_default()
            ));
            return Value::Null;
        };
        let mut found = self.resolve(&target, place, depth + 1);
        if let Some(found) = found.as_object_mut() {
            // What stands beside a reference belongs to the place: its description, above all.
            let beside = beside.iter().filter(|(key, _)| *key != "$ref");
            found.extend(beside.map(|(key, item)| (key.clone(), item.clone())));
        }
        found
    }
}
