//! Facts and modules in, files out: `(Facts, TemplateSet) → Rendered`, for hosts of the Ubuntu platform. A host whose system Nix
//! builds gets the artifacts alone. The same facts and the same modules give the same bytes.
//!
//! ```text
//! modules/<concern>/ubuntu/module.toml ─ template_set ─┐
//!                       …/etc/…  (templates) ──────────┤
//! inventory ─ facts ───────────────────────────────────┴─ scope ─ expand ─ draft → Rendered
//! ```

mod artifact;
mod draft;
mod environment;
mod error;
mod expand;
mod facts;
mod module_file;
mod place;
mod quotes;
mod scope;
mod syntax;
mod template_set;
mod why;

pub use environment::mount_unit;
pub use error::{Fault, RenderError, RenderErrors};
pub use facts::Facts;
pub use place::is_permitted;
pub use syntax::{Syntax, Unwritable};
pub use template_set::TemplateSet;
pub use why::{FactSource, Why, why};

use crate::inventory::Platform;
use crate::name::{ConcernName, HostName};
use crate::rendered::Rendered;

/// What rendering a host gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rendering {
    /// Files, packages and units.
    Files(Box<Rendered>),
    /// Hosts of this platform are given a closure that Nix builds.
    NeedsClosure {
        /// The host's platform.
        platform: Platform,
        /// What they are given beside it: artifacts, and their links.
        beside: Box<Rendered>,
    },
}

/// Renders everything that `host` should hold. All that is wrong is reported at once.
pub fn render(
    facts: &Facts,
    host: &HostName,
    set: &TemplateSet,
) -> Result<Rendering, RenderErrors> {
    render_only(facts, host, set, |_| true)
}

/// Renders what those concerns put on `host` that are `wanted`.
pub fn render_only(
    facts: &Facts,
    host: &HostName,
    set: &TemplateSet,
    wanted: impl Fn(&ConcernName) -> bool,
) -> Result<Rendering, RenderErrors> {
    let platform = facts.platform(host);
    if platform.is_none() {
        let error = RenderError {
            file: "hosts".to_owned(),
            line: 1,
            host: Some(host.clone()),
            fault: Fault::NoHost.into(),
            hint: Some(format!(
                "declared hosts: `{}`",
                facts.host_names().collect::<Vec<_>>().join("`, `")
            )),
        };
        RenderErrors::check(vec![error], RenderError::place)?;
    }
    let closure = platform.filter(|platform| platform.runs_closure());
    let mut draft = draft::Draft::new(host.clone());
    for (concern, module) in set.modules.iter().filter(|(name, _)| wanted(name)) {
        let scope = scope::Scope::new(set, (concern, module), facts, host);
        let applies = match &module.file.applies {
            None => Ok(facts.declares(host, concern.as_str())),
            Some(expression) => scope.holds(expression),
        };
        match applies {
            Ok(true) if closure.is_some() => expand::artifacts(&scope, module, &mut draft),
            Ok(true) => expand::expand(&scope, module, &mut draft),
            Ok(false) => {}
            Err(error) => draft.errors.push(error),
        }
    }
    let (rendered, errors) = draft.finish();
    RenderErrors::check(errors, RenderError::place)?;
    let rendered = Box::new(rendered);
    Ok(match closure {
        None => Rendering::Files(rendered),
        Some(platform) => Rendering::NeedsClosure {
            platform,
            beside: rendered,
        },
    })
}
