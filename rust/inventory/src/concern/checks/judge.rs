//! Judges by name: programs that judge an answer, for what is none of a query and an expectation.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::file::Phrase;
use crate::concern::expression::{Compiler, Expression};
use crate::inventory::suggest;

/// What a check can say to one judge. The judges themselves are in the crate of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JudgeForm {
    /// Its name.
    pub name: &'static str,
    /// Its options; `?` ends one that may be left out.
    pub options: &'static [&'static str],
    /// What it judges, for the documentation.
    pub meaning: &'static str,
}

/// The judge of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedJudge {
    /// Its name.
    pub name: String,
    /// Its options.
    pub options: BTreeMap<String, Expression>,
    /// Where the check names it: `modules/web/checks.toml:3`.
    pub place: String,
}

impl NamedJudge {
    /// With its options compiled, which can read `roots`. Without `known` judges, any name will do.
    pub(super) fn compile(
        name: Phrase,
        options: &BTreeMap<Spanned<String>, Phrase>,
        roots: &[&str],
        known: Option<&[JudgeForm]>,
        compiler: &mut Compiler,
    ) -> Self {
        if let Some(known) = known {
            if let Some(form) = known.iter().find(|it| it.name == name.get_ref()) {
                form.check(&name, options, compiler);
            } else {
                let names = known.iter().map(|it| it.name);
                let hint = suggest::hint(name.get_ref(), "judges", names);
                let problem = format!("there is no judge `{}`", name.get_ref());
                compiler.fail_with_hint(name.span().start, problem, hint);
            }
        }
        let place = compiler.place(name.span().start);
        let options = options.iter();
        Self {
            options: options
                .map(|(key, value)| (key.get_ref().clone(), compiler.expression(value, roots)))
                .collect(),
            name: name.into_inner(),
            place,
        }
    }
}

impl JudgeForm {
    /// Notes the options that it does not have, and those that are missing.
    fn check(
        self,
        name: &Phrase,
        options: &BTreeMap<Spanned<String>, Phrase>,
        compiler: &mut Compiler,
    ) {
        let bare = |option: &&'static str| option.trim_end_matches('?');
        let names: BTreeSet<&str> = self.options.iter().map(bare).collect();
        for option in options.keys() {
            let word = option.get_ref().as_str();
            if !names.contains(word) {
                let problem = format!("the judge `{}` has no option `{word}`", self.name);
                let hint = suggest::hint(word, "its options", names.iter().copied());
                compiler.fail_with_hint(option.span().start, problem, hint);
            }
        }
        for option in self.options.iter().filter(|it| !it.ends_with('?')) {
            if !options.keys().any(|it| it.get_ref() == option) {
                let problem = format!("the judge `{}` takes the option `{option}`", self.name);
                compiler.fail(name.span().start, problem);
            }
        }
    }
}
