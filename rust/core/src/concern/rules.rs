//! `rules.toml`: what no schema can say of a concern's facts, as expressions over all facts.

use minijinja::Value;
use serde::Deserialize;
use toml::Spanned;

use super::error::ConcernError;
use super::expression::{Compiler, Expression, NoValue, Text};
use super::folder::Folder;

/// The file.
const RULES: &str = "rules.toml";

/// What an expression can read.
const ROOTS: &[&str] = &["host", "hosts", "cluster", "name"];

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
    when: Option<Expression>,
    holds: Expression,
    /// Path of the fact that is wrong where it does not hold, below the host.
    pub(crate) blames: String,
    message: Text,
    hint: Option<Text>,
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
    let mut compiler = Compiler::new(&format!("{}/{RULES}", folder.place), source);
    let parsed: RulesFile = match toml::from_str(source) {
        Ok(parsed) => parsed,
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            compiler.fail(offset, error.message().replace('\n', " "));
            return Err(compiler.errors);
        }
    };
    let rules = parsed.rule.into_iter().map(|it| it.compile(&mut compiler));
    let rules = rules.collect();
    if compiler.errors.is_empty() {
        Ok(rules)
    } else {
        Err(compiler.errors)
    }
}

impl Item {
    fn compile(self, compiler: &mut Compiler<'_>) -> Rule {
        if crate::inventory::FactPath::parse(self.blames.get_ref()).is_none() {
            let problem = format!(
                "`blames` is `{}`; expected a fact's path below the host, such as `web.port`",
                self.blames.get_ref()
            );
            compiler.fail(self.blames.span().start, problem);
        }
        Rule {
            when: self.when.map(|it| compiler.expression(&it, ROOTS)),
            holds: compiler.expression(&self.holds, ROOTS),
            blames: self.blames.into_inner(),
            message: compiler.text(&self.message, ROOTS),
            hint: self.hint.map(|it| compiler.text(&it, ROOTS)),
        }
    }
}

impl Rule {
    /// Whether it reads the concern of that name of its own host: it says nothing where that one is broken.
    pub(crate) fn reads(&self, concern: &str) -> bool {
        let path = format!("host.{concern}");
        let expressions = self.when.iter().chain([&self.holds]).map(Expression::reads);
        let texts = [&self.message]
            .into_iter()
            .chain(&self.hint)
            .map(Text::reads);
        expressions.chain(texts).flatten().any(|read| {
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
                    error.place, error.problem
                ),
                hint: Some(
                    "a fact that may be missing is asked for by `when`: `host.web is defined`"
                        .to_owned(),
                ),
            }),
        }
    }

    fn evaluate(&self, context: &Value) -> Result<Option<Objection>, NoValue> {
        if let Some(when) = &self.when
            && !when.holds(context)?
        {
            return Ok(None);
        }
        if self.holds.holds(context)? {
            return Ok(None);
        }
        let hint = self.hint.as_ref().map(|it| it.render(context));
        Ok(Some(Objection {
            problem: self.message.render(context)?,
            hint: hint.transpose()?,
        }))
    }
}
