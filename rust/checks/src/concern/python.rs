//! Environments of Python: what they import, and what their `PyTorch` computes.

use std::collections::BTreeMap;
use std::time::Duration;

use deployctl_core::inventory::python::{Environment, Python};
use deployctl_core::query::{Query, quote};
use serde::Deserialize;

use crate::answer::{Answer, Found, Unreadable};
use crate::{Check, Declared};

mod tensor;

pub(super) const CONCERN: &str = "python";

pub(super) fn checks(facts: &Python, declared: &Declared<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, environment) in &facts.environments {
        checks.extend(imports(name.as_str(), environment, declared));
        if let Some(wanted) = &environment.tensor {
            checks.push(tensor::check(name.as_str(), environment, wanted, declared));
        }
    }
    checks
}

/// Runs `program` by the environment's own interpreter, never by one on the search path.
///
/// As its owner, since this may change what root would run; isolated from variables and folders of whoever
/// asks; and without leaving compiled files behind. Prints `{}` where there is no such interpreter.
fn run(
    environment: &Environment,
    program: &str,
    arguments: &[&str],
    declared: &Declared<'_>,
) -> String {
    let words: Vec<String> = arguments.iter().map(|word| quote(word)).collect();
    // Interpreters from uv are linked for other distributions, and the driver's libraries are in another directory.
    let libraries = if declared.is_nixos() {
        "NIX_LD=/run/current-system/sw/share/nix-ld/lib/ld.so\n\
         NIX_LD_LIBRARY_PATH=/run/current-system/sw/share/nix-ld/lib:/run/opengl-driver/lib\n\
         export NIX_LD NIX_LD_LIBRARY_PATH\n"
    } else {
        ""
    };
    format!(
        "{libraries}python={}\n\
         [ -x \"$python\" ] || {{ echo '{{}}'; exit 0; }}\n\
         set -- \"$python\" -I -B - {}\n\
         owner=$(stat -c %U \"$python\")\n\
         if [ \"$(id -u)\" -eq 0 ] && [ \"$owner\" != root ]; then set -- runuser -u \"$owner\" -- \"$@\"; fi\n\
         HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 \"$@\" <<'PROGRAM'\n{program}PROGRAM",
        quote(&format!("{}/bin/python", environment.path)),
        words.join(" "),
    )
}

/// That the interpreter is the environment's own, and one check for each module.
fn imports(name: &str, environment: &Environment, declared: &Declared<'_>) -> Vec<Check> {
    let path = environment.path.as_str();
    let modules: Vec<String> = environment
        .imports
        .keys()
        .map(ToString::to_string)
        .collect();
    let mut arguments = vec![path];
    arguments.extend(modules.iter().map(String::as_str));
    let command = run(
        environment,
        include_str!("python/imports.py"),
        &arguments,
        declared,
    );
    // vLLM alone takes half a minute where nothing of it is in memory yet.
    let query = Query::new(format!("python/{name}/imports"), command)
        .with_deadline(Duration::from_secs(120));
    let interpreter = Check::new(
        CONCERN,
        &format!("{name}/interpreter"),
        &query,
        format!("{path} is an environment of Python 3.10 or later"),
        |answer| {
            let Some(told) = parse(answer)? else {
                return Ok(absent());
            };
            let evidence = format!("Python {} in {}", told.python, told.prefix);
            Ok(Found::when(told.own && told.recent()?, evidence)
                .or_hint("its bin/python belongs to another environment, or is too old"))
        },
    )
    .reading_failures();
    let mut checks = vec![interpreter];
    for (module, version) in &environment.imports {
        let wanted = version.as_ref().map(ToString::to_string);
        let module = module.to_string();
        let expected = match &wanted {
            Some(version) => format!("imports {module} {version}"),
            None => format!("imports {module}"),
        };
        let (what, all) = (format!("{name}/import/{module}"), modules.clone());
        let check = Check::new(CONCERN, &what, &query, expected, move |answer| {
            let Some(told) = parse(answer)? else {
                return Ok(absent());
            };
            if !told.recent()? {
                return Ok(Found::when(false, format!("Python {}", told.python))
                    .or_hint("the question takes Python 3.10 or later"));
            }
            imported(&told, &module, wanted.as_deref(), &all, answer)
        });
        checks.push(check.reading_failures());
    }
    checks
}

