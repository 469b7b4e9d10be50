//! A query of `checks.toml` as it is written: a command, or a request by HTTP.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::declared_query::{Deadline, DeclaredQuery, Failure, Field, FieldKind, Reader, Ships};
use super::file::Phrase;
use super::{ANSWER, EACH};
use crate::concern::expression::{Compiler, Expression};
use crate::concern::names::{Lists, Names, Values, is_name};
use crate::inventory::{Platform, suggest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryItem {
    /// In place of a command.
    request: Option<RequestItem>,
    /// For every platform of the concern that has no other.
    command: Option<String>,
    linux: Option<String>,
    ubuntu: Option<String>,
    nixos: Option<String>,
    darwin: Option<String>,
    deadline_seconds: Option<Spanned<DeadlineItem>>,
    cap_kib: Option<u16>,
    each: Option<Phrase>,
    #[serde(default)]
    variables: BTreeMap<Spanned<String>, Phrase>,
    arguments: Option<Phrase>,
    script: Option<Phrase>,
    ships: Option<Spanned<ShipsItem>>,
    read: Option<Phrase>,
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
#[serde(untagged)]
enum DeadlineItem {
    Seconds(u16),
    Expression(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShipsItem {
    #[serde(default)]
    hostprobe: bool,
    artifact: Option<Phrase>,
    build: Option<Phrase>,
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
    /// With every expression compiled; `at` is its place in the file, `host` what it can read, and `files` are those of
    /// the folder.
    pub(super) fn compile(
        self,
        at: usize,
        host: &[&str],
        files: &BTreeMap<String, String>,
        compiler: &mut Compiler,
    ) -> DeclaredQuery {
        let each = self.each.as_ref();
        let each = each.map(|it| compiler.expression(it, host));
        let roots = [host, if each.is_some() { EACH } else { &[] }].concat();
        let commands = self.commands();
        if self.request.is_some() {
            if !commands.is_empty() || self.read.is_some() || self.deadline_seconds.is_some() {
                let problem =
                    "a `request` needs no command, and takes neither `read` nor `deadline_seconds`";
                compiler.fail(at, problem);
            }
        } else if commands.is_empty() {
            compiler.fail(
                at,
                "has no command; expected `command`, `linux`, `ubuntu`, `nixos`, `darwin` or `request`",
            );
        }
        let all = [&roots[..], ANSWER].concat();
        let set = self.set();
        let query = DeclaredQuery {
            deadline: self.deadline(at, &roots, compiler),
            cap_kib: self.cap_kib.unwrap_or(64),
            each,
            variables: self.variables(&roots, compiler),
            arguments: self
                .arguments
                .as_ref()
                .map(|it| compiler.expression(it, &roots)),
            script: self.script(files, compiler),
            ships: self.ships(&roots, compiler),
            reader: self.reader(at, compiler),
            asks_boot: self.asks_boot,
            any_status: self.any_status,
            names: Names::compile(&self.values, &self.list, &all, compiler),
            where_missing: self.where_missing,
            failure: self.failure.map(|it| it.compile(compiler)),
            commands,
            request: self.request.map(|it| it.compile(&roots, compiler)),
        };
        for (name, at) in set {
            let mut commands = query.commands.values();
            if !commands.any(|it| query.reads(it, &name)) {
                compiler.fail(at, format!("no command reads the variable `{name}`"));
            }
        }
        query
    }

    /// The variables that it sets, with their places in the file.
    fn set(&self) -> Vec<(String, usize)> {
        let named = self.variables.keys();
        let mut all: Vec<(String, usize)> = named
            .map(|name| (name.get_ref().clone(), name.span().start))
            .collect();
        let script = self.script.as_ref().map(Spanned::span);
        all.extend(script.map(|span| ("script".to_owned(), span.start)));
        let ships = self.ships.as_ref().map(Spanned::span);
        all.extend(ships.map(|span| ("shipped".to_owned(), span.start)));
        all
    }

    fn deadline(&self, at: usize, roots: &[&str], compiler: &mut Compiler) -> Deadline {
        let item = self.deadline_seconds.as_ref();
        if self.request.is_some() {
            return Deadline::Seconds(0);
        }
        match item.map(|it| (it.get_ref(), it.span())) {
            Some((DeadlineItem::Seconds(seconds @ 0..=300), _)) => Deadline::Seconds(*seconds),
            Some((DeadlineItem::Expression(text), span)) => {
                let text = Spanned::new(span, text.clone());
                Deadline::Expression(compiler.expression(&text, roots))
            }
            Some((DeadlineItem::Seconds(_), _)) | None => {
                let problem =
                    "expected `deadline_seconds`, 0 to 300: how long the command may take";
                compiler.fail(at, problem);
                Deadline::Seconds(0)
            }
        }
    }

    fn variables(&self, roots: &[&str], compiler: &mut Compiler) -> BTreeMap<String, Expression> {
        let mut variables = BTreeMap::new();
        for (name, value) in &self.variables {
            let (at, word) = (name.span().start, name.get_ref());
            if !is_name(word) || word.starts_with("shipped") {
                compiler.fail(at, format!("`{word}` is no name of a variable; expected lower-case letters, digits and `_`"));
            }
            if word == "script" && self.script.is_some() {
                compiler.fail(at, "`script` is the variable that holds the file's text");
            }
            variables.insert(word.clone(), compiler.expression(value, roots));
        }
        variables
    }

    /// The text of the file that `script` names.
    fn script(&self, files: &BTreeMap<String, String>, compiler: &mut Compiler) -> Option<String> {
        let path = self.script.as_ref()?;
        let at = path.span().start;
        let found = files.get(path.get_ref());
        if found.is_none() {
            let problem = format!("the folder has no file `{}`", path.get_ref());
            let known = files.keys().map(String::as_str);
            let hint = suggest::hint(path.get_ref(), "its files", known);
            compiler.fail_with_hint(at, problem, hint);
        }
        found.cloned()
    }

    fn ships(&self, roots: &[&str], compiler: &mut Compiler) -> Option<Ships> {
        let item = self.ships.as_ref()?;
        let at = item.span().start;
        let item = item.get_ref();
        match (&item.artifact, item.hostprobe) {
            (None, true) if item.build.is_none() => Some(Ships::Hostprobe),
            (Some(artifact), false) => Some(Ships::Artifact {
                artifact: compiler.expression(artifact, roots),
                build: item.build.as_ref().map(|it| compiler.expression(it, roots)),
            }),
            _ => {
                let problem =
                    "expected `{ hostprobe = true }`, or `artifact` with or without `build`";
                compiler.fail(at, problem);
                None
            }
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

    /// `None` without `read`: then only named judges read the answer.
    fn reader(&self, at: usize, compiler: &mut Compiler) -> Option<Reader> {
        if self.request.is_some() {
            return Some(Reader::Http);
        }
        let at = self.read.as_ref().map_or(at, |it| it.span().start);
        let word = self.read.as_ref().map_or("", |it| it.get_ref().as_str());
        let mut only = |given: bool, key: &str, readers: &[&str]| {
            if given && !readers.contains(&word) {
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
        let reader = match word {
            "" if self.read.is_none() => return None,
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
            "json-lines" => Reader::JsonLines,
            "prometheus" => Reader::Prometheus,
            other => {
                compiler.fail(at, format!("`{other}` is no reader; expected `text`, `lines`, `pairs`, `columns`, `json`, `json-lines` or `prometheus`"));
                Reader::Text
            }
        };
        Some(reader)
    }

    fn fields(&self, compiler: &mut Compiler) -> BTreeMap<String, Field> {
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
    fn compile(self, compiler: &mut Compiler) -> Failure {
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

/// A request that the host makes by curl, without root's own settings and past every proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where to.
    pub url: Expression,
    /// How long it may take, in seconds.
    pub seconds: Expression,
    /// The Unix socket that it goes over; left out or none: by TCP.
    pub socket: Option<Expression>,
    /// The file on the host whose first line it shows as bearer; left out or none: it shows none.
    pub key_file: Option<Expression>,
    /// Whether it is made where that file has no key, too.
    pub asks_without_key: bool,
    /// What it posts, as JSON; left out or none: it gets.
    pub post: Option<Expression>,
    /// Whether the body of the answer is left out, which may be long.
    pub only_status: bool,
}

/// A request as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestItem {
    url: Phrase,
    seconds: Phrase,
    socket: Option<Phrase>,
    key_file: Option<Phrase>,
    #[serde(default)]
    asks_without_key: bool,
    post: Option<Phrase>,
    #[serde(default)]
    only_status: bool,
}

impl RequestItem {
    pub(super) fn compile(self, roots: &[&str], compiler: &mut Compiler) -> Request {
        let mut expression = |it: &Phrase| compiler.expression(it, roots);
        Request {
            url: expression(&self.url),
            seconds: expression(&self.seconds),
            socket: self.socket.as_ref().map(&mut expression),
            key_file: self.key_file.as_ref().map(&mut expression),
            asks_without_key: self.asks_without_key,
            post: self.post.as_ref().map(&mut expression),
            only_status: self.only_status,
        }
    }
}
