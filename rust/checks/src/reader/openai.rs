//! A server with the interface of `OpenAI`: the models that it lists, and what it answers in a chat.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::answer::{Found, Unreadable};

/// The path of the list of models.
pub(crate) const MODELS: &str = "/v1/models";
/// The path that answers in a chat.
pub(crate) const CHAT: &str = "/v1/chat/completions";
/// What to do about an answer without a word in it.
pub(crate) const SILENT: &str = "the model says nothing: is its chat template the right one?";

/// The names in a list of models.
pub(crate) fn models(body: &str) -> Result<Vec<String>, Unreadable> {
    let models: Models = json(body)?;
    Ok(models.data.into_iter().map(|model| model.id).collect())
}

/// Whether a list of models names `wanted`, or any model where none is wanted.
pub(crate) fn serves(body: &str, wanted: Option<&str>) -> Result<Found, Unreadable> {
    let names = models(body)?;
    let holds = match wanted {
        Some(wanted) => names.iter().any(|name| name == wanted),
        None => !names.is_empty(),
    };
    let evidence = if names.is_empty() {
        "serves no model".to_owned()
    } else {
        format!("serves {}", names.join(", "))
    };
    Ok(Found::when(holds, evidence))
}

/// The body of a request for an answer of one token.
pub(crate) fn one_token(model: &str) -> String {
    serde_json::json!({
        "model": model,
        "messages": [{ "role": "user", "content": "Say one word." }],
        "max_tokens": 1,
        "temperature": 0,
    })
    .to_string()
}

/// The words of the first choice of an answer; empty where it has none.
pub(crate) fn content(body: &str) -> Result<String, Unreadable> {
    let completion: Completion = json(body)?;
    let first = completion.choices.into_iter().next();
    Ok(first
        .and_then(|choice| choice.message.content)
        .unwrap_or_default())
}

fn json<T: DeserializeOwned>(body: &str) -> Result<T, Unreadable> {
    serde_json::from_str(body).map_err(|e| Unreadable(format!("not the expected JSON: {e}")))
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}