fn absent() -> Found {
    Found::when(false, "there is no such interpreter")
        .or_hint("the environment is made by hand: uv venv, then uv pip sync from a lock")
}

/// What the interpreter said.
struct Told {
    python: String,
    prefix: String,
    own: bool,
    modules: BTreeMap<String, Result<Vec<String>, String>>,
}

impl Told {
    /// Whether it is 3.10 or later, which the scripts need.
    fn recent(&self) -> Result<bool, Unreadable> {
        let mut parts = self.python.split('.').map(str::parse::<u32>);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor) >= (3, 10)),
            _ => Err(Unreadable(format!("`{}` is no version", self.python))),
        }
    }
}

/// One line of the answer; all of them optional, since there are three kinds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    python: Option<String>,
    prefix: Option<String>,
    own: Option<bool>,
    module: Option<String>,
    versions: Option<Vec<String>>,
    error: Option<String>,
}

/// `None` where there is no interpreter.
fn parse(answer: &Answer<'_>) -> Result<Option<Told>, Unreadable> {
    let mut lines = answer.lines()?;
    let read = |line: &str| -> Result<Line, Unreadable> {
        serde_json::from_str(line).map_err(|e| Unreadable(format!("not the expected JSON: {e}")))
    };
    let first = read(lines.next().unwrap_or_default())?;
    let mut told = match first {
        Line {
            python: Some(python),
            prefix: Some(prefix),
            own: Some(own),
            ..
        } => Told {
            python,
            prefix,
            own,
            modules: BTreeMap::new(),
        },
        Line {
            python: None,
            module: None,
            ..
        } => return Ok(None),
        _ => return Err(Unreadable::new("no interpreter in the first line")),
    };
    for line in lines {
        let line = read(line)?;
        let outcome = match (line.versions, line.error) {
            (Some(versions), None) => Ok(versions),
            (None, Some(error)) => Err(error),
            _ => return Err(Unreadable::new("a module with neither version nor error")),
        };
        let module = line
            .module
            .ok_or_else(|| Unreadable::new("a line without a module"))?;
        told.modules.insert(module, outcome);
    }
    Ok(Some(told))
}

fn imported(
    told: &Told,
    module: &str,
    wanted: Option<&str>,
    all: &[String],
    answer: &Answer<'_>,
) -> Result<Found, Unreadable> {
    match told.modules.get(module) {
        Some(Ok(versions)) => {
            let fits = wanted.is_none_or(|wanted| versions.iter().any(|v| is(v, wanted)));
            let shown = match &versions[..] {
                [] => format!("{module} of no known version"),
                some => format!("{module} {}", some.join(", ")),
            };
            Ok(Found::when(fits, shown).or_hint("another version than declared is installed"))
        }
        Some(Err(error)) => Ok(Found::when(false, error.as_str()).or_hint(hint(error))),
        None => {
            // Its own code may end the interpreter, which nothing in Python can catch.
            let culprit = all.iter().find(|name| !told.modules.contains_key(*name));
            if answer.status == 0 {
                Err(Unreadable(format!("no line about `{module}`")))
            } else if culprit.is_some_and(|name| name == module) {
                let evidence = format!("importing it ended Python: status {}", answer.status);
                Ok(Found::when(false, evidence)
                    .or_hint("134 and 139 are crashes of native code: reinstall the wheel"))
            } else {
                let before = culprit.map_or("another", String::as_str);
                Err(Unreadable(format!(
                    "not reached: importing `{before}` ended Python"
                )))
            }
        }
    }
}

/// A wheel's version may go on with where it was built: `0.33.0+cu129` is 0.33.0, too.
fn is(found: &str, wanted: &str) -> bool {
    found == wanted || found.split('+').next() == Some(wanted)
}

fn hint(error: &str) -> &'static str {
    if error.contains("undefined symbol") {
        "its native code was built against another PyTorch: reinstall it beside this one"
    } else if error.contains("cannot open shared object file") {
        "a library that it needs is not there: CUDA's come as wheels of their own"
    } else if error.starts_with("ModuleNotFoundError") {
        "not installed in this environment: uv pip sync from the lock"
    } else {
        "on the host: run the environment's python and import it"
    }
}
