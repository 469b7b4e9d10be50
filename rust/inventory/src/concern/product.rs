//! Products in expressions and templates: only numbers are multiplied.
//!
//! A list that is multiplied, and holds another one, has more entries than any bound of an evaluation notices: the language
//! counts an entry when it comes to it, and writes all of an inner list at once. It has no hook for what `*` does, so
//! each factor goes through a filter that rejects anything but a number.

use std::ops::Range;
use std::sync::LazyLock;

use minijinja::{Environment, Error, ErrorKind, Value};
use regex::{Captures, Regex};

pub(super) static STRINGS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?s)'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*""#).expect("tested"));

/// What a template consists of beside its text: comments and raw text, which are left as they are, or code.
static PARTS: LazyLock<Regex> = LazyLock::new(|| {
    let parts = [
        r"\{#.*?#\}",
        r"\{%[-+]?\s*raw\s*[-+]?%\}.*?\{%[-+]?\s*endraw",
        r#"\{[{%](?<code>(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^'"])*?)[}%]\}"#,
    ];
    Regex::new(&format!("(?s){}", parts.join("|"))).expect("tested")
});

/// What is written after a factor.
const GUARD: &str = "|factor ";

/// Adds the filter to `environment`.
pub fn guard(environment: &mut Environment<'_>) {
    environment.add_filter("factor", factor);
}

/// The value, where it is a number.
fn factor(value: Value) -> Result<Value, Error> {
    if value.is_number() {
        return Ok(value);
    }
    let message = format!(
        "multiplies a {}; only numbers can be multiplied",
        value.kind()
    );
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// `expression`, with the filter after each factor of a product.
pub fn with_factors(expression: &str) -> String {
    let mut ends = Vec::new();
    for (at, _) in outside_strings(expression).filter(|(_, c)| *c == '*') {
        let power = expression[..at].ends_with('*') || expression[at + 1..].starts_with('*');
        if !power {
            ends.push(at);
            ends.push(at + 1 + operand(&expression[at + 1..]));
        }
    }
    ends.sort_unstable();
    ends.dedup();
    let mut guarded = String::new();
    let mut from = 0;
    for end in ends {
        guarded.push_str(&expression[from..end]);
        guarded.push_str(GUARD);
        from = end;
    }
    guarded + &expression[from..]
}

/// The same of everything that the template `text` evaluates.
pub fn with_factors_in(text: &str) -> String {
    let guarded = PARTS.replace_all(text, |found: &Captures<'_>| match found.name("code") {
        Some(code) => {
            let (opening, closing) = (code.start(), code.end());
            let whole = found.get_match();
            let before = &text[whole.start()..opening];
            let after = &text[closing..whole.end()];
            format!("{before}{}{after}", with_factors(code.as_str()))
        }
        None => found[0].to_owned(),
    });
    guarded.into_owned()
}

/// The code at `range` of a template that went through [`with_factors_in`], as it was written: all of the code around it,
/// where that is the filter alone.
pub fn written(template: &str, range: Range<usize>) -> Option<String> {
    let mut code = template.get(range.clone())?;
    if code.trim() == GUARD.trim_matches(['|', ' ']) {
        let parts = PARTS
            .captures_iter(template)
            .filter_map(|it| it.name("code"));
        let mut around = parts.filter(|it| it.range().contains(&range.start));
        code = around.next()?.as_str();
    }
    Some(code.replace(GUARD, "").trim().to_owned())
}

/// The characters of `expression` that are not within strings, with their places.
fn outside_strings(expression: &str) -> impl Iterator<Item = (usize, char)> {
    let strings: Vec<_> = STRINGS.find_iter(expression).map(|it| it.range()).collect();
    let all = expression.char_indices();
    all.filter(move |(at, _)| !strings.iter().any(|it| it.contains(at)))
}

/// Where the first value of `text` ends: signs, a name, a literal or brackets, then attributes, items and filters.
fn operand(text: &str) -> usize {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = text.trim_start_matches(|c: char| c.is_whitespace() || "+-".contains(c));
    rest = match STRINGS.find(rest) {
        Some(string) if string.start() == 0 => &rest[string.end()..],
        _ => rest.trim_start_matches(|c| word(c) || c == '.'),
    };
    loop {
        let next = rest.trim_start();
        rest = match next.chars().next() {
            Some('[' | '(') => &next[bracketed(next)..],
            Some('.' | '|') => next[1..].trim_start().trim_start_matches(word),
            _ => return text.len() - rest.len(),
        };
    }
}

/// The length of the brackets with which `text` begins.
fn bracketed(text: &str) -> usize {
    let mut depth = 0;
    let closed = outside_strings(text).find(|(_, c)| {
        depth += i32::from("[(".contains(*c)) - i32::from("])".contains(*c));
        depth == 0
    });
    closed.map_or(text.len(), |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_factor_is_guarded() {
        for (expression, guarded) in [
            ("a * 2", "a |factor * 2|factor "),
            ("a ** 2 + '*'", "a ** 2 + '*'"),
            ("a*b*c", "a|factor *b|factor *c|factor "),
            (
                "a[0] * -b['*)'].c(1) | int / 2",
                "a[0] |factor * -b['*)'].c(1) | int|factor  / 2",
            ),
            (
                "2.5 * (3 * [1, [2]]) ~ 'x' * 2",
                "2.5 |factor * (3 |factor * [1, [2]]|factor )|factor  ~ 'x' |factor * 2|factor ",
            ),
            ("a *", "a |factor *|factor "),
            ("a * (b", "a |factor * (b|factor "),
        ] {
            assert_eq!(with_factors(expression), guarded);
        }
        for (template, guarded) in [
            (
                "2 * 3 {{ a * 2 }} * {{ 'é}}' ~ b * 2 }}",
                "2 * 3 {{ a |factor * 2|factor  }} * {{ 'é}}' ~ b |factor * 2|factor  }}",
            ),
            (
                "{%- if a * 2 -%} * {% endif %}",
                "{%- if a |factor * 2|factor  -%} * {% endif %}",
            ),
            (
                "{# a * 2 #}{% raw %}{{ a * 2 }}{% endraw %}",
                "{# a * 2 #}{% raw %}{{ a * 2 }}{% endraw %}",
            ),
        ] {
            assert_eq!(with_factors_in(template), guarded);
        }
    }
}
