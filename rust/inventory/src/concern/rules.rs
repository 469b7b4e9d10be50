//! `rules.toml`: what no schema can say of a concern's facts, as expressions over all facts.

use minijinja::Value;
use serde::Deserialize;
use toml::Spanned;

use super::expression::{Compiler, Expression, NoValue, Text, read_file};
use super::folder::{ConcernError, Folder};
use super::names::{Lists, Names, Scope, Values};
use crate::inventory::{FactPath, Segment};

/// The file.
const RULES: &str = "rules.toml";

/// What an expression can read.
const ROOTS: &[&str] = &["host", "hosts", "cluster", "name"];
/// What it can read beside that where there is a rule for each of several things.
const EACH: &[&str] = &["key", "value"];

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
    /// Expression: a list or an attribute set, for each of whose entries there is such a rule, as `key` and `value`.
    each: Option<Spanned<String>>,
    /// Names for values.
    #[serde(default, rename = "let")]
    values: Values,
    #[serde(default)]
    list: Lists,
    /// Expression that has to be true.
    holds: Spanned<String>,
    /// Path of the fact that is wrong otherwise, below the host: `web.port`; `web.sites.*` for the entry of `each`.
    blames: Spanned<String>,
    /// What is wrong, as a template that continues the fact's path: `is {{ host.web.port }}; …`.
    message: Spanned<String>,
    /// What to do, as a template.
    hint: Option<Spanned<String>>,
}

/// What to do where an expression reads what is not there, and about others.
const MISSING: &str = "a fact that may be missing is asked for by `when`: `host.web is defined`";
const WRONG: &str =
    "correct the rule: it must have an answer for every host that declares the concern";

/// One rule, whose texts compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    when: Option<Expression>,
    each: Option<Expression>,
    names: Names,
    holds: Expression,
    blames: Blamed,
    message: Text,
    hint: Option<Text>,
}

/// Paths below the host, before and after the entry of `each`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Blamed(FactPath, Option<FactPath>);

/// What a rule says against a host.
pub(crate) struct Objection {
    /// The fact that is wrong, below the host.
    pub(crate) blamed: FactPath,
    /// What is wrong.
    pub(crate) problem: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

/// The rules of `folder`.
pub(super) fn read(folder: &Folder) -> Result<Vec<Rule>, Vec<ConcernError>> {
    let rules = read_file(folder, RULES, |file: RulesFile, compiler| {
        let rules = file.rule.into_iter().map(|it| it.compile(compiler));
        rules.collect()
    });
    rules.map(Option::unwrap_or_default)
}

impl Item {
    fn compile(self, compiler: &mut Compiler) -> Rule {
        let each = self.each.map(|it| compiler.expression(&it, ROOTS));
        let blames = Blamed::parse(self.blames.get_ref(), each.is_some());
        let blames = blames.unwrap_or_else(|| {
            let problem = format!(
                "`blames` is `{}`; expected a fact's path below the host, such as `web.port`",
                self.blames.get_ref()
            );
            compiler.fail(self.blames.span().start, problem);
            Blamed(FactPath::default(), None)
        });
        let mut roots = ROOTS.to_vec();
        roots.extend(each.iter().flat_map(|_| EACH));
        let names = Names::compile(&self.values, &self.list, &roots, compiler);
        roots.extend(names.words());
        Rule {
            when: self.when.map(|it| compiler.expression(&it, ROOTS)),
            holds: compiler.expression(&self.holds, &roots),
            blames,
            message: compiler.text(&self.message, &roots),
            hint: self.hint.map(|it| compiler.text(&it, &roots)),
            each,
            names,
        }
    }
}

impl Blamed {
    fn parse(path: &str, each: bool) -> Option<Self> {
        match path.split_once(".*") {
            Some((before, after)) if each => {
                let after = FactPath::parse(after.strip_prefix('.').unwrap_or(after))?;
                Some(Self(FactPath::parse(before)?, Some(after)))
            }
            _ => Some(Self(FactPath::parse(path)?, None)),
        }
    }

