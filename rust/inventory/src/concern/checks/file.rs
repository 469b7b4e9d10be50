//! `checks.toml` as it is written, and its way to what it means; also what the hosts at the other ends of links ask of
//! a concern.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::check::{CheckItem, Known};
use super::declared_query::DeclaredQuery;
use super::query::QueryItem;
use super::{ChecksFile, HOST, JudgeForm, Setting};
use crate::concern::expression::{Compiler, Expression};
use crate::concern::names::{Lists, Names, Values, is_name};
use crate::name::SysctlKey;

/// A text and its place in the file.
pub(super) type Phrase = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Names for values that follow from facts.
    #[serde(default, rename = "let")]
    values: Values,
    #[serde(default)]
    list: Lists,
    #[serde(default)]
    query: BTreeMap<String, Spanned<QueryItem>>,
    #[serde(default)]
    check: Vec<Spanned<CheckItem>>,
    #[serde(default)]
    sysctl: BTreeMap<Spanned<String>, SettingItem>,
    modules: Option<Phrase>,
    over_links: Option<Spanned<OverLinksItem>>,
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
    /// With every expression compiled; what is wrong is noted in `compiler`. `files` are those of the folder.
    pub(super) fn compile(
        self,
        files: &BTreeMap<String, String>,
        judges: Option<&[JudgeForm]>,
        compiler: &mut Compiler,
    ) -> ChecksFile {
        let names = Names::compile(&self.values, &self.list, HOST, compiler);
        let host: Vec<&str> = HOST.iter().copied().chain(names.words()).collect();
        let queries: BTreeMap<String, Arc<DeclaredQuery>> = self
            .query
            .into_iter()
            .map(|(name, item)| {
                let at = item.span().start;
                if !is_name(&name.replace('-', "_")) {
                    compiler.fail(at, format!("`{name}` is no name of a query; expected lower-case letters, digits and `-`"));
                }
                let query = item.into_inner().compile(at, &host, files, compiler);
                (name, Arc::new(query))
            })
            .collect();
        let (mut checks, mut unread) = (Vec::new(), queries.keys().collect::<BTreeSet<_>>());
        let known = Known {
            queries: &queries,
            host: &host,
            judges,
        };
        for item in self.check {
            let at = item.span().start;
            let check = item.into_inner().compile(at, &known, compiler);
            unread.remove(&check.query);
            checks.push(check);
        }
        for name in unread {
            compiler.fail(0, format!("no check reads the query `{name}`"));
        }
        let mut sysctl = BTreeMap::new();
        for (key, item) in self.sysctl {
            let at = key.span().start;
            match SysctlKey::new(key.get_ref()) {
                Ok(key) => {
                    sysctl.insert(key, item.compile(&host, compiler));
                }
                Err(error) => compiler.fail(at, error.to_string()),
            }
        }
        let modules = self.modules.map(|it| compiler.expression(&it, &host));
        let over_links = self.over_links.map(|item| {
            let at = item.span().start;
            item.into_inner().compile(at, &host, compiler)
        });
        ChecksFile {
            names,
            queries,
            checks,
            sysctl,
            modules,
            over_links,
        }
    }
}

impl SettingItem {
    fn compile(self, host: &[&str], compiler: &mut Compiler) -> Setting {
        Setting {
            when: self.when.map(|it| compiler.expression(&it, host)),
            value: compiler.expression(&self.value, host),
            gate: self.gate,
        }
    }
}

/// A server that the hosts at the other ends of links ask, by HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverLinks {
    /// Where it listens; none: it is not asked. On all addresses it is asked at the link's.
    pub address: Expression,
    /// Its port.
    pub port: Expression,
    /// The path that gives status 200; left out: it is not asked for one.
    pub health: Option<String>,
    /// Whether it lists models, as `OpenAI`'s does.
    pub models: bool,
    /// The model that answers one token, and that it lists; left out or none: it lists any.
    pub model: Option<Expression>,
    /// What its list calls that model, where that is not `model`; none: the list is of any.
    pub listed: Option<Expression>,
    /// The name of the secret that it is shown as bearer; left out or none: it is shown none.
    pub credential: Option<Expression>,
    /// How long the first answer may take, in seconds, where that is more than usual.
    pub first_answer_seconds: Option<Expression>,
}

/// That server as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OverLinksItem {
    address: Phrase,
    port: Phrase,
    health: Option<Phrase>,
    #[serde(default)]
    models: bool,
    model: Option<Phrase>,
    listed: Option<Phrase>,
    credential: Option<Phrase>,
    first_answer_seconds: Option<Phrase>,
}

impl OverLinksItem {
    /// With every expression compiled; `at` is its place in the file.
    pub(super) fn compile(self, at: usize, roots: &[&str], compiler: &mut Compiler) -> OverLinks {
        if self.health.is_none() && !self.models {
            compiler.fail(at, "asks for nothing; expected `health` or `models`");
        }
        for (key, given) in [
            ("model", &self.model),
            ("listed", &self.listed),
            ("first_answer_seconds", &self.first_answer_seconds),
        ] {
            if let Some(given) = given.as_ref().filter(|_| !self.models) {
                let problem = format!("`{key}` is for a server with `models = true`");
                compiler.fail(given.span().start, problem);
            }
        }
        if let Some(path) = self.health.as_ref().filter(|it| !is_path(it.get_ref())) {
            let problem = format!(
                "`health` is `{}`; expected a path such as `/health`, of letters, digits and `/._-`",
                path.get_ref()
            );
            compiler.fail(path.span().start, problem);
        }
        let mut expression = |it: &Phrase| compiler.expression(it, roots);
        OverLinks {
            address: expression(&self.address),
            port: expression(&self.port),
            model: self.model.as_ref().map(&mut expression),
            listed: self.listed.as_ref().map(&mut expression),
            credential: self.credential.as_ref().map(&mut expression),
            first_answer_seconds: self.first_answer_seconds.as_ref().map(&mut expression),
            health: self.health.map(toml::Spanned::into_inner),
            models: self.models,
        }
    }
}

/// Whether a text is a path as an URL has it, without anything to escape.
fn is_path(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    text.starts_with('/') && text.chars().all(allowed)
}
