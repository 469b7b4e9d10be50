//! Readers: an answer as a value that expressions can take apart.

use std::collections::BTreeMap;

use deployctl_core::concern::{Field, FieldKind, Reader, json};
use deployctl_core::cpus;
use minijinja::Value;
use minijinja::value::Serde;

use crate::answer::{Unreadable, number};
use crate::reader::prometheus;

type Row = BTreeMap<String, Value>;

/// Reads `text`, which holds more than blanks.
pub(super) fn read(reader: &Reader, text: &str) -> Result<Value, Unreadable> {
    match reader {
        Reader::Text => Ok(text.into()),
        Reader::Lines { begins_with } => {
            let lines = lines(text, begins_with.as_deref())?;
            Ok(Value::from_iter(lines))
        }
        Reader::Pairs { separator, fields } => pairs(text, separator, fields),
        Reader::Columns {
            begins_with,
            separator,
            columns,
            fields,
        } => {
            let rows = lines(text, begins_with.as_deref())?
                .into_iter()
                .map(|line| row(line, separator.as_deref(), columns, fields));
            let rows: Vec<Value> = rows
                .map(|row| row.map(Value::from))
                .collect::<Result<_, _>>()?;
            Ok(Value::from(rows))
        }
        Reader::Json => json(text).map_err(Unreadable),
        Reader::JsonLines => {
            let read = lines(text, None)?.into_iter().map(json);
            let read = read.collect::<Result<Vec<_>, _>>();
            Ok(Value::from(read.map_err(Unreadable)?))
        }
        Reader::Http => Err(Unreadable::new("no answer to a request")),
        Reader::Prometheus => {
            let samples: Vec<_> = text.lines().filter_map(prometheus::sample).collect();
            Ok(Value::from(Serde(samples)))
        }
    }
}

/// Lines that hold more than blanks, trimmed, after the first one where that one is declared.
fn lines<'a>(text: &'a str, begins_with: Option<&str>) -> Result<Vec<&'a str>, Unreadable> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    if let Some(first) = begins_with
        && lines.next() != Some(first)
    {
        return Err(Unreadable(format!(
            "the answer does not begin with `{first}`"
        )));
    }
    Ok(lines.collect())
}

fn pairs(
    text: &str,
    separator: &str,
    fields: &BTreeMap<String, Field>,
) -> Result<Value, Unreadable> {
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    for line in lines(text, None)? {
        if let Some((key, value)) = line.split_once(separator) {
            found.entry(key.trim()).or_insert(value.trim());
        }
    }
    if found.is_empty() {
        return Err(Unreadable(format!(
            "no line of the form `key{separator}value`"
        )));
    }
    let others = found.iter().filter(|(key, _)| !fields.contains_key(**key));
    let mut row: Row = others
        .map(|(key, value)| ((*key).to_owned(), Value::from(*value)))
        .collect();
    for (name, field) in fields {
        let value = match found.get(name.as_str()) {
            Some(text) => typed(name, text, field.kind)?,
            None if field.optional => Value::from(()),
            None => return Err(Unreadable(format!("no `{name}` in the answer"))),
        };
        row.insert(name.clone(), value);
    }
    Ok(Value::from(row))
}

fn row(
    line: &str,
    separator: Option<&str>,
    columns: &[String],
    fields: &BTreeMap<String, Field>,
) -> Result<Row, Unreadable> {
    let values: Vec<&str> = match separator {
        Some(separator) => line.split(separator).map(str::trim).collect(),
        None => line.split_whitespace().collect(),
    };
    if values.len() != columns.len() {
        return Err(Unreadable(format!(
            "{} fields instead of {} in `{line}`",
            values.len(),
            columns.len()
        )));
    }
    let cells = columns.iter().zip(values);
    cells
        .map(|(name, text)| {
            let value = match fields.get(name) {
                Some(field) if field.optional && text.is_empty() => Value::from(()),
                Some(field) => typed(name, text, field.kind)?,
                None => text.into(),
            };
            Ok((name.clone(), value))
        })
        .collect()
}

fn typed(name: &str, text: &str, kind: FieldKind) -> Result<Value, Unreadable> {
    Ok(match kind {
        FieldKind::Text => text.into(),
        FieldKind::Count => number::<u64>(name, text)?.into(),
        FieldKind::Number => {
            let value: f64 = number(name, text)?;
            if !value.is_finite() {
                return Err(Unreadable(format!("`{name}` is no finite number")));
            }
            value.into()
        }
        FieldKind::Kb => {
            let digits = text
                .strip_suffix("kB")
                .ok_or_else(|| Unreadable(format!("`{name}` is `{text}`, not in kB")))?;
            number::<u64>(name, digits)?.into()
        }
        FieldKind::Cpus => Value::from_iter(cpus::parse(text)?),
        FieldKind::Words => text.split_whitespace().collect(),
    })
}
