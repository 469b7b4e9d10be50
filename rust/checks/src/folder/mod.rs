//! The checks that a concern's folder declares in `checks.toml`, for one host.

mod query;
mod reader;
mod served;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use deployctl_core::concern::{
    ChecksFile, Concern, DeclaredCheck, DeclaredQuery, Expression, Judgement, NoValue, Scope, Ships,
};
use deployctl_core::inventory::host::Host;
use deployctl_core::query::Query;
use minijinja::Value;
use minijinja::value::Serde;

use crate::answer::{Answer, Unreadable};
use crate::concern::kernel;
use crate::definition::Judge;
use crate::{Check, Declared, Retry, Shipment, judge, sysctl};

pub(crate) use served::{Served, served};

/// The place in `checks.toml` that declares a check, and the check.
pub type Placed = (String, Check);

/// What a folder makes of one host.
#[derive(Default)]
pub struct Made {
    /// The checks.
    pub checks: Vec<Placed>,
    /// What cannot be made of the host's facts, each place once.
    pub faults: Vec<NoValue>,
}

impl Made {
    fn add(&mut self, made: Result<Vec<Placed>, NoValue>) {
        match made {
            Ok(made) => self.checks.extend(made),
            // Checks of one query fail at the same place, which is one fault.
            Err(fault) if self.faults.iter().any(|it| it.place == fault.place) => {}
            Err(fault) => self.faults.push(fault),
        }
    }
}

/// The checks that the folder of `concern` declares; an error in place of those that cannot be made, which
/// [`crate::askable`] finds before any host is asked.
pub(crate) fn checks(facts: &Value, concern: &Concern, declared: &Declared<'_>) -> Vec<Check> {
    let made = made(facts, concern, declared);
    let faults = made.faults.iter();
    let unaskable = faults.map(|it| unaskable(concern.name.as_str(), it));
    let unaskable: Vec<Check> = unaskable.collect();
    let checks = made.checks.into_iter().map(|(_, check)| check);
    checks.chain(unaskable).collect()
}

/// The facts of `host`, as expressions read them. A host has one set, and many concerns: it is made once.
pub fn facts(host: &Host) -> Value {
    Value::from(Serde(&host.facts))
}

/// What the folder of `concern` makes of a host with these [`facts()`]; nothing where the host does not declare it, or the
/// folder has no `checks.toml`.
pub fn made(facts: &Value, concern: &Concern, declared: &Declared<'_>) -> Made {
    let name = concern.name.as_str();
    let mut all = Made::default();
    let Some(file) = concern
        .checks
        .as_ref()
        .filter(|_| concern.is_declared(declared.host))
    else {
        return all;
    };
    let scope = match scope(file, declared.host, facts.clone()) {
        Ok(scope) => scope,
        Err(fault) => {
            all.faults.push(fault);
            return all;
        }
    };
    for check in &file.checks {
        all.add(of(name, file, check, &scope, declared));
    }
    if declared.host.platform.is_linux() {
        let placed = |checks: Vec<Check>| {
            let of_file = || format!("{}/checks.toml", concern.place);
            let placed = checks.into_iter().map(|check| (of_file(), check));
            placed.collect()
        };
        all.add(settings(name, file, &scope, declared).map(placed));
        all.add(modules(name, file, &scope).map(placed));
    }
    // What cannot be asked over links is said here, once.
    if let Some(asked) = &file.over_links {
        all.add(served::of(name, asked, &scope).map(|_| Vec::new()));
    }
    all
}

/// What expressions about `host` read: its facts, and the names of `file` for what follows from them.
fn scope(file: &ChecksFile, host: &Host, facts: Value) -> Result<Scope, NoValue> {
    let mut scope = Scope::from([
        ("host".to_owned(), facts),
        ("platform".to_owned(), host.platform.as_str().into()),
    ]);
    file.names.add_to(&mut scope)?;
    Ok(scope)
}

/// What one entry of the file makes of this host: none, one, or one for each thing.
fn of(
    concern: &str,
    file: &ChecksFile,
    check: &DeclaredCheck,
    scope: &Scope,
    declared: &Declared<'_>,
) -> Result<Vec<Placed>, NoValue> {
    let asked = &file.queries[&check.query];
    let platform = declared.host.platform;
    if !asked.is_for(platform) {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for (part, scope) in each(asked.each.as_ref(), scope, ["key", "value"])? {
        let id = format!("{concern}/{}{part}", check.query);
        for (_, scope) in each(check.each.as_ref(), &scope, ["item_key", "item"])? {
            let context = Value::from(scope.clone());
            let wanted = check.when.as_ref().map(|it| it.holds(&context));
            if wanted.transpose()?.unwrap_or(true) {
                let query = query::query(asked, id.clone(), platform, &context)?;
                let made = one(concern, asked, check, &query, scope)?;
                all.push((check.place().to_owned(), made));
            }
        }
    }
    Ok(all)
}

/// `scope` for each entry of a list or an attribute set, with the entry by two more names, and the part of an id
/// that tells it from the others; `scope` alone where there is no such expression.
fn each(
    things: Option<&Expression>,
    scope: &Scope,
    names: [&str; 2],
) -> Result<Vec<(String, Scope)>, NoValue> {
    let Some(expression) = things else {
        return Ok(vec![(String::new(), scope.clone())]);
    };
    let scopes = expression.scopes(scope, names)?.into_iter().enumerate();
    let scopes = scopes.map(|(index, (_, scope))| (part(&scope[names[0]], index), scope));
    Ok(scopes.collect())
}

/// The key, where an id can hold it, or else its place.
fn part(key: &Value, index: usize) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    match key.as_str() {
        Some(key) if !key.is_empty() && key.chars().all(allowed) => format!("/{key}"),
        _ => format!("/{}", index + 1),
    }
}

