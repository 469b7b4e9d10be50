//! A query of `checks.toml` as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::declared_query::{DeclaredQuery, Failure, Field, FieldKind, Reader};
use super::file::Phrase;
use super::{ANSWER, EACH};
use crate::concern::expression::Compiler;
use crate::concern::names::{Lists, Names, Values, is_name};
use crate::inventory::Platform;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryItem {
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
    also_on_success: bool,
    #[serde(default)]
    hints: Vec<(String, String)>,
    hint: Option<String>,
    #[serde(default)]
    pending_reboot: Vec<(String, String)>,
}

impl QueryItem {
    /// With every expression compiled; `at` is its place in the file, and `host` what it can read.
    pub(super) fn compile(
        self,
        at: usize,
        host: &[&str],
        compiler: &mut Compiler<'_>,
    ) -> DeclaredQuery {
        let each = self.each.as_ref();
        let each = each.map(|it| compiler.expression(it, host));
        let roots = [host, if each.is_some() { EACH } else { &[] }].concat();
        let deadline_seconds = self.deadline_seconds.filter(|it| *it <= 300);
        let deadline_seconds = deadline_seconds.unwrap_or_else(|| {
            let problem = "expected `deadline_seconds`, 0 to 300: how long the command may take";
            compiler.fail(at, problem);
            0
        });
        let commands = self.commands();
        if commands.is_empty() {
            compiler.fail(
                at,
                "has no command; expected `command`, `linux`, `ubuntu`, `nixos` or `darwin`",
            );
        }
        let reader = self.reader(compiler);
        let all = [&roots[..], ANSWER].concat();
        let names = Names::compile(&self.values, &self.list, &all, compiler);
        let mut variables = BTreeMap::new();
        for (name, value) in self.variables {
            if !is_name(name.get_ref()) || name.get_ref().starts_with("shipped") {
                compiler.fail(name.span().start, format!("`{}` is no name of a variable; expected lower-case letters, digits and `_`", name.get_ref()));
            }
            if !commands
                .values()
                .any(|it| DeclaredQuery::reads(it, name.get_ref()))
            {
                let problem = format!("no command reads the variable `{}`", name.get_ref());
                compiler.fail(name.span().start, problem);
            }
            let value = compiler.expression(&value, &roots);
            variables.insert(name.into_inner(), value);
        }
        DeclaredQuery {
            commands,
            deadline_seconds,
            cap_kib: self.cap_kib.unwrap_or(64),
            each,
            variables,
            arguments: self.arguments.map(|it| compiler.expression(&it, &roots)),
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
            also_on_success: self.also_on_success,
            hints: self.hints,
            hint: self.hint,
            pending_reboot: self.pending_reboot,
        }
    }
}
