//! Evaluation of one module's texts for one host, with errors that name file and line.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{ErrorKind, Value};
use toml::Spanned;

use super::error::{Fault, RenderError};
use super::facts::{Facts, Reads};
use super::module_file::{Occurs, Scalar, Text};
use super::template_set::{Module, TemplateSet, is_template};
use crate::concern::product::{self, with_factors};
use crate::name::{ConcernName, HostName, NameError};

/// What texts of one module are evaluated against.
pub(super) struct Scope<'a> {
    set: &'a TemplateSet,
    module: &'a Module,
    pub(super) concern: &'a ConcernName,
    host: &'a HostName,
    roots: BTreeMap<&'static str, Value>,
    reads: Reads,
}

/// One occurrence of an item: the variables it adds, and the facts read so far on its behalf.
pub(super) struct Occurrence {
    context: Value,
    facts: BTreeSet<String>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(
        set: &'a TemplateSet,
        (concern, module): (&'a ConcernName, &'a Module),
        facts: &Facts,
        host: &'a HostName,
    ) -> Self {
        let reads = Reads::default();
        let roots = facts.roots(host, &reads).into_iter().collect();
        Self {
            set,
            module,
            concern,
            host,
            roots,
            reads,
        }
    }

    /// Whether an expression is true.
    pub(super) fn holds(&self, expression: &Text) -> Result<bool, RenderError> {
        let context = self.context([]);
        Ok(self.evaluate(expression, &context)?.is_true())
    }

    /// How often an item is there, and with which variables.
    pub(super) fn occurrences(&self, occurs: Occurs) -> Result<Vec<Occurrence>, RenderError> {
        self.reads.take();
        let outer = self.context([]);
        let contexts = match occurs.each {
            None => vec![outer],
            Some(each) => self.elements(each, &outer)?,
        };
        let each_facts = self.reads.take();
        let mut occurrences = Vec::new();
        for context in contexts {
            self.reads.take();
            let there = match occurs.when {
                Some(when) => self.evaluate(when, &context)?.is_true(),
                None => true,
            };
            if there {
                let facts = each_facts.union(&self.reads.take()).cloned().collect();
                occurrences.push(Occurrence { context, facts });
            }
        }
        Ok(occurrences)
    }

    fn elements(&self, each: &Text, outer: &Value) -> Result<Vec<Value>, RenderError> {
        let all = self.evaluate(each, outer)?;
        let pairs: Option<Vec<(Value, Value)>> = match all.kind() {
            minijinja::value::ValueKind::Map => all
                .as_object()
                .map(|map| map.try_iter_pairs().into_iter().flatten().collect()),
            _ => all.try_iter().ok().map(|items| {
                items
                    .enumerate()
                    .map(|(index, item)| (Value::from(index), item))
                    .collect()
            }),
        };
        let pairs = pairs.ok_or_else(|| {
            let reason = format!("a {} has no elements; expected a list or a map", all.kind());
            self.field_error(each, "each", reason)
        })?;
        Ok(pairs
            .into_iter()
            .map(|(key, item)| self.context([("key", key), ("item", item)]))
            .collect())
    }

