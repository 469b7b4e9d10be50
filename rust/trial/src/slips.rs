//! Slips of the pen: each fact written wrongly must be rejected.

use serde_json::{Map, Value};

use super::example::{Example, Judge};
use super::walk::{self, Step};
use super::{Outcome, Trial, counted};
use deployctl_core::concern::Concern;
use deployctl_core::inventory::facts_schema;

/// A wrong way to write one fact.
struct Slip {
    what: String,
    /// The facts with it; one that is rejected is enough.
    facts: Vec<Value>,
}

/// Tries every slip of every example.
pub(super) fn trial(concern: &Concern, examples: &[Example], judge: &Judge<'_>) -> Trial {
    let expected = "a misspelt name or a value of another kind is rejected, for every fact";
    let name = concern.name.as_str();
    let schema = facts_schema(concern);
    let (mut tried, mut accepted) = (0, Vec::new());
    // A schema is the same on every platform: one host each is enough.
    let mut seen: Vec<&Value> = Vec::new();
    for example in examples {
        if seen.contains(&&example.facts) {
            continue;
        }
        seen.push(&example.facts);
        for slip in slips(name, &example.facts, schema) {
            tried += 1;
            let taken = |facts| judge.takes(example, facts);
            if slip.facts.iter().all(taken) {
                accepted.push(slip.what);
            }
        }
    }
    let outcome = match accepted.first() {
        None => Outcome::Proven(format!("{} rejected", counted(tried, "slip"))),
        Some(first) => Outcome::refuted(
            format!(
                "{} of {} accepted: {first}",
                accepted.len(),
                counted(tried, "slip")
            ),
            "say `type` of every fact in facts.schema.json",
        ),
    };
    Trial::new("slips", expected, outcome)
}

fn slips(concern: &str, facts: &Value, schema: &Value) -> Vec<Slip> {
    let mut slips = Vec::new();
    for (steps, value) in walk::all(facts) {
        let at = walk::shown(concern, &steps);
        let others = of_other_kinds(value);
        if !others.is_empty() {
            let with = |other| walk::replaced(facts, &steps, other);
            slips.push(Slip {
                what: format!("`{at}` as a value of any kind"),
                facts: others.into_iter().map(with).collect(),
            });
        }
        let Some((Step::Key(key), above)) = steps.split_last() else {
            continue;
        };
        // Where any name may stand, another name is no slip.
        if !knows(schema, above, key) {
            continue;
        }
        let mut misspelt = facts.clone();
        if let Some(Value::Object(holder)) = walk::at(&mut misspelt, above)
            && let Some(value) = holder.shift_remove(key)
        {
            let slip = format!("{key}x");
            holder.insert(slip.clone(), value);
            slips.push(Slip {
                what: format!("`{at}` as `{slip}`"),
                facts: vec![misspelt],
            });
        }
    }
    slips
}

/// Values of the kinds that `value` is not; none for null, which may mean that a fact is left out.
fn of_other_kinds(value: &Value) -> Vec<Value> {
    let kinds = [
        Value::from(12_345),
        Value::from("text"),
        Value::from(true),
        Value::Array(vec![Value::from("text")]),
        Value::Object(Map::new()),
    ];
    if value.is_null() {
        return Vec::new();
    }
    let kind = std::mem::discriminant(value);
    let others = kinds.into_iter();
    others
        .filter(|other| std::mem::discriminant(other) != kind)
        .collect()
}

/// Whether the schema of what is at `above` lists `key` among its properties.
fn knows(schema: &Value, above: &[Step], key: &str) -> bool {
    let mut parts = vec![schema];
    for step in above {
        parts = parts
            .into_iter()
            .flat_map(branches)
            .filter_map(|part| match step {
                Step::Key(key) => part["properties"].get(key).or_else(|| {
                    part["patternProperties"]
                        .as_object()
                        .and_then(|patterns| patterns.values().next())
                        .or_else(|| part.get("additionalProperties"))
                }),
                Step::Index(_) => part.get("items"),
            })
            .collect();
    }
    let mut all = parts.into_iter().flat_map(branches);
    all.any(|part| part["properties"].get(key).is_some())
}

/// A schema and what it is made of, where it is one of several.
fn branches(schema: &Value) -> Vec<&Value> {
    let mut all = vec![schema];
    for word in ["anyOf", "oneOf", "allOf"] {
        all.extend(schema[word].as_array().into_iter().flatten());
    }
    all
}
