//! What the hosts at the other ends of links ask of a concern.

use serde::Deserialize;

use super::file::Phrase;
use crate::concern::expression::{Compiler, Expression};

/// A server that they ask, by HTTP.
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

/// It as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OverLinksItem {
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