    fn context<const N: usize>(&self, more: [(&'static str, Value); N]) -> Value {
        Value::from_pairs(self.roots.clone().into_iter().chain(more))
    }

    /// Starts to note what an occurrence's own texts read.
    pub(super) fn begin(&self) {
        self.reads.take();
    }

    /// Every fact read for an occurrence since `begin`, with those its `when` and `each` read.
    pub(super) fn facts(&self, occurrence: &Occurrence) -> BTreeSet<String> {
        occurrence
            .facts
            .union(&self.reads.take())
            .cloned()
            .collect()
    }

    /// Renders a text of `module.toml`.
    pub(super) fn text(&self, text: &Text, at: &Occurrence) -> Result<String, RenderError> {
        self.string(text.get_ref(), text.span(), at)
    }

    fn string(
        &self,
        text: &str,
        span: std::ops::Range<usize>,
        at: &Occurrence,
    ) -> Result<String, RenderError> {
        if !is_template(text) {
            return Ok(text.to_owned());
        }
        let line = self.module.line(span.clone());
        self.template_at(&self.module.text_name(span.start), at)
            .map_err(|error| self.failure(&error, Some((self.module.manifest(), line))))
    }

    /// Renders a template of the module, by the name it is compiled under.
    pub(super) fn template(&self, name: &str, at: &Occurrence) -> Result<String, RenderError> {
        self.template_at(name, at)
            .map_err(|error| self.failure(&error, None))
    }

    fn template_at(&self, name: &str, at: &Occurrence) -> Result<String, minijinja::Error> {
        self.set.env.get_template(name)?.render(at.context.clone())
    }

    /// Evaluates an expression of `module.toml`.
    pub(super) fn expression(&self, text: &Text, at: &Occurrence) -> Result<Value, RenderError> {
        self.evaluate(text, &at.context)
    }

    fn evaluate(&self, text: &Text, context: &Value) -> Result<Value, RenderError> {
        let place = || (self.module.manifest(), self.module.line(text.span()));
        (self.set.env)
            .compile_expression(&with_factors(text.get_ref()))
            .and_then(|expression| expression.eval(context.clone()))
            .and_then(|value| {
                if value.is_undefined() {
                    return Err(minijinja::Error::from(ErrorKind::UndefinedError));
                }
                Ok(value)
            })
            .map_err(|error| {
                let mut failure = self.failure(&error, Some(place()));
                failure.fault.set_expression(text.get_ref());
                failure
            })
    }

    /// Renders a boolean; an empty text is not a boolean.
    pub(super) fn flag(
        &self,
        key: &'static str,
        scalar: Option<&Spanned<Scalar>>,
        at: &Occurrence,
    ) -> Result<Option<bool>, RenderError> {
        self.scalar(key, scalar, at, |scalar| match scalar {
            Scalar::Bool(flag) => Some(*flag),
            Scalar::Number(_) => None,
            Scalar::Template(text) => text.parse().ok(),
        })
    }

    /// Renders a number; an empty text is not a number.
    pub(super) fn number(
        &self,
        key: &'static str,
        scalar: Option<&Spanned<Scalar>>,
        at: &Occurrence,
    ) -> Result<Option<u32>, RenderError> {
        self.scalar(key, scalar, at, |scalar| match scalar {
            Scalar::Number(number) => Some(*number),
            Scalar::Bool(_) => None,
            Scalar::Template(text) => text.parse().ok(),
        })
    }

    fn scalar<T>(
        &self,
        key: &'static str,
        scalar: Option<&Spanned<Scalar>>,
        at: &Occurrence,
        read: impl Fn(&Scalar) -> Option<T>,
    ) -> Result<Option<T>, RenderError> {
        let Some(scalar) = scalar else {
            return Ok(None);
        };
        let rendered = match scalar.get_ref() {
            Scalar::Template(text) => match self.string(text, scalar.span(), at)? {
                empty if empty.is_empty() => return Ok(None),
                text => Scalar::Template(text),
            },
            Scalar::Bool(flag) => Scalar::Bool(*flag),
            Scalar::Number(number) => Scalar::Number(*number),
        };
        let value = read(&rendered).ok_or_else(|| {
            let reason = format!("`{rendered}` is not what this key holds");
            self.error_at(scalar.span(), Fault::Field { key, reason })
        })?;
        Ok(Some(value))
    }

    /// Renders a text and reads it as a name of some kind.
    pub(super) fn name<T>(
        &self,
        key: &'static str,
        text: &Text,
        at: &Occurrence,
        read: impl Fn(String) -> Result<T, NameError>,
    ) -> Result<T, RenderError> {
        let rendered = self.text(text, at)?;
        read(rendered).map_err(|error| self.field_error(text, key, error.to_string()))
    }

    /// An error about a rendered field.
    pub(super) fn field_error(
        &self,
        text: &Text,
        key: &'static str,
        reason: String,
    ) -> RenderError {
        self.error_at(text.span(), Fault::Field { key, reason })
    }

    /// An error about a field that is no text.
    pub(super) fn bad_field(
        &self,
        span: std::ops::Range<usize>,
        key: &'static str,
        reason: &str,
    ) -> RenderError {
        let reason = reason.to_owned();
        self.error_at(span, Fault::Field { key, reason })
    }

    /// An error at a place of `module.toml`.
    pub(super) fn error_at(&self, span: std::ops::Range<usize>, fault: Fault) -> RenderError {
        RenderError {
            file: self.module.manifest(),
            line: self.module.line(span),
            host: Some(self.host.clone()),
            fault: fault.into(),
            hint: None,
        }
    }

    /// What minijinja said, in our words. `place` is where a text of `module.toml` begins.
    fn failure(&self, error: &minijinja::Error, place: Option<(String, usize)>) -> RenderError {
        let within = error.line().unwrap_or(1);
        let (file, line) = match place {
            Some((file, first)) => (file, first + within - 1),
            None => (error.name().unwrap_or_default().to_owned(), within),
        };
        let expression = error
            .template_source()
            .zip(error.range())
            .and_then(|(source, range)| product::written(source, range))
            .unwrap_or_default();
        let detail = match (error.detail(), error.kind()) {
            (Some(detail), _) => detail.to_owned(),
            (None, ErrorKind::OutOfFuel) => "takes too many steps, or writes too much".to_owned(),
            (None, kind) => kind.to_string(),
        };
        let (fault, hint) = if error.kind() == ErrorKind::UndefinedError {
            self.undefined(expression)
        } else {
            (
                Fault::Value {
                    expression,
                    reason: detail,
                },
                None,
            )
        };
        RenderError {
            file,
            line,
            host: Some(self.host.clone()),
            fault: fault.into(),
            hint,
        }
    }

    fn undefined(&self, expression: String) -> (Fault, Option<String>) {
        let Some(missing) = self.reads.missing() else {
            let hint =
                "templates know `host`, `hosts`, `cluster`, and with `each` also `item` and `key`";
            return (Fault::Undefined { expression }, Some(hint.to_owned()));
        };
        let word = missing.path.rsplit('.').next().unwrap_or_default();
        let near = missing
            .siblings
            .iter()
            .map(|sibling| (strsim::damerau_levenshtein(word, sibling), sibling))
            .min()
            .filter(|(distance, sibling)| *distance <= sibling.len().max(word.len()) / 3 + 1);
        let hint = match near {
            Some((_, sibling)) => format!("did you mean `{sibling}`?"),
            None if missing.siblings.is_empty() => "nothing is declared at that place".to_owned(),
            None => format!("declared there: `{}`", missing.siblings.join("`, `")),
        };
        (
            Fault::MissingFact {
                expression,
                fact: missing.path,
            },
            Some(hint),
        )
    }
}
