//! The filters and tests that an expression names: the template language looks for them only where it comes to them.

use std::sync::LazyLock;

use minijinja::{Environment, ErrorKind};
use regex::Regex;

use super::product::STRINGS;

// Names and spaces of the template language are ASCII: Unicode's classes would take most of a start to compile.

/// Filters: after `|`, and the first argument of `map`.
static FILTERS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| regexes(&[r"\|(?-u:\s)*([A-Za-z_](?-u:\w)*)"]));
static MAPPED: LazyLock<Vec<Regex>> =
    LazyLock::new(|| regexes(&[r"(?-u:\b)map\((?-u:\s)*'((?-u:\w)+)'"]));
/// Tests: after `is`, and arguments of `select` and the like.
static TESTS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| regexes(&[r"(?-u:\bis\s+)(?:not(?-u:\s)+)?([A-Za-z_](?-u:\w)*)"]));
static SELECTED: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    regexes(&[
        r"(?-u:\b)(?:select|reject)\((?-u:\s)*'((?-u:\w)+)'",
        r"(?-u:\b)(?:select|reject)attr\((?-u:\s)*'[^']*'(?-u:\s)*,(?-u:\s)*'((?-u:\w)+)'",
    ])
});
static EXPRESSIONS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)\{\{(.*?)\}\}").expect("tested"));

fn regexes(patterns: &[&str]) -> Vec<Regex> {
    let regexes = patterns.iter().map(|it| Regex::new(it).expect("tested"));
    regexes.collect()
}

/// Whether `environment` has every filter and test that `expression` names.
pub(super) fn check(environment: &Environment<'_>, expression: &str) -> Result<(), String> {
    let bare = STRINGS.replace_all(expression, "''");
    let filters = names(&FILTERS, &bare).chain(names(&MAPPED, expression));
    for name in filters {
        if fails(
            environment,
            &format!("none | {name}"),
            ErrorKind::UnknownFilter,
        ) {
            return Err(format!("there is no filter `{name}`"));
        }
    }
    for name in names(&TESTS, &bare).chain(names(&SELECTED, expression)) {
        if fails(
            environment,
            &format!("none is {name}"),
            ErrorKind::UnknownTest,
        ) {
            return Err(format!("there is no test `{name}`"));
        }
    }
    Ok(())
}

/// The same of every expression of a text.
pub(super) fn check_text(environment: &Environment<'_>, text: &str) -> Result<(), String> {
    let mut expressions = EXPRESSIONS.captures_iter(text);
    expressions.try_for_each(|found| check(environment, &found[1]))
}

fn names<'a>(patterns: &'a [Regex], text: &'a str) -> impl Iterator<Item = &'a str> {
    let found = patterns.iter().flat_map(move |it| it.captures_iter(text));
    found.filter_map(|it| Some(it.get(1)?.as_str()))
}

fn fails(environment: &Environment<'_>, expression: &str, kind: ErrorKind) -> bool {
    let value = environment
        .compile_expression(expression)
        .and_then(|it| it.eval(()).map(|_| ()));
    value.is_err_and(|error| error.kind() == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_or_test_that_is_not_there_is_named() {
        let environment = Environment::new();
        for (expression, told) in [
            ("a | halve", "there is no filter `halve`"),
            ("a | map('halve')", "there is no filter `halve`"),
            ("a is halved", "there is no test `halved`"),
            ("a is not halved", "there is no test `halved`"),
            ("a | reject('halved')", "there is no test `halved`"),
            (
                "a | selectattr('b', 'halved', 1)",
                "there is no test `halved`",
            ),
        ] {
            let found = check(&environment, expression);
            assert_eq!(found, Err(told.to_owned()), "{expression}");
        }
        for sound in [
            "a | upper | length",
            "'a | halve' ~ \"it is halved\"",
            "a is not defined or a | map('upper') | select('none') | list",
        ] {
            assert_eq!(check(&environment, sound), Ok(()), "{sound}");
        }
        let text = "| halve is halved {{ a | upper }} {{ b | halve }}";
        let found = check_text(&environment, text);
        assert_eq!(found, Err("there is no filter `halve`".to_owned()));
    }
}
