//! The values inside of a concern's facts, by the steps that lead to them.

use std::fmt::Write as _;

use serde_json::Value;

/// A step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// The steps from the facts to one value.
pub(super) type Steps = Vec<Step>;

/// Every value that holds no others, with its steps.
pub(super) fn leaves(value: &Value) -> Vec<(Steps, &Value)> {
    let mut found = Vec::new();
    visit(value, &mut Vec::new(), &mut |steps, value| {
        if !value.is_object() && !value.is_array() {
            found.push((steps.clone(), value));
        }
    });
    found
}

/// Every value inside of `value`, itself included.
pub(super) fn all(value: &Value) -> Vec<(Steps, &Value)> {
    let mut found = Vec::new();
    visit(value, &mut Vec::new(), &mut |steps, value| {
        found.push((steps.clone(), value));
    });
    found
}

fn visit<'a>(value: &'a Value, at: &mut Steps, found: &mut impl FnMut(&Steps, &'a Value)) {
    found(at, value);
    match value {
        Value::Object(entries) => {
            for (key, inner) in entries {
                at.push(Step::Key(key.clone()));
                visit(inner, at, found);
                at.pop();
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                at.push(Step::Index(index));
                visit(inner, at, found);
                at.pop();
            }
        }
        _ => {}
    }
}

/// The value at `steps`.
pub(super) fn at<'a>(value: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

/// `value` with another one at `steps`.
pub(super) fn replaced(value: &Value, steps: &[Step], other: Value) -> Value {
    let mut changed = value.clone();
    if let Some(place) = at(&mut changed, steps) {
        *place = other;
    }
    changed
}

/// `users[0].name`, below the concern.
pub(super) fn shown(concern: &str, steps: &[Step]) -> String {
    let mut text = concern.to_owned();
    for step in steps {
        match step {
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Index(index) => {
                let _ = write!(text, "[{index}]");
            }
        }
    }
    text
}
