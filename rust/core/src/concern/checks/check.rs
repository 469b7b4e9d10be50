//! A check of `checks.toml` as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::declared_query::DeclaredQuery;
use super::file::Phrase;
use super::{ANSWER, Case, DeclaredCheck, EACH, ITEM, Measure, Retries};
use crate::concern::expression::Compiler;
use crate::concern::names::{Lists, Names, Values};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckItem {
    name: Phrase,
    query: Phrase,
    each: Option<Phrase>,
    when: Option<Phrase>,
    #[serde(default, rename = "let")]
    values: Values,
    #[serde(default)]
    list: Lists,
    #[serde(default)]
    unreadable: Vec<CaseItem>,
    #[serde(default)]
    skip: Vec<CaseItem>,
    expect: Phrase,
    expected: Phrase,
    found: Phrase,
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
    what: Phrase,
    #[serde(default)]
    unit: String,
    value: Phrase,
    at_least: Option<Phrase>,
    at_most: Option<Phrase>,
}

impl CheckItem {
    /// With every expression compiled; `host` is what it can read of the host.
    pub(super) fn compile(
        self,
        queries: &BTreeMap<String, DeclaredQuery>,
        host: &[&str],
        compiler: &mut Compiler<'_>,
    ) -> DeclaredCheck {
        let query = self.query.get_ref().clone();
        let asked = queries.get(&query);
        if asked.is_none() {
            let known: Vec<&str> = queries.keys().map(String::as_str).collect();
            compiler.fail(
                self.query.span().start,
                format!(
                    "there is no query `{query}`; the file has `{}`",
                    known.join("`, `")
                ),
            );
        }
        let of_each = asked.is_some_and(|it| it.each.is_some());
        let mut before = [host, if of_each { EACH } else { &[] }].concat();
        let each = self.each.map(|it| compiler.expression(&it, &before));
        if each.is_some() {
            before.extend(ITEM);
        }
        let mut after = [&before[..], ANSWER].concat();
        let shared = asked.map(|it| &it.names);
        after.extend(shared.into_iter().flat_map(Names::words));
        let names = Names::compile(&self.values, &self.list, &after, compiler);
        let all: Vec<&str> = after.iter().copied().chain(names.words()).collect();
        DeclaredCheck {
            name: compiler.text(&self.name, &before),
            query,
            each,
            when: self.when.map(|it| compiler.expression(&it, &before)),
            unreadable: cases(self.unreadable, &all, compiler),
            skip: cases(self.skip, &all, compiler),
            expect: compiler.expression(&self.expect, &all),
            expected: compiler.text(&self.expected, &before),
            found: compiler.text(&self.found, &all),
            hints: hints(self.hints, self.hint.as_ref(), &all, compiler),
            pending_reboot: self.pending_reboot.map(|it| it.compile(&all, compiler)),
            measures: self
                .measure
                .into_iter()
                .map(|it| it.compile(&before, &all, compiler))
                .collect(),
            gate: self.gate,
            loads: self.loads,
            needs: self.needs.map(|it| compiler.text(&it, &before)),
            retries: self.retries,
            names,
        }
    }
}

impl CaseItem {
    fn compile(self, roots: &[&str], compiler: &mut Compiler<'_>) -> Case {
        Case {
            when: Some(compiler.expression(&self.when, roots)),
            text: compiler.text(&self.because, roots),
        }
    }
}

impl MeasureItem {
    fn compile(self, before: &[&str], all: &[&str], compiler: &mut Compiler<'_>) -> Measure {
        Measure {
            what: compiler.text(&self.what, before),
            unit: self.unit,
            value: compiler.expression(&self.value, all),
            at_least: self.at_least.map(|it| compiler.expression(&it, before)),
            at_most: self.at_most.map(|it| compiler.expression(&it, before)),
        }
    }
}

fn cases(items: Vec<CaseItem>, roots: &[&str], compiler: &mut Compiler<'_>) -> Vec<Case> {
    let cases = items.into_iter().map(|it| it.compile(roots, compiler));
    cases.collect()
}

/// Those with a condition, then the one without.
fn hints(
    items: Vec<HintItem>,
    last: Option<&Phrase>,
    roots: &[&str],
    compiler: &mut Compiler<'_>,
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
