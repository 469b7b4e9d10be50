//! Expressions and texts of `rules.toml` and `checks.toml`: minijinja, with a set of filters of its own, and bounded.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};
use serde::de::DeserializeOwned;
use toml::Spanned;

use super::filter;
use super::folder::{ConcernError, Folder};
use super::names::Scope;
use super::{operations, product};
use crate::inventory::Segment;

/// Longest expression or text, in bytes: with it, and without blocks, what one can build stays small.
const LONGEST: usize = 1000;

/// What one evaluation may take, in instructions of the template language and bytes of new strings.
const FUEL: u64 = 500_000;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(write_value);
    filter::add(&mut environment);
    product::guard(&mut environment);
    environment
});

/// An expression that compiles, and reads only names that it may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    source: String,
    compiled: Compiled,
    /// `modules/web/rules.toml:3`.
    pub(super) place: String,
    reads: BTreeSet<String>,
}

/// An expression as the template language runs it; none where it does not compile.
#[derive(Clone)]
struct Compiled(Option<Arc<minijinja::Expression<'static, 'static>>>);

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

/// It follows from the source, which is compared.
impl PartialEq for Compiled {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Compiled {}

/// A text with `{{ … }}`, which compiles, and reads only names that it may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// As it is written, but that only numbers can be multiplied.
    guarded: String,
    place: String,
    reads: BTreeSet<String>,
}

/// Why an expression or a text has no value: its place, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct NoValue {
    /// `modules/web/checks.toml:12`.
    pub place: String,
    /// A lower-case fragment.
    pub problem: String,
}

impl Expression {
    /// The names that it reads, with what it reads of them: `host.web.port`.
    pub(super) fn reads(&self) -> &BTreeSet<String> {
        &self.reads
    }

    /// Its value.
    ///
    /// # Errors
    /// When it reads what is not there, or has no value.
    pub fn evaluate(&self, context: &Value) -> Result<Value, NoValue> {
        let Compiled(compiled) = &self.compiled;
        let compiled = compiled
            .as_ref()
            .ok_or_else(|| self.fault("does not compile"))?;
        let value = compiled.eval(context);
        let value = value.map_err(|error| no_value(&self.place, &error))?;
        // Strict as the language is, it lets a whole expression be undefined.
        if value.is_undefined() {
            return Err(self.fault(format!("`{}` is undefined", self.source)));
        }
        Ok(value)
    }

    /// Whether its value is true: neither false, zero, none nor empty.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn holds(&self, context: &Value) -> Result<bool, NoValue> {
        self.evaluate(context).map(|value| value.is_true())
    }

    /// `scope` for each entry of its value, an attribute set or a list, with two more `names`: the entry's key, which
    /// in a list is the entry itself, and the entry.
    ///
    /// # Errors
    /// When it is neither, and as [`Self::evaluate`].
    pub fn scopes(
        &self,
        scope: &Scope,
        names: [&str; 2],
    ) -> Result<Vec<(Segment, Scope)>, NoValue> {
        let things = self.evaluate(&Value::from(scope.clone()))?;
        let is_map = things.kind() == ValueKind::Map;
        let keys = things
            .try_iter()
            .map_err(|_| self.fault("is neither a list nor an attribute set"))?;
        let entry = |(index, key): (usize, Value)| {
            let (segment, value) = if is_map {
                let value = things.get_item(&key);
                let value = value.map_err(|error| self.fault(error.to_string()))?;
                (Segment::Key(key.to_string()), value)
            } else {
                (Segment::Index(index), key.clone())
            };
            let mut scope = scope.clone();
            scope.extend(names.map(str::to_owned).into_iter().zip([key, value]));
            Ok((segment, scope))
        };
        keys.enumerate().map(entry).collect()
    }

    /// That it has no value, in words.
    pub fn fault(&self, problem: impl Into<String>) -> NoValue {
        NoValue {
            place: self.place.clone(),
            problem: problem.into(),
        }
    }
}

impl NoValue {
    /// Whether something that was read is not there.
    pub fn is_undefined(&self) -> bool {
        self.problem.ends_with("is undefined")
    }
}

impl Text {
    /// Where it stands: `modules/web/checks.toml:12`.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The names that it reads.
    pub(super) fn reads(&self) -> &BTreeSet<String> {
        &self.reads
    }

    /// The text, with the values of its expressions.
    ///
    /// # Errors
    /// When it reads what is not there, or a value cannot be written.
    pub fn render(&self, context: &Value) -> Result<String, NoValue> {
        let rendered = ENVIRONMENT.render_str(&self.guarded, context);
        rendered.map_err(|error| no_value(&self.place, &error))
    }
}

fn no_value(place: &str, error: &Error) -> NoValue {
    NoValue {
        place: place.to_owned(),
        problem: said(error),
    }
}

fn said(error: &Error) -> String {
    if error.kind() == ErrorKind::OutOfFuel {
        return "takes too many steps, or makes too much".to_owned();
    }
    let kind = error.kind().to_string();
    let words = error.detail().map_or(kind, str::to_owned);
    words.replace('\n', " ")
}

