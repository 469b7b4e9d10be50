//! `checks.toml` as it is written, and its way to what it means.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::question::{Failure, Field, FieldKind, Question, Reader};
use super::{ANSWER, Case, ChecksFile, DeclaredCheck, EACH, HOST, ITEM, Measure, Retries, Setting};
use crate::concern::expression::Compiler;
use crate::concern::names::{Lists, Names, Values, is_name};
use crate::inventory::Platform;
use crate::name::SysctlKey;

type Phrase = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    query: BTreeMap<String, Spanned<QueryItem>>,
    #[serde(default)]
    check: Vec<Spanned<CheckItem>>,
    #[serde(default)]
    sysctl: BTreeMap<Spanned<String>, SettingItem>,
    modules: Option<Phrase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryItem {
    /// For every platform of the concern that has no other.
    command: Option<String>,
    linux: Option<String>,
    ubuntu: Option<String>,
    nixos: Option<String>,
    darwin: Option<String>,
    deadline_seconds: Option<u16>,
    cap_kib: Option<u16>,
    each: Option<Phrase>,
    #[serde(default)]
    variables: BTreeMap<Spanned<String>, Phrase>,
    arguments: Option<Phrase>,
    read: Spanned<String>,
    begins_with: Option<String>,
    separator: Option<String>,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    fields: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    asks_boot: bool,
    #[serde(default)]
    any_status: bool,
    #[serde(default, rename = "let")]
    values: Values,
    #[serde(default)]
    list: Lists,
    where_missing: Option<String>,
    failure: Option<FailureItem>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureItem {
    line: Spanned<String>,
    #[serde(default)]
    any_status: bool,
    #[serde(default)]
    hints: Vec<(String, String)>,
    hint: Option<String>,
    #[serde(default)]
    pending_reboot: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckItem {
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingItem {
    when: Option<Phrase>,
    value: Phrase,
    #[serde(default = "yes")]
    gate: bool,
}

fn yes() -> bool {
    true
}

impl File {
    /// With every expression compiled; what is wrong is noted in `compiler`.
    pub(super) fn compile(self, compiler: &mut Compiler<'_>) -> ChecksFile {
        let questions: BTreeMap<String, Question> = self
            .query
            .into_iter()
            .map(|(name, item)| {
                let at = item.span().start;
                if !is_name(&name.replace('-', "_")) {
                    compiler.fail(at, format!("`{name}` is no name of a query; expected lower-case letters, digits and `-`"));
                }
                (name, item.into_inner().compile(at, compiler))
            })
            .collect();
        let mut checks = Vec::new();
        for item in self.check {
            checks.push(item.into_inner().compile(&questions, compiler));
        }
        for name in questions.keys() {
            if !checks
                .iter()
                .any(|check: &DeclaredCheck| check.question == *name)
            {
                compiler.fail(0, format!("no check reads the query `{name}`"));
            }
        }
        let mut sysctl = BTreeMap::new();
        for (key, item) in self.sysctl {
            let at = key.span().start;
            match SysctlKey::new(key.get_ref()) {
                Ok(key) => {
                    sysctl.insert(key, item.compile(compiler));
                }
                Err(error) => compiler.fail(at, error.to_string()),
            }
        }
        ChecksFile {
            questions,
            checks,
            sysctl,
            modules: self.modules.map(|it| compiler.expression(&it, HOST)),
        }
    }
}

impl SettingItem {
    fn compile(self, compiler: &mut Compiler<'_>) -> Setting {
        Setting {
            when: self.when.map(|it| compiler.expression(&it, HOST)),
            value: compiler.expression(&self.value, HOST),
            gate: self.gate,
        }
    }
}

impl QueryItem {
    fn compile(self, at: usize, compiler: &mut Compiler<'_>) -> Question {
        let roots = roots(&[HOST, if self.each.is_some() { EACH } else { &[] }]);
        let Some(deadline_seconds) = self.deadline_seconds.filter(|it| *it <= 300) else {
            let problem = "expected `deadline_seconds`, 0 to 300: how long the command may take";
            compiler.fail(at, problem);
            return self.compile_with(0, at, &roots, compiler);
        };
        self.compile_with(deadline_seconds, at, &roots, compiler)
    }

    fn compile_with(
        self,
        deadline_seconds: u16,
        at: usize,
        roots: &[&str],
        compiler: &mut Compiler<'_>,
    ) -> Question {
        let commands = self.commands();
        if commands.is_empty() {
            compiler.fail(
                at,
                "has no command; expected `command`, `linux`, `ubuntu`, `nixos` or `darwin`",
            );
        }
        let reader = self.reader(compiler);
        let all = [roots, ANSWER].concat();
        let names = Names::compile(&self.values, &self.list, &all, compiler);
        let mut variables = BTreeMap::new();
        for (name, value) in self.variables {
            if !is_name(name.get_ref()) || name.get_ref().starts_with("shipped") {
                compiler.fail(name.span().start, format!("`{}` is no name of a variable; expected lower-case letters, digits and `_`", name.get_ref()));
            }
            let value = compiler.expression(&value, roots);
            variables.insert(name.into_inner(), value);
        }
        Question {
            commands,
            deadline_seconds,
            cap_kib: self.cap_kib.unwrap_or(64),
            each: self.each.map(|it| compiler.expression(&it, HOST)),
            variables,
            arguments: self.arguments.map(|it| compiler.expression(&it, roots)),
            reader,
            asks_boot: self.asks_boot,
            any_status: self.any_status,
            names,
            where_missing: self.where_missing,
            failure: self.failure.map(|it| it.compile(compiler)),
        }
    }

    fn commands(&self) -> BTreeMap<Platform, String> {
        Platform::ALL
            .into_iter()
            .filter_map(|platform| {
                let (own, family) = match platform {
                    Platform::Ubuntu => (&self.ubuntu, &self.linux),
                    Platform::Nixos => (&self.nixos, &self.linux),
                    Platform::Darwin => (&self.darwin, &None),
                };
                let command = own.as_ref().or(family.as_ref()).or(self.command.as_ref());
                Some((platform, command?.clone()))
            })
            .collect()
    }

    fn reader(&self, compiler: &mut Compiler<'_>) -> Reader {
        let at = self.read.span().start;
        let mut only = |given: bool, key: &str, readers: &[&str]| {
            if given && !readers.contains(&self.read.get_ref().as_str()) {
                let readers = readers.join("` and `");
                compiler.fail(at, format!("`{key}` is for the readers `{readers}`"));
            }
        };
        only(self.separator.is_some(), "separator", &["pairs", "columns"]);
        only(!self.columns.is_empty(), "columns", &["columns"]);
        only(!self.fields.is_empty(), "fields", &["pairs", "columns"]);
        only(
            self.begins_with.is_some(),
            "begins_with",
            &["lines", "columns"],
        );
        let fields = self.fields(compiler);
        match self.read.get_ref().as_str() {
            "text" => Reader::Text,
            "lines" => Reader::Lines {
                begins_with: self.begins_with.clone(),
            },
            "pairs" => Reader::Pairs {
                separator: self.separator.clone().unwrap_or_else(|| "=".to_owned()),
                fields,
            },
            "columns" => {
                for name in fields.keys().filter(|name| !self.columns.contains(name)) {
                    compiler.fail(
                        at,
                        format!("`fields` names `{name}`, which `columns` does not"),
                    );
                }
                Reader::Columns {
                    begins_with: self.begins_with.clone(),
                    separator: self.separator.clone(),
                    columns: self.columns.clone(),
                    fields,
                }
            }
            "json" => Reader::Json,
            "prometheus" => Reader::Prometheus,
            other => {
                compiler.fail(at, format!("`{other}` is no reader; expected `text`, `lines`, `pairs`, `columns`, `json` or `prometheus`"));
                Reader::Text
            }
        }
    }

    fn fields(&self, compiler: &mut Compiler<'_>) -> BTreeMap<String, Field> {
        let mut fields = BTreeMap::new();
        for (name, word) in &self.fields {
            let text = word.get_ref();
            let (kind, optional) = match text.strip_suffix('?') {
                Some(kind) => (kind, true),
                None => (text.as_str(), false),
            };
            let kind = match kind {
                "text" => FieldKind::Text,
                "count" => FieldKind::Count,
                "number" => FieldKind::Number,
                "kb" => FieldKind::Kb,
                "cpus" => FieldKind::Cpus,
                "words" => FieldKind::Words,
                _ => {
                    compiler.fail(word.span().start, format!("`{text}` is no kind of value; expected `text`, `count`, `number`, `kb`, `cpus` or `words`, with `?` where it may be missing"));
                    FieldKind::Text
                }
            };
            fields.insert(name.clone(), Field { kind, optional });
        }
        fields
    }
}

impl FailureItem {
    fn compile(self, compiler: &mut Compiler<'_>) -> Failure {
        if let Err(error) = regex::Regex::new(self.line.get_ref()) {
            let problem = error.to_string().replace('\n', " ");
            compiler.fail(self.line.span().start, problem);
        }
        Failure {
            line: self.line.into_inner(),
            any_status: self.any_status,
            hints: self.hints,
            hint: self.hint,
            pending_reboot: self.pending_reboot,
        }
    }
}

impl CheckItem {
    fn compile(
        self,
        questions: &BTreeMap<String, Question>,
        compiler: &mut Compiler<'_>,
    ) -> DeclaredCheck {
        let question = self.query.get_ref().clone();
        let asked = questions.get(&question);
        if asked.is_none() {
            let known: Vec<&str> = questions.keys().map(String::as_str).collect();
            compiler.fail(
                self.query.span().start,
                format!(
                    "there is no query `{question}`; the file has `{}`",
                    known.join("`, `")
                ),
            );
        }
        let each = asked.is_some_and(|it| it.each.is_some());
        let mut before = roots(&[HOST, if each { EACH } else { &[] }]);
        let each = self.each.map(|it| compiler.expression(&it, &before));
        if each.is_some() {
            before.extend(ITEM);
        }
        let mut after = before.clone();
        after.extend(ANSWER);
        let shared = asked.map(|it| &it.names);
        after.extend(shared.into_iter().flat_map(Names::words));
        let names = Names::compile(&self.values, &self.list, &after, compiler);
        let all: Vec<&str> = after.iter().copied().chain(names.words()).collect();
        DeclaredCheck {
            name: compiler.text(&self.name, &before),
            question,
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

fn roots<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}
