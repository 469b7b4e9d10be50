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

pub(super) fn action_word(action: UnitAction) -> &'static str {
    match action {
        UnitAction::Enable => "enable",
        UnitAction::Disable => "disable",
        UnitAction::Stop => "stop",
        UnitAction::Start => "start",
        UnitAction::Restart => "restart",
        UnitAction::Reload => "reload",
        UnitAction::Original => "original",
    }
}

/// `text` in one line.
pub(in crate::activation) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