/// What `{{ value }}` writes: what can be read as one word or number. minijinja would write Python's `True`.
fn write_value(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::Bool => if value.is_true() { "true" } else { "false" }.to_owned(),
        ValueKind::String => value.as_str().unwrap_or_default().to_owned(),
        ValueKind::Number => number_text(value),
        kind => {
            let message = format!("a text cannot hold a {kind}; join or count it");
            return Err(Error::new(ErrorKind::BadEscape, message));
        }
    };
    out.write_str(&text).map_err(Error::from)
}

/// Nix versions differ in whether they print 1.0 as `1` or `1.0`; the rendered bytes must not.
pub fn number_text(value: &Value) -> String {
    let text = value.to_string();
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// Reads the TOML file `name` of `folder` and compiles what is in it; `None` where there is no such file.
pub(super) fn read_file<T: DeserializeOwned, R>(
    folder: &Folder,
    name: &str,
    compile: impl FnOnce(T, &mut Compiler) -> R,
) -> Result<Option<R>, Vec<ConcernError>> {
    let Some(source) = folder.files.get(name) else {
        return Ok(None);
    };
    let mut compiler = Compiler::new(&format!("{}/{name}", folder.place), source);
    let read = match toml::from_str(source) {
        Ok(parsed) => Some(compile(parsed, &mut compiler)),
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            compiler.fail(offset, error.message().replace('\n', " "));
            None
        }
    };
    if compiler.errors.is_empty() {
        Ok(read)
    } else {
        Err(compiler.errors)
    }
}

/// Compiles the expressions of one file, and collects what is wrong with them.
pub(super) struct Compiler {
    file: String,
    /// The offsets of its line feeds: every expression asks for its line.
    line_feeds: Vec<usize>,
    pub(super) errors: Vec<ConcernError>,
}

impl Compiler {
    /// For the file that messages call `file`.
    pub(super) fn new(file: &str, source: &str) -> Self {
        Self {
            file: file.to_owned(),
            line_feeds: source.match_indices('\n').map(|(at, _)| at).collect(),
            errors: Vec::new(),
        }
    }

    /// The line, from 1, of a byte offset.
    fn line(&self, offset: usize) -> usize {
        1 + self.line_feeds.partition_point(|feed| *feed < offset)
    }

    /// `modules/web/rules.toml:3`, for a byte offset.
    pub(super) fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.file, self.line(offset))
    }

    /// Notes what is wrong at a byte offset.
    pub(super) fn fail(&mut self, offset: usize, problem: impl Into<String>) {
        self.fail_with_hint(offset, problem, None);
    }

    /// The same, with what to do about it.
    pub(super) fn fail_with_hint(
        &mut self,
        offset: usize,
        problem: impl Into<String>,
        hint: Option<String>,
    ) {
        self.errors.push(ConcernError {
            file: self.file.clone(),
            line: self.line(offset),
            problem: problem.into(),
            hint,
        });
    }

    /// An expression over `roots`. What is wrong is noted, and the expression is then without any name.
    pub(super) fn expression(&mut self, text: &Spanned<String>, roots: &[&str]) -> Expression {
        let (place, offset) = (self.place(text.span().start), text.span().start);
        let text = text.get_ref();
        let compiled = check_length(text)
            .and_then(|()| {
                let guarded = ENVIRONMENT.compile_expression_owned(product::with_factors(text));
                guarded.map_err(|error| {
                    // What is wrong with the text as it is written.
                    let written = ENVIRONMENT.compile_expression(text).err();
                    said(&written.unwrap_or(error))
                })
            })
            .and_then(|it| operations::check(&ENVIRONMENT, text).map(|()| it));
        let reads = compiled.as_ref().map(|it| it.undeclared_variables(true));
        let reads = self.known(reads.map_err(Clone::clone), roots, offset);
        Expression {
            source: text.clone(),
            compiled: Compiled(compiled.ok().map(Arc::new)),
            place,
            reads,
        }
    }

    /// The same of a text.
    pub(super) fn text(&mut self, text: &Spanned<String>, roots: &[&str]) -> Text {
        let (place, offset) = (self.place(text.span().start), text.span().start);
        let text = text.get_ref();
        let reads = check_length(text)
            .and_then(|()| without_blocks(text))
            .and_then(|()| {
                ENVIRONMENT
                    .template_from_str(text)
                    .map_err(|error| said(&error))
            })
            .and_then(|it| operations::check_text(&ENVIRONMENT, text).map(|()| it))
            .map(|it| it.undeclared_variables(true));
        let reads = self.known(reads, roots, offset);
        Text {
            guarded: product::with_factors_in(text),
            place,
            reads,
        }
    }

    fn known(
        &mut self,
        reads: Result<impl IntoIterator<Item = String>, String>,
        roots: &[&str],
        offset: usize,
    ) -> BTreeSet<String> {
        let names: BTreeSet<String> = match reads {
            Ok(names) => names.into_iter().collect(),
            Err(problem) => {
                self.fail(offset, problem);
                return BTreeSet::new();
            }
        };
        for name in &names {
            if !roots.contains(&root(name)) {
                let known = roots.join("`, `");
                self.fail(offset, format!("reads `{name}`; it can read `{known}`"));
            }
        }
        names
    }
}

/// `host` of `host.web.port`.
pub(super) fn root(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

fn check_length(text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    Ok(())
}

fn without_blocks(text: &str) -> Result<(), String> {
    if text.contains("{%") {
        return Err("a text holds `{{ … }}` alone, no `{% … %}`".to_owned());
    }
    Ok(())
}
