//! A declared query as it is asked of one host.

use std::fmt::Write as _;
use std::time::Duration;

use deployctl_core::concern::{self as declared, Deadline, DeclaredQuery, Expression, NoValue};
use deployctl_core::inventory::Platform;
use deployctl_core::precedence::grub::NEXT_BOOT;
use deployctl_core::query::{Query, quote};
use minijinja::Value;
use minijinja::value::ValueKind;

use crate::request::Request;

/// Longest deadline that facts can give.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Most that a request may take, in seconds: a model that comes from disk.
pub(super) const LONGEST_REQUEST: u32 = 3600;

/// The query: the variables that the command reads and its arguments, quoted, then the command as it was written.
pub(super) fn query(
    asked: &DeclaredQuery,
    id: String,
    platform: Platform,
    context: &Value,
) -> Result<Query, NoValue> {
    if let Some(asked) = &asked.request {
        return Ok(request(asked, context)?.query(id, platform));
    }
    let command = &asked.commands[&platform];
    let mut script = String::new();
    // Other platforms' commands may read other ones.
    let variables = asked.variables.iter();
    let variables = variables.filter(|(name, _)| asked.reads(command, name));
    for (name, value) in variables {
        let word = word(value, &value.evaluate(context)?)?;
        let _ = writeln!(script, "{name}={word}");
    }
    if let Some(program) = &asked.script
        && asked.reads(command, "script")
    {
        let _ = writeln!(script, "script={}", quote(program));
    }
    if let Some(arguments) = &asked.arguments {
        script.push_str("set --");
        let list = arguments.evaluate(context)?;
        let items = list.try_iter().map_err(|_| arguments.fault("is no list"))?;
        for item in items {
            let _ = write!(script, " {}", word(arguments, &item)?);
        }
        script.push('\n');
    }
    script.push_str(command.trim_end());
    if asked.asks_boot {
        let _ = write!(
            script,
            "\nprintf 'running='; cat /proc/cmdline\n{NEXT_BOOT}"
        );
    }
    Ok(Query::new(id, script)
        .with_deadline(deadline(&asked.deadline, context)?)
        .with_cap(usize::from(asked.cap_kib) * 1024))
}

fn deadline(declared: &Deadline, context: &Value) -> Result<Duration, NoValue> {
    let expression = match declared {
        Deadline::Seconds(seconds) => return Ok(Duration::from_secs((*seconds).into())),
        Deadline::Expression(expression) => expression,
    };
    let seconds = f64::try_from(expression.evaluate(context)?).ok();
    let seconds = seconds.and_then(|it| Duration::try_from_secs_f64(it).ok());
    let seconds = seconds.filter(|it| (Duration::from_secs(1)..=LONGEST).contains(it));
    seconds.ok_or_else(|| expression.fault("is no number of seconds from 1 to 86400"))
}

/// The request, for this host.
fn request(asked: &declared::Request, context: &Value) -> Result<Request, NoValue> {
    let text = |from: &Expression| text(from, &from.evaluate(context)?);
    let given = |from: &Option<Expression>| match from {
        None => Ok(None),
        Some(from) => match from.evaluate(context)? {
            none if none.is_none() => Ok(None),
            value => self::text(from, &value).map(Some),
        },
    };
    let seconds = asked.seconds.evaluate(context)?;
    let seconds = u32::try_from(seconds)
        .ok()
        .filter(|it| *it <= LONGEST_REQUEST);
    let post = asked.post.as_ref().map(|from| json(from, context));
    Ok(Request {
        url: text(&asked.url)?,
        seconds: seconds.ok_or_else(|| {
            let problem = format!("expected whole seconds, at most {LONGEST_REQUEST}");
            asked.seconds.fault(problem)
        })?,
        source: None,
        socket: given(&asked.socket)?,
        key_file: given(&asked.key_file)?,
        asks_without_key: asked.asks_without_key,
        post: post.transpose()?,
        only_status: asked.only_status,
    })
}

fn json(from: &Expression, context: &Value) -> Result<String, NoValue> {
    let value = from.evaluate(context)?;
    serde_json::to_string(&value).map_err(|error| from.fault(error.to_string()))
}

/// A value as one word of sh.
fn word(from: &Expression, value: &Value) -> Result<String, NoValue> {
    text(from, value).map(|text| quote(&text))
}

/// A value as a text that a command can be given.
fn text(from: &Expression, value: &Value) -> Result<String, NoValue> {
    let text = match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => value.to_string(),
        ValueKind::None | ValueKind::Undefined => String::new(),
        kind => return Err(from.fault(format!("is a {kind}, not one word"))),
    };
    if text.contains('\0') {
        return Err(from.fault("holds a NUL character, which no command can be given"));
    }
    Ok(text)
}
