//! `rules.toml`: what no schema can say of a concern's facts, as expressions over all facts.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Deserialize;
use toml::Spanned;

use super::error::ConcernError;
use super::folder::Folder;
use super::set::line_at;

/// The file.
const RULES: &str = "rules.toml";

/// What an expression can read.
const ROOTS: &[&str] = &["host", "hosts", "cluster", "name"];

/// Longest text of a rule, in bytes: with it, and without loops, what a rule can build stays small.
const LONGEST: usize = 1000;

/// Instructions of the template language that one rule may take.
const FUEL: u64 = 100_000;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    rule: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    /// Expression; the rule is left out where it is false.
    when: Option<Spanned<String>>,
    /// Expression that has to be true.
    holds: Spanned<String>,
    /// Path of the fact that is wrong otherwise, below the host: `web.port`.
    blames: Spanned<String>,
    /// What is wrong, as a template that continues the fact's path: `is {{ host.web.port }}; …`.
    message: Spanned<String>,
    /// What to do, as a template.
    hint: Option<Spanned<String>>,
}

/// One rule, whose texts compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// `modules/web/rules.toml:3`.
    pub(crate) place: String,
    when: Option<String>,
    holds: String,
    /// Path of the fact that is wrong where it does not hold, below the host.
    pub(crate) blames: String,
    message: String,
    hint: Option<String>,
    reads: BTreeSet<String>,
}

/// What a rule says against a host.
pub(crate) struct Objection {
    /// What is wrong.
    pub(crate) problem: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

/// The rules of `folder`.
pub(super) fn read(folder: &Folder) -> Result<Vec<Rule>, Vec<ConcernError>> {
    let Some(source) = folder.files.get(RULES) else {
        return Ok(Vec::new());
    };
    let file = format!("{}/{RULES}", folder.place);
    let fail = |offset: usize, problem: String| ConcernError {
        file: file.clone(),
        line: line_at(source, offset),
        problem,
        hint: None,
    };
    let parsed: RulesFile = toml::from_str(source).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        vec![fail(offset, error.message().replace('\n', " "))]
    })?;
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    for item in parsed.rule {
        let before = errors.len();
        let mut reads = BTreeSet::new();
        let expressions = item.when.iter().chain([&item.holds]);
        for text in expressions {
            match expression(text.get_ref()) {
                Ok(names) => reads.extend(names),
                Err(problem) => errors.push(fail(text.span().start, problem)),
            }
        }
        for text in [&item.message].into_iter().chain(&item.hint) {
            match template(text.get_ref()) {
                Ok(names) => reads.extend(names),
                Err(problem) => errors.push(fail(text.span().start, problem)),
            }
        }
        if crate::inventory::FactPath::parse(item.blames.get_ref()).is_none() {
            let problem = format!(
                "`blames` is `{}`; expected a fact's path below the host, such as `web.port`",
                item.blames.get_ref()
            );
            errors.push(fail(item.blames.span().start, problem));
        }
        if errors.len() == before {
            rules.push(Rule {
                place: format!("{file}:{}", line_at(source, item.holds.span().start)),
                when: item.when.map(Spanned::into_inner),
                holds: item.holds.into_inner(),
                blames: item.blames.into_inner(),
                message: item.message.into_inner(),
                hint: item.hint.map(Spanned::into_inner),
                reads,
            });
        }
    }
    if errors.is_empty() {
        Ok(rules)
    } else {
        Err(errors)
    }
}

/// The facts that an expression reads (`host.web.port`), or why it is none.
fn expression(text: &str) -> Result<BTreeSet<String>, String> {
    check_length(text)?;
    let compiled = ENVIRONMENT.compile_expression(text);
    let compiled = compiled.map_err(|error| said(&error))?;
    known(compiled.undeclared_variables(true))
}

/// The same of a template.
fn template(text: &str) -> Result<BTreeSet<String>, String> {
    check_length(text)?;
    if text.contains("{%") {
        return Err("a text holds `{{ … }}` alone, no `{% … %}`".to_owned());
    }
    let compiled = ENVIRONMENT.template_from_str(text);
    let compiled = compiled.map_err(|error| said(&error))?;
    known(compiled.undeclared_variables(true))
}

fn check_length(text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    Ok(())
}

fn known(names: impl IntoIterator<Item = String>) -> Result<BTreeSet<String>, String> {
    let names: BTreeSet<String> = names.into_iter().collect();
    let stranger = names.iter().find(|name| {
        let root = name.split('.').next().unwrap_or_default();
        !ROOTS.contains(&root)
    });
    match stranger {
        Some(name) => Err(format!(
            "reads `{name}`; rules know `{}`",
            ROOTS.join("`, `")
        )),
        None => Ok(names),
    }
}

fn said(error: &minijinja::Error) -> String {
    let detail = error.detail().map(str::to_owned);
    detail.unwrap_or_else(|| error.kind().to_string())
}

impl Rule {
    /// Whether it reads the concern of that name of its own host: it says nothing where that one is broken.
    pub(crate) fn reads(&self, concern: &str) -> bool {
        let path = format!("host.{concern}");
        self.reads.iter().any(|read| {
            let rest = read.strip_prefix(&path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// What it says against the host of `context` (`host`, `hosts`, `cluster`, `name`); `None` where it holds. An
    /// expression that cannot be evaluated is the rule's own fault, and said as such.
    pub(crate) fn judge(&self, context: &Value) -> Option<Objection> {
        match self.evaluate(context) {
            Ok(objection) => objection,
            Err(error) => Some(Objection {
                problem: format!(
                    "cannot be judged by the rule at {}: {}",
                    self.place,
                    said(&error)
                ),
                hint: Some(
                    "a fact that may be missing is asked for by `when`: `host.web is defined`"
                        .to_owned(),
                ),
            }),
        }
    }

    fn evaluate(&self, context: &Value) -> Result<Option<Objection>, minijinja::Error> {
        let is_true = |text: &str| {
            let value = ENVIRONMENT.compile_expression(text)?.eval(context)?;
            Ok::<bool, minijinja::Error>(value.is_true())
        };
        if let Some(when) = &self.when
            && !is_true(when)?
        {
            return Ok(None);
        }
        if is_true(&self.holds)? {
            return Ok(None);
        }
        let text = |template: &str| ENVIRONMENT.render_str(template, context);
        Ok(Some(Objection {
            problem: text(&self.message)?,
            hint: self.hint.as_deref().map(text).transpose()?,
        }))
    }
}
