//! Judges by name: programs that judge an answer, for checks of a folder that are none of a query and an expectation.
//! docs/own-checks.md lists them; a test compares. Here is also why systemd did not start a program with the rights of a
//! unit, for the judges of such programs.

mod inference_latency;
mod probe;
mod program;
mod tensor;
mod token_latency;

use deployctl_core::concern::{JudgeForm, NamedJudge, NoValue, Scope};
use minijinja::Value;
use serde::de::DeserializeOwned;

use crate::answer::{Answer, Found, Unreadable};
use crate::definition::Judge;

/// A judge.
struct Registered {
    form: JudgeForm,
    /// The judge with its options, or what is wrong with these.
    with: fn(Value) -> Result<Judge, String>,
}

const REGISTERED: &[Registered] = &[
    Registered {
        form: JudgeForm {
            name: "inference-latency",
            options: &["user", "group", "p99_ms", "prompt_tokens", "slow_hint?"],
            meaning: "requests of another user to an inference server, by hostprobe",
        },
        with: |options| with(options, inference_latency::judge),
    },
    Registered {
        form: JudgeForm {
            name: "probe",
            options: &["item", "max?"],
            meaning: "what hostprobe did with the rights of a unit; the answer begins with `unit=absent`, `running` or `idle`",
        },
        with: |options| with(options, probe::judge),
    },
    Registered {
        form: JudgeForm {
            name: "program",
            options: &["seconds", "shipped?", "version?"],
            meaning: "a program that was run with the rights of a unit, and said its version; the answer begins as that of `probe`",
        },
        with: |options| with(options, program::judge),
    },
    Registered {
        form: JudgeForm {
            name: "tensor",
            options: &["size", "max_error", "capability?", "memory_hint?"],
            meaning: "a product of matrices that PyTorch computed on the GPU and on the CPU",
        },
        with: |options| with(options, tensor::judge),
    },
    Registered {
        form: JudgeForm {
            name: "token-latency",
            options: &[
                "first_token_ms",
                "between_tokens_ms",
                "prompt_tokens",
                "output_tokens",
            ],
            meaning: "how soon an inference server streams its tokens, by hostprobe",
        },
        with: |options| with(options, token_latency::judge),
    },
];

/// The judges that checks may name.
pub fn judges() -> Vec<JudgeForm> {
    REGISTERED.iter().map(|it| it.form).collect()
}

/// The judge that a check names, with what its options say of one host.
pub(crate) fn of(named: &NamedJudge, context: &Value) -> Result<Judge, NoValue> {
    let wrong = |problem: String| NoValue {
        place: named.place.clone(),
        problem,
    };
    let judge = REGISTERED.iter().find(|it| it.form.name == named.name);
    let judge = judge.ok_or_else(|| wrong(format!("there is no judge `{}`", named.name)))?;
    let mut options = Scope::new();
    for (name, value) in &named.options {
        options.insert(name.clone(), value.evaluate(context)?);
    }
    let judge = (judge.with)(Value::from(options));
    judge.map_err(|error| wrong(format!("the options of judge `{}`: {error}", named.name)))
}

fn with<T: DeserializeOwned + Send + Sync + 'static>(
    options: Value,
    judge: fn(&T, &Answer<'_>) -> Result<Found, Unreadable>,
) -> Result<Judge, String> {
    let options = T::deserialize(options).map_err(|error| error.to_string())?;
    Ok(Box::new(move |answer| judge(&options, answer)))
}

/// What it means that systemd did not start it, by the status that it then ends with; `None` for a status of the
/// program's own.
fn refused(status: i32) -> Option<Found> {
    let why = refusal(status)?;
    let hint = "the unit has the same rights, and could not be started either";
    Some(Found::when(false, why).or_hint(hint))
}

/// That systemd knows no such unit.
fn no_unit() -> Found {
    Found::when(false, "the unit is not there").or_hint(crate::MADE_BY_APPLY)
}

/// Why systemd did not start a unit with these rights, by the status that it then ends with
/// (`systemd.exec(5)`, "Process exit codes"); `None` for a status of the program's own.
fn refusal(status: i32) -> Option<&'static str> {
    Some(match status {
        203 => "status 203/EXEC: the program cannot be executed",
        204 | 205 => "status 205/LIMITS: the unit's limits cannot be set",
        216 => "status 216/GROUP: its group is not there",
        217 => "status 217/USER: its user is not there",
        218 => "status 218/CAPABILITIES: its capabilities cannot be had here",
        226 => {
            "status 226/NAMESPACE: a path that it names is not there, or mounts are not allowed here"
        }
        228 => "status 228/SECCOMP: its filter of system calls cannot be set",
        200..=243 => "systemd could not start the unit",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use deployctl_core::concern::{Concerns, Folders};

    use super::*;

    #[test]
    fn the_concerns_of_the_program_name_judges_that_there_are() {
        let read = Concerns::read(Folders::built_in(), &judges());
        assert!(read.is_ok(), "{read:?}");
    }

    #[test]
    fn a_judge_takes_the_options_that_its_form_lists() {
        for judge in REGISTERED {
            let wrong = Value::from_pairs([("no_option_of_any", 1)]);
            let error = (judge.with)(wrong).err().unwrap_or_default();
            let (_, expected) = error.split_once("expected").unwrap_or_default();
            let taken: BTreeSet<&str> = expected.split('`').skip(1).step_by(2).collect();
            let options = judge.form.options.iter();
            let listed: BTreeSet<&str> = options.map(|it| it.trim_end_matches('?')).collect();
            assert_eq!(taken, listed, "{}", judge.form.name);
        }
    }

    #[test]
    fn every_judge_is_documented() {
        let page = include_str!("../../../../docs/own-checks.md");
        for JudgeForm {
            name,
            options,
            meaning,
        } in judges()
        {
            let options: Vec<String> = options.iter().map(|it| format!("`{it}`")).collect();
            let row = format!("| `{name}` | {} | {meaning} |", options.join(", "));
            assert!(page.contains(&row), "docs/own-checks.md has no row {row}");
        }
        let (_, table) = page.split_once("| judge | options | judges |\n").unwrap();
        let rows = table
            .lines()
            .skip(1)
            .take_while(|line| line.starts_with('|'));
        assert_eq!(rows.count(), REGISTERED.len());
    }
}