    fn path(&self, entry: Option<&Segment>) -> FactPath {
        let Self(before, after) = self;
        let path = before.clone();
        match (after, entry) {
            (Some(after), Some(Segment::Key(key))) => path.key(key).below(after),
            (Some(after), Some(Segment::Index(index))) => path.index(*index).below(after),
            _ => path,
        }
    }
}

impl Rule {
    /// Whether it reads the concern of that name of its own host: it says nothing where that one is broken.
    pub(crate) fn reads(&self, concern: &str) -> bool {
        let path = format!("host.{concern}");
        let expressions = self.when.iter().chain(&self.each).chain([&self.holds]);
        let texts = [&self.message].into_iter().chain(&self.hint);
        let reads = expressions
            .map(Expression::reads)
            .chain(texts.map(Text::reads));
        let mut reads = reads.flatten().chain(self.names.reads());
        reads.any(|read| {
            let rest = read.strip_prefix(&path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// What it says against the host of `scope` (`host`, `hosts`, `cluster`, `name`). An expression that cannot be
    /// evaluated is the rule's own fault, and said as such.
    pub(crate) fn judge(&self, scope: &Scope) -> Vec<Objection> {
        self.evaluate(scope).unwrap_or_else(|error| {
            let hint = if error.is_undefined() { MISSING } else { WRONG };
            vec![Objection {
                blamed: self.blames.path(None),
                problem: format!(
                    "cannot be judged by the rule at {}: {}",
                    error.place, error.problem
                ),
                hint: Some(hint.to_owned()),
            }]
        })
    }

    fn evaluate(&self, scope: &Scope) -> Result<Vec<Objection>, NoValue> {
        let context = Value::from(scope.clone());
        if let Some(when) = &self.when
            && !when.holds(&context)?
        {
            return Ok(Vec::new());
        }
        let Some(each) = &self.each else {
            return Ok(self.object(scope.clone(), None)?.into_iter().collect());
        };
        let mut objections = Vec::new();
        for (entry, scope) in each.scopes(scope, ["key", "value"])? {
            objections.extend(self.object(scope, Some(&entry))?);
        }
        Ok(objections)
    }

    fn object(
        &self,
        mut scope: Scope,
        entry: Option<&Segment>,
    ) -> Result<Option<Objection>, NoValue> {
        self.names.add_to(&mut scope)?;
        let context = Value::from(scope);
        if self.holds.holds(&context)? {
            return Ok(None);
        }
        let hint = self.hint.as_ref().map(|it| it.render(&context));
        Ok(Some(Objection {
            blamed: self.blames.path(entry),
            problem: self.message.render(&context)?,
            hint: hint.transpose()?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::concern::Origin;

    fn folder(rules: &str) -> Folder {
        Folder {
            place: "modules/web".to_owned(),
            origin: Origin::Repository,
            files: BTreeMap::from([(RULES.to_owned(), rules.to_owned())]),
        }
    }

    fn told(rules: &str) -> Vec<String> {
        let rules = match read(&folder(rules)) {
            Ok(rules) => rules,
            Err(errors) => return errors.iter().map(ToString::to_string).collect(),
        };
        let host =
            serde_json::json!({ "web": { "sites": { "a.b": 1, "c": 80 }, "ports": [22, 23] } });
        let host = Value::from(minijinja::value::Serde(host));
        let scope = Scope::from([("host".to_owned(), host)]);
        let all = rules.iter().flat_map(|rule| rule.judge(&scope));
        all.map(|it| format!("{} {}", it.blamed, it.problem))
            .collect()
    }

    #[test]
    fn every_entry_of_a_fact_is_blamed_by_its_own_path() {
        let sites = "[[rule]]\neach = 'host.web.sites'\nlet.least = '80'\nholds = 'value >= least'\n\
            blames = 'web.sites.*.port'\nmessage = 'is {{ value }} of {{ key }}'";
        assert_eq!(told(sites), [r#"web.sites."a.b".port is 1 of a.b"#]);
        let ports = "[[rule]]\neach = 'host.web.ports'\nholds = 'value != 23'\nblames = 'web.ports.*'\n\
            message = 'is {{ key }}'";
        assert_eq!(told(ports), ["web.ports.1 is 23"]);
    }

    #[test]
    fn an_entry_is_blamed_only_where_there_are_several() {
        let rule = "[[rule]]\nholds = 'host.web'\nblames = 'web.*'\nmessage = 'is wrong'";
        let problem =
            "`blames` is `web.*`; expected a fact's path below the host, such as `web.port`";
        assert_eq!(told(rule), [format!("modules/web/rules.toml:3: {problem}")]);
        let none = "[[rule]]\neach = '7'\nholds = 'value'\nblames = 'web.*'\nmessage = 'is wrong'";
        assert_eq!(
            told(none),
            [
                "web cannot be judged by the rule at modules/web/rules.toml:2: is neither a list nor an attribute set"
            ]
        );
    }
}
