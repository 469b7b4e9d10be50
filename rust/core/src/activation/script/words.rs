//! Values as words of a script.

use crate::plan::UnitAction;
use crate::rendered::Ownership;

pub(super) fn words(ownership: &Ownership) -> [String; 3] {
    [
        ownership.mode.to_string(),
        ownership.owner.to_string(),
        ownership.group.to_string(),
    ]
}

/// What `host.sh` calls it.
pub(super) fn unit_verb(action: UnitAction) -> &'static str {
    match action {
        UnitAction::Enable => "enable_unit",
        UnitAction::Disable => "disable_unit",
        UnitAction::Stop => "stop_unit",
        UnitAction::Start => "start_unit",
        UnitAction::Restart => "restart_unit",
        UnitAction::Reload => "reload_unit",
        UnitAction::Original => "start_unit_as_original",
    }
}

/// `text` in one line.
pub(in crate::activation) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
