//! What the hosts at the other ends of links ask of a concern, for one host that declares it.

use std::net::IpAddr;

use deployctl_core::concern::{Concern, Expression, NoValue, OverLinks, Scope};
use deployctl_core::inventory::host::Host;
use minijinja::Value;

/// Seconds for the first token of a model that is in memory.
const ANSWER: u32 = 30;

/// A server that a host runs for others.
pub(crate) struct Served {
    /// The concern that declares it.
    pub(crate) concern: String,
    /// Where it listens, which may be on all addresses.
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// The path that gives status 200.
    pub(crate) health: Option<String>,
    /// Whether it lists models.
    pub(crate) models: bool,
    /// What requests call the model; `None` where the host declares no model.
    pub(crate) model: Option<String>,
    /// What its list has of models; `None`: any.
    pub(crate) listed: Option<String>,
    /// The name of the secret that it is shown as bearer.
    pub(crate) credential: Option<String>,
    /// Seconds that the first answer may take.
    pub(crate) first_answer: u32,
}

/// What `host` serves of `concern`; none where nothing is asked over links, or it listens at no address.
///
/// # Errors
/// Which expression has no value for this host, or not one of its kind.
pub(crate) fn served(concern: &Concern, host: &Host) -> Result<Option<Served>, NoValue> {
    let Some(file) = concern.checks.as_ref() else {
        return Ok(None);
    };
    match &file.over_links {
        Some(asked) if concern.is_declared(host) => {
            let scope = super::scope(file, host, super::facts(host))?;
            of(concern.name.as_str(), asked, &scope)
        }
        _ => Ok(None),
    }
}

/// The server that the names of `scope` tell of.
pub(super) fn of(
    concern: &str,
    asked: &OverLinks,
    scope: &Scope,
) -> Result<Option<Served>, NoValue> {
    let context = Value::from(scope.clone());
    let Some(address) = text(Some(&asked.address), &context)? else {
        return Ok(None);
    };
    let port = u16::try_from(asked.port.evaluate(&context)?).ok();
    let first_answer = match given(asked.first_answer_seconds.as_ref(), &context)? {
        None => ANSWER,
        Some((from, value)) => u32::try_from(value)
            .map_err(|_| from.fault("is no number of whole seconds"))?
            .clamp(ANSWER, super::query::LONGEST_REQUEST),
    };
    let model = text(asked.model.as_ref(), &context)?;
    let listed = match &asked.listed {
        None => model.clone(),
        listed => text(listed.as_ref(), &context)?,
    };
    Ok(Some(Served {
        concern: concern.to_owned(),
        address: address.parse().map_err(|_| {
            asked
                .address
                .fault(format!("is `{address}`, no IP address"))
        })?,
        port: port
            .filter(|it| *it > 0)
            .ok_or_else(|| asked.port.fault("is no port: 1 to 65535"))?,
        health: asked.health.clone(),
        models: asked.models,
        model,
        listed,
        credential: text(asked.credential.as_ref(), &context)?,
        first_answer,
    }))
}

/// The value of an expression, with the expression; `None` where there is none of either.
fn given<'a>(
    from: Option<&'a Expression>,
    context: &Value,
) -> Result<Option<(&'a Expression, Value)>, NoValue> {
    let Some(from) = from else {
        return Ok(None);
    };
    let value = from.evaluate(context)?;
    Ok((!value.is_none()).then_some((from, value)))
}

/// The same, as a text.
fn text(from: Option<&Expression>, context: &Value) -> Result<Option<String>, NoValue> {
    match given(from, context)? {
        None => Ok(None),
        Some((from, value)) => match value.as_str() {
            Some(text) if !text.is_empty() => Ok(Some(text.to_owned())),
            _ => Err(from.fault("is no text, or an empty one")),
        },
    }
}
