//! What is as declared on the host, and not as the committed generation says.

use super::{LiveChange, Plan, drift};
use crate::observed::Observed;
use crate::rendered::Rendered;

/// The change of the record alone: there is nothing else to change, and what was changed on the host is
/// what is declared now. Without it, it would be told as changed for ever.
pub(super) fn change(rendered: &Rendered, observed: &Observed, plan: &Plan) -> Option<LiveChange> {
    if !plan.is_empty() || plan.drift.is_empty() {
        return None;
    }
    let committed = Observed {
        manifest: Some(rendered.manifest()),
        ..observed.clone()
    };
    drift::drift(&committed).is_empty().then(|| LiveChange {
        subject: format!("the record of generation {}", plan.base_generation),
        found: "says otherwise than the facts and the host, which agree".to_owned(),
        lines: Vec::new(),
        follow_up: None,
    })
}
