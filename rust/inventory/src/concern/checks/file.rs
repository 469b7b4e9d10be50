//! `checks.toml` as it is written, and its way to what it means.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::check::{CheckItem, Known};
use super::declared_query::DeclaredQuery;
use super::over_links::OverLinksItem;
use super::query::QueryItem;
use super::{ChecksFile, HOST, JudgeForm, Setting};
use crate::concern::expression::Compiler;
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