fn one(
    concern: &str,
    asked: &Arc<DeclaredQuery>,
    check: &DeclaredCheck,
    query: &Query,
    scope: Scope,
) -> Result<Check, NoValue> {
    let context = Value::from(scope.clone());
    let name = check.name.render(&context)?;
    let expected = check.expected.render(&context)?;
    let needs = check.needs.as_ref().map(|it| it.render(&context));
    // `/web/open` is a check of another concern.
    let needs = needs.transpose()?;
    let needs = needs.map(|it| match it.strip_prefix('/') {
        Some(whole) => whole.to_owned(),
        None => format!("{concern}/{it}"),
    });
    let answered = Arc::clone(asked);
    let judge: Judge = match &check.judgement {
        Judgement::Expectation(expectation) => {
            let expectation = Arc::clone(expectation);
            Box::new(move |answer| verdict::judge(&answered, &expectation, &scope, answer))
        }
        Judgement::Judge(named) => judge::of(named, &context)?,
    };
    let failing = Arc::clone(asked);
    let judge = move |answer: &Answer<'_>| match verdict::failed(&failing, answer)? {
        Some(found) => Ok(found),
        None => judge(answer),
    };
    let mut made = Check::new(concern, &name, query, expected, judge).gate_if(check.gate);
    made.load = check.loads;
    made.ships = asked
        .ships
        .as_ref()
        .map(|it| ships(it, &context))
        .transpose()?;
    made.needs = needs;
    made.retry = Retry {
        times: check.retries.times,
        pause: Duration::from_secs(check.retries.pause_seconds.into()),
        only: check.retries.only.clone(),
    };
    made.reads_failures = asked.failure.is_some() || asked.any_status || asked.request.is_some();
    if let Some(hint) = &asked.where_missing {
        made.where_missing.clone_from(hint);
    }
    Ok(made)
}

/// The file that is uploaded first.
fn ships(declared: &Ships, context: &Value) -> Result<Shipment, NoValue> {
    let (artifact, build) = match declared {
        Ships::Hostprobe => return Ok(Shipment::Hostprobe),
        Ships::Artifact { artifact, build } => (artifact, build),
    };
    let mut words = Vec::new();
    if let Some(build) = build {
        let list = build.evaluate(context)?;
        let list = list.try_iter().map_err(|_| build.fault("is no list"))?;
        words.extend(list.map(|word| word.to_string()));
    }
    Ok(Shipment::Program {
        artifact: artifact.evaluate(context)?.to_string(),
        build: words,
    })
}

/// Kernel settings that follow from facts, and those that the concern's templates write.
fn settings(
    concern: &str,
    file: &ChecksFile,
    scope: &Scope,
    declared: &Declared<'_>,
) -> Result<Vec<Check>, NoValue> {
    let context = Value::from(scope.clone());
    let (mut wanted, mut no_gates) = (Vec::new(), Vec::new());
    for (key, setting) in &file.sysctl {
        if let Some(when) = &setting.when
            && !when.holds(&context)?
        {
            continue;
        }
        wanted.push((key.as_str(), setting.value.evaluate(&context)?.to_string()));
        if !setting.gate {
            no_gates.push(format!("{concern}/sysctl/{key}"));
        }
    }
    let checks = sysctl::checks(concern, wanted, declared).into_iter();
    let checks = checks.map(|check| {
        let decides = !no_gates.contains(&check.id);
        check.gate_if(decides)
    });
    Ok(checks.collect())
}

/// The kernel modules that must be loaded.
fn modules(concern: &str, file: &ChecksFile, scope: &Scope) -> Result<Vec<Check>, NoValue> {
    let Some(expression) = &file.modules else {
        return Ok(Vec::new());
    };
    let names = expression.evaluate(&Value::from(scope.clone()))?;
    let wrong = |_| expression.fault("is no list of module names");
    let names = names.try_iter().map_err(wrong)?.map(|it| it.to_string());
    let names: Vec<String> = names.collect();
    Ok(if names.is_empty() {
        Vec::new()
    } else {
        vec![kernel::modules(concern, &names)]
    })
}

/// A check that cannot be made of this host's facts: an error that names the place in the file. It may be one that
/// decides confirm, so this one does.
fn unaskable(concern: &str, error: &NoValue) -> Check {
    let reason = error.to_string();
    let line = error.place.rsplit(':').next().unwrap_or_default();
    let query = Query::inline("nothing", ":");
    let expected = format!("the checks of `{concern}` can be made of the host's facts");
    let what = format!("declared-in-line-{line}");
    Check::new(concern, &what, &query, expected, move |_| {
        Err(Unreadable(reason.clone()))
    })
    .gate_if(true)
}
