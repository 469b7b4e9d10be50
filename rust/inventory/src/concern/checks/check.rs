//! A check of `checks.toml` as it is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::declared_query::DeclaredQuery;
use super::file::Phrase;
use super::{
    ANSWER, Case, DeclaredCheck, EACH, Expectation, ITEM, JudgeForm, Judgement, Measure,
    NamedJudge, Retries,
};
use crate::concern::expression::Compiler;
use crate::concern::names::{Lists, Names, Values};

/// What a check can name.
pub(super) struct Known<'a> {
    /// The queries of the file.
    pub(super) queries: &'a BTreeMap<String, Arc<DeclaredQuery>>,
    /// What expressions can read of the host.
    pub(super) host: &'a [&'a str],
    /// The judges; `None` where any name will do.
    pub(super) judges: Option<&'a [JudgeForm]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckItem {
    name: Phrase,
    query: Phrase,
    each: Option<Phrase>,
    when: Option<Phrase>,
    expected: Phrase,
    judge: Option<Phrase>,
    #[serde(default)]
    options: BTreeMap<Spanned<String>, Phrase>,
    expect: Option<Phrase>,
    found: Option<Phrase>,
    #[serde(default, rename = "let")]
    values: Values,
    #[serde(default)]
    list: Lists,
    #[serde(default)]
    unreadable: Vec<CaseItem>,
    #[serde(default)]
    skip: Vec<CaseItem>,
    hint: Option<Phrase>,
    #[serde(default)]
    hints: Vec<HintItem>,
    pending_reboot: Option<CaseItem>,
    #[serde(default)]
    measure: Vec<MeasureItem>,
    #[serde(default)]
    gate: bool,
    #[serde(default)]
    loads: bool,
    needs: Option<Phrase>,
    #[serde(default)]
    retries: Retries,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseItem {
    when: Phrase,
    because: Phrase,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HintItem {
    when: Phrase,
    hint: Phrase,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MeasureItem {
    when: Option<Phrase>,
    what: Phrase,
    #[serde(default)]
    unit: String,
    value: Phrase,
    at_least: Option<Phrase>,
    at_most: Option<Phrase>,
}

impl CheckItem {
    /// With every expression compiled; `at` is its place in the file.
    pub(super) fn compile(
        self,
        at: usize,
        known: &Known<'_>,
        compiler: &mut Compiler,
    ) -> DeclaredCheck {
        let query = self.query.get_ref().clone();
        let asked = known.queries.get(&query);
        if asked.is_none() {
            let names: Vec<&str> = known.queries.keys().map(String::as_str).collect();
            compiler.fail(
                self.query.span().start,
                format!(
                    "there is no query `{query}`; the file has `{}`",
                    names.join("`, `")
                ),
            );
        }
        let of_each = asked.is_some_and(|it| it.each.is_some());
        let mut before = [known.host, if of_each { EACH } else { &[] }].concat();
        let each = self.each.as_ref();
        let each = each.map(|it| compiler.expression(it, &before));
        if each.is_some() {
            before.extend(ITEM);
        }
        DeclaredCheck {
            name: compiler.text(&self.name, &before),
            query,
            each,
            when: self
                .when
                .as_ref()
                .map(|it| compiler.expression(it, &before)),
            expected: compiler.text(&self.expected, &before),
            gate: self.gate,
            loads: self.loads,
            needs: self.needs.as_ref().map(|it| compiler.text(it, &before)),
            retries: self.retries.clone(),
            judgement: self.judgement(at, asked.map(Arc::as_ref), &before, known.judges, compiler),
        }
    }

    fn judgement(
        self,
        at: usize,
        asked: Option<&DeclaredQuery>,
        before: &[&str],
        judges: Option<&[JudgeForm]>,
        compiler: &mut Compiler,
    ) -> Judgement {
        if let Some(name) = self.judge.clone() {
            let given = self.of_expectation();
            if !given.is_empty() {
                let given = given.join("`, `");
                let name = name.get_ref();
                let problem = format!("`{given}`: the judge `{name}` says this itself");
                compiler.fail(at, problem);
            }
            let judge = NamedJudge::compile(name, &self.options, before, judges, compiler);
            return Judgement::Judge(judge);
        }
        if let Some(option) = self.options.keys().next() {
            compiler.fail(option.span().start, "`options` are those of a `judge`");
        }
        if asked.is_some_and(|it| it.reader.is_none()) {
            let problem = format!("the query `{}` has no reader: `read`", self.query.get_ref());
            compiler.fail(self.query.span().start, problem);
        }
        if self.expect.is_none() || self.found.is_none() {
            compiler.fail(at, "expected `expect` and `found`, or `judge`");
        }
        let nothing = || Spanned::new(at..at, "''".to_owned());
        let mut after = [before, ANSWER].concat();
        let shared = asked.map(|it| &it.names);
        after.extend(shared.into_iter().flat_map(Names::words));
        let names = Names::compile(&self.values, &self.list, &after, compiler);
        let all: Vec<&str> = after.iter().copied().chain(names.words()).collect();
        Judgement::Expectation(Arc::new(Expectation {
            unreadable: cases(self.unreadable, &all, compiler),
            skip: cases(self.skip, &all, compiler),
            expect: compiler.expression(&self.expect.unwrap_or_else(nothing), &all),
            found: compiler.text(&self.found.unwrap_or_else(nothing), &all),
            hints: hints(self.hints, self.hint.as_ref(), &all, compiler),
            pending_reboot: self.pending_reboot.map(|it| it.compile(&all, compiler)),
            measures: self
                .measure
                .into_iter()
                .map(|it| it.compile(before, &all, compiler))
                .collect(),
            names,
        }))
    }

    /// The keys that say something of an expectation.
    fn of_expectation(&self) -> Vec<&'static str> {
        let keys = [
            ("expect", self.expect.is_some()),
            ("found", self.found.is_some()),
            ("let", !self.values.is_empty()),
            ("list", !self.list.is_empty()),
            ("unreadable", !self.unreadable.is_empty()),
            ("skip", !self.skip.is_empty()),
            ("hint", self.hint.is_some()),
            ("hints", !self.hints.is_empty()),
            ("pending_reboot", self.pending_reboot.is_some()),
            ("measure", !self.measure.is_empty()),
        ];
        let given = keys.into_iter().filter(|(_, given)| *given);
        given.map(|(key, _)| key).collect()
    }
}

impl CaseItem {
    fn compile(self, roots: &[&str], compiler: &mut Compiler) -> Case {
        Case {
            when: Some(compiler.expression(&self.when, roots)),
            text: compiler.text(&self.because, roots),
        }
    }
}

impl MeasureItem {
    fn compile(self, before: &[&str], all: &[&str], compiler: &mut Compiler) -> Measure {
        Measure {
            when: self.when.map(|it| compiler.expression(&it, all)),
            what: compiler.text(&self.what, before),
            unit: self.unit,
            value: compiler.expression(&self.value, all),
            at_least: self.at_least.map(|it| compiler.expression(&it, before)),
            at_most: self.at_most.map(|it| compiler.expression(&it, before)),
        }
    }
}

fn cases(items: Vec<CaseItem>, roots: &[&str], compiler: &mut Compiler) -> Vec<Case> {
    let cases = items.into_iter().map(|it| it.compile(roots, compiler));
    cases.collect()
}

/// Those with a condition, then the one without.
fn hints(
    items: Vec<HintItem>,
    last: Option<&Phrase>,
    roots: &[&str],
    compiler: &mut Compiler,
) -> Vec<Case> {
    let mut all = Vec::new();
    for item in items {
        all.push(Case {
            when: Some(compiler.expression(&item.when, roots)),
            text: compiler.text(&item.hint, roots),
        });
    }
    all.extend(last.map(|text| Case {
        when: None,
        text: compiler.text(text, roots),
    }));
    all
}
