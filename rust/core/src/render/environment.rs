//! The template language as modules use it: strict, and escaping by target syntax.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::ValueKind;
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value,
};

use super::syntax::{Syntax, Unwritable};
use crate::concern::{number_text, product};

/// What one template may take, in instructions, or in 64 bytes each of what it writes.
const FUEL: u64 = 1_000_000;

/// An environment in which the template `name` is written in `syntaxes[name]`, and every other one
/// in plain syntax.
pub(super) fn environment(syntaxes: Arc<BTreeMap<String, Syntax>>) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    let syntax = env
        .syntax()
        .to_builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    env.set_syntax(syntax.expect("the default delimiters are valid"));
    // Ranges in errors: they name the failing expression.
    env.set_debug(true);
    env.set_auto_escape_callback(move |name| {
        let syntax = syntaxes.get(name).copied().unwrap_or(Syntax::Plain);
        AutoEscape::Custom(syntax.name().into())
    });
    env.set_formatter(write_value);
    // Nothing may switch escaping off; `line` is the only other way to write a value.
    env.remove_filter("safe");
    product::guard(&mut env);
    env.add_filter("line", line);
    env.add_filter("cpu_list", |cpus: Vec<u32>| cpu_list(cpus));
    env.add_filter("other_cpus", |cpus: Vec<u32>, threads| {
        other_cpus(&cpus, threads)
    });
    env.add_filter("mount_unit", mount_unit);
    env.add_filter("device", device);
    env.add_filter("ipv4", |networks: Vec<String>| family(networks, false));
    env.add_filter("ipv6", |networks: Vec<String>| family(networks, true));
    env.add_filter("weekdays", weekdays);
    env
}

fn syntax_of(state: &State) -> Result<Syntax, Error> {
    match state.auto_escape() {
        AutoEscape::Custom(name) => Syntax::from_name(name),
        _ => None,
    }
    .ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidOperation,
            "escaping cannot be switched off",
        )
    })
}

fn refused(text: &str, why: &Unwritable, syntax: Syntax) -> Error {
    let message = format!(
        "`{}` cannot be written in {} syntax: {why}",
        text.escape_debug(),
        syntax.name()
    );
    Error::new(ErrorKind::BadEscape, message)
}

/// What `{{ value }}` writes.
fn write_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let syntax = syntax_of(state)?;
    let text = match value.kind() {
        ValueKind::Undefined => {
            let message = "an `if` without `else` has no value here; put the text into a block";
            return Err(Error::new(ErrorKind::BadEscape, message));
        }
        // Written as most readers want it; minijinja's own is Python's `True`.
        ValueKind::Bool => if value.is_true() { "true" } else { "false" }.to_owned(),
        ValueKind::Number => number_text(value),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            if value.is_safe() {
                text.to_owned()
            } else {
                syntax
                    .word(text)
                    .map_err(|why| refused(text, &why, syntax))?
            }
        }
        ValueKind::None => {
            let message = "null cannot be written; test for it with `is none`";
            return Err(Error::new(ErrorKind::BadEscape, message));
        }
        kind => {
            let message = format!("a {kind} cannot be written; loop over it");
            return Err(Error::new(ErrorKind::BadEscape, message));
        }
    };
    out.write_str(&text).map_err(Error::from)
}

/// `{{ value | line }}`: free text to the end of the line, where the syntax has such a thing.
fn line(state: &State, value: &str) -> Result<Value, Error> {
    let syntax = syntax_of(state)?;
    let text = syntax
        .line(value)
        .map_err(|why| refused(value, &why, syntax))?;
    Ok(Value::from_safe_string(text))
}

/// `[4,5,6,7,12] | cpu_list` is `4-7,12`, the kernel's notation, which every reader of
/// CPU lists takes.
fn cpu_list(cpus: Vec<u32>) -> String {
    if cpus.is_empty() {
        return String::new();
    }
    crate::cpus::show(&cpus.into_iter().collect())
}

