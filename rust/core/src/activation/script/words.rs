//! Values as words of a script.

use crate::name::SysctlKey;
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

/// Where a key lies below /proc/sys. Dots and slashes change places, unless the first separator is
/// a slash already (sysctl.d(5)).
pub(super) fn below_proc_sys(key: &SysctlKey) -> String {
    let key = key.as_str();
    if key
        .find(['.', '/'])
        .is_some_and(|at| key[at..].starts_with('/'))
    {
        return key.to_owned();
    }
    key.chars()
        .map(|c| match c {
            '.' => '/',
            '/' => '.',
            c => c,
        })
        .collect()
}