/// `isolated | other_cpus(threads)`: every CPU below `threads` that is not in the list.
fn other_cpus(cpus: &[u32], threads: u32) -> Result<Vec<u32>, Error> {
    let others: Vec<u32> = (0..threads).filter(|cpu| !cpus.contains(cpu)).collect();
    if others.is_empty() {
        let message = format!("none of the {threads} CPUs is left over");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(others)
}

/// The name systemd requires of the unit that mounts `path` (`systemd-escape --path`).
///
/// # Errors
/// The path is not absolute, or systemd would escape a character of it.
pub fn mount_unit(path: &str) -> Result<String, Error> {
    let inner = path.trim_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.:/".contains(c);
    let normal = inner
        .split('/')
        .all(|part| !part.is_empty() && !part.starts_with('.'));
    if !path.starts_with('/') || !normal || !inner.chars().all(plain) {
        let message = format!(
            "`{}` cannot be a mount point: expected an absolute path of letters, digits, `_`, `.` and `:`",
            path.escape_debug()
        );
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(format!("{}.mount", inner.replace('/', "-")))
}

/// The device node of a mount's source: unit files know no `LABEL=` and the like.
fn device(source: &str) -> Result<String, Error> {
    let (folder, name) = match source.split_once('=') {
        None => return Ok(source.to_owned()),
        Some(("UUID", name)) => ("by-uuid", name),
        Some(("LABEL", name)) => ("by-label", name),
        Some(("PARTUUID", name)) => ("by-partuuid", name),
        Some(("PARTLABEL", name)) => ("by-partlabel", name),
        Some((kind, _)) => {
            let message = format!("`{}` is no kind of device name", kind.escape_debug());
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
    };
    // udev writes other characters as `\x2f`; they are refused rather than guessed.
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    {
        let message = format!("`{}` names no device", source.escape_debug());
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(format!("/dev/disk/{folder}/{name}"))
}

/// The networks of one address family.
fn family(networks: Vec<String>, six: bool) -> Vec<String> {
    networks
        .into_iter()
        .filter(|network| network.contains(':') == six)
        .collect()
}

/// `Mon-Wed,Fri` as numbers, 1 for Monday.
fn weekdays(days: &str) -> Result<Vec<usize>, Error> {
    const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let number = |name: &str| NAMES.iter().position(|n| *n == name).map(|index| index + 1);
    let mut numbers = Vec::new();
    for part in days.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match number(first).zip(number(last)) {
            Some((first, last)) if first <= last => numbers.extend(first..=last),
            _ => {
                let message = format!("`{}` is no range of week days", part.escape_debug());
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_listed_as_the_kernel_lists_them() {
        assert_eq!(cpu_list(vec![15, 4, 5, 6, 7, 12, 13, 14, 5]), "4-7,12-15");
        assert_eq!(cpu_list(vec![0]), "0");
        assert_eq!(cpu_list(vec![1, 3]), "1,3");
        assert_eq!(other_cpus(&[1, 2], 5).expect("some are left"), [0, 3, 4]);
        assert!(other_cpus(&[0, 1], 2).is_err());
    }

    #[test]
    fn mount_units_are_named_as_systemd_escape_names_them() {
        assert_eq!(
            mount_unit("/srv/models").expect("plain"),
            "srv-models.mount"
        );
        assert_eq!(
            mount_unit("/mnt/huge_1.0").expect("plain"),
            "mnt-huge_1.0.mount"
        );
        // systemd would escape these with backslashes.
        for path in [
            "/", "relative", "/a-b", "/a b", "/.hidden", "/a//b", "/a/../b",
        ] {
            assert!(mount_unit(path).is_err(), "{path}");
        }
    }

    #[test]
    fn devices_are_found_by_their_links() {
        assert_eq!(
            device("LABEL=models").expect("a label"),
            "/dev/disk/by-label/models"
        );
        assert_eq!(device("UUID=1-a").expect("a UUID"), "/dev/disk/by-uuid/1-a");
        assert_eq!(device("/dev/sda1").expect("a path"), "/dev/sda1");
        for source in ["LABEL=", "LABEL=a/b", "LABEL=a b", "KIND=x"] {
            assert!(device(source).is_err(), "{source}");
        }
    }

    #[test]
    fn week_days_are_numbers() {
        assert_eq!(weekdays("Mon-Wed,Fri").expect("days"), [1, 2, 3, 5]);
        assert_eq!(weekdays("Sun").expect("a day"), [7]);
        for days in ["", "Fri-Mon", "Monday", "Mon-"] {
            assert!(weekdays(days).is_err(), "{days}");
        }
    }

    #[test]
    fn numbers_and_booleans_are_written_alike_whatever_printed_them() {
        let env = environment(Arc::default());
        let text = "{{ whole }} {{ part }} {{ flag }} {{ -1 }}";
        let values = [
            ("whole", Value::from(1.0)),
            ("part", Value::from(0.9)),
            ("flag", true.into()),
        ];
        let written = env
            .render_str(text, Value::from_pairs(values))
            .expect("renders");
        assert_eq!(written, "1 0.9 true -1");
    }
}
