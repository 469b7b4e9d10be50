//! The filters that expressions have beside minijinja's own. docs/own-checks.md lists them; a test compares.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, Value, context};
use regex::Regex;

use crate::cpus;
use crate::glob::glob;
use crate::name::authority;
use crate::openpgp::fingerprints;

/// Names and meanings, for the documentation.
pub const FILTERS: &[(&str, &str)] = &[
    ("number", "the number that a text is"),
    (
        "fixed(n)",
        "a number with n digits after the point, as text",
    ),
    ("json", "the value that a JSON text says"),
    (
        "kib",
        "a size such as `2M`, `4G` or `512k` in KiB; bytes without a unit",
    ),
    ("cpus", "the CPUs of a list such as `0-3,8`"),
    (
        "cpu_list",
        "CPUs as such a list; `none` where there are none",
    ),
    ("without(other)", "what is in a list and not in the other"),
    ("common(other)", "what is in both lists"),
    (
        "parameter(name)",
        "the value of the last `name=…` among words; none where there is none",
    ),
    ("matches(regex)", "whether a text has a match"),
    (
        "capture(regex)",
        "the first group of the first match in a text; none where there is none",
    ),
    (
        "glob(patterns)",
        "whether a text matches a pattern, where `*` is any text and `?` one character, or one of a list of them",
    ),
    (
        "lookup(pairs)",
        "of a list of [text, value], the value of the first text that is part of this one; none where there is none",
    ),
    (
        "begins_none(texts)",
        "what is in a list and is the beginning of no text of the other",
    ),
    (
        "authority(port)",
        "an address with its port as a URL has them: `[::1]:80`",
    ),
    (
        "within(networks)",
        "whether an address is in one of a list of networks such as `10.0.0.0/24`",
    ),
    (
        "ports_in(first, last)",
        "how many ports from a first to a last one are in a list of ports and of ranges such as `6379-6478`",
    ),
    (
        "expand(regex, text)",
        "the text, with `$1` for the first group of the first match, and so on; none where there is no match",
    ),
    (
        "sections(regex)",
        "the parts of a text that begin with a line that has a match",
    ),
    (
        "openpgp",
        "of an ASCII-armoured text with public keys: `fingerprints`, those of its primary keys, and `problem`, why it is no such text; none where it is one",
    ),
];

pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("number", |value: Value| number(&value));
    environment.add_filter("fixed", fixed);
    environment.add_filter("json", |text: &str| json(text).map_err(wrong));
    environment.add_filter("kib", |text: &str| {
        kib(text).ok_or_else(|| wrong(format!("`{text}` is no size")))
    });
    environment.add_filter("cpus", |text: &str| {
        cpus::parse(text).map_err(|error| wrong(error.to_string()))
    });
    environment.add_filter("cpu_list", |set: Vec<u32>| {
        cpus::show(&set.into_iter().collect())
    });
    environment.add_filter("without", |list: Vec<Value>, other: Vec<Value>| {
        kept(list, |it| !other.contains(it))
    });
    environment.add_filter("common", |list: Vec<Value>, other: Vec<Value>| {
        kept(list, |it| other.contains(it))
    });
    environment.add_filter("begins_none", |list: Vec<String>, texts: Vec<String>| {
        let begins_none = |it: &String| !texts.iter().any(|text| text.starts_with(it.as_str()));
        list.into_iter().filter(begins_none).collect::<Vec<_>>()
    });
    environment.add_filter("authority", |address: &str, port: u16| {
        authority(address, port)
    });
    environment.add_filter("within", within);
    environment.add_filter("ports_in", ports_in);
    environment.add_filter("parameter", |words: Vec<String>, name: &str| {
        parameter(&words, name)
    });
    environment.add_filter("matches", |text: &str, pattern: &str| {
        Ok::<bool, Error>(regex(pattern)?.is_match(text))
    });
    environment.add_filter("capture", capture);
    environment.add_filter("expand", expand);
    environment.add_filter("sections", sections);
    environment.add_filter("glob", |text: &str, patterns: Value| {
        matches_glob(text, &patterns)
    });
    environment.add_filter("lookup", lookup);
    environment.add_filter("openpgp", openpgp);
}

fn wrong(problem: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem.into())
}

fn within(address: &str, networks: Vec<String>) -> Result<bool, Error> {
    let address: IpAddr = read(address, "an IP address")?;
    let networks = networks.into_iter();
    let networks = networks.map(|it| read::<IpNet>(&it, "an IP network"));
    let networks: Vec<IpNet> = networks.collect::<Result<_, _>>()?;
    Ok(networks.iter().any(|it| it.contains(&address)))
}

fn ports_in(ports: Vec<Value>, first: u16, last: u16) -> Result<usize, Error> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for written in ports {
        let text = written.to_string();
        let (from, to) = text.split_once('-').unwrap_or((&text, &text));
        ranges.push((read(from, "a port")?, read(to, "a port")?));
    }
    let is_in = |port: &u16| ranges.iter().any(|(from, to)| (from..=to).contains(&port));
    Ok((first..=last).filter(is_in).count())
}

fn read<T: FromStr>(text: &str, kind: &str) -> Result<T, Error> {
    text.parse()
        .map_err(|_| wrong(format!("`{text}` is not {kind}")))
}

fn number(value: &Value) -> Result<Value, Error> {
    if value.is_number() {
        return Ok(value.clone());
    }
    let text = value
        .as_str()
        .ok_or_else(|| wrong(format!("{} is no text with a number", value.kind())))?
        .trim();
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(whole.into());
    }
    let number = text.parse().ok().filter(|it: &f64| it.is_finite());
    let number = number.ok_or_else(|| wrong(format!("`{text}` is not a number")))?;
    Ok(number.into())
}

/// What a JSON text says, as expressions read it.
///
/// # Errors
/// In words: it is no JSON.
pub fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str::<serde_json::Value>(text)
        .map(|found| Value::from(Serde(found)))
        .map_err(|error| format!("not JSON: {error}"))
}

fn fixed(value: f64, digits: usize) -> String {
    format!("{value:.*}", digits.min(12))
}

/// A size in KiB, as mount options and `/proc` write it.
fn kib(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let number: u64 = digits.parse().ok()?;
    match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" => Some(number / 1024),
        "k" | "kb" | "kib" => Some(number),
        "m" | "mb" | "mib" => number.checked_mul(1024),
        "g" | "gb" | "gib" => number.checked_mul(1024 * 1024),
        _ => None,
    }
}

fn kept(list: Vec<Value>, keep: impl Fn(&Value) -> bool) -> Vec<Value> {
    list.into_iter().filter(|it| keep(it)).collect()
}

fn parameter(words: &[String], name: &str) -> Option<String> {
    let prefix = format!("{name}=");
    let mut values = words.iter().rev().filter_map(|it| it.strip_prefix(&prefix));
    values.next().map(str::to_owned)
}

/// How many compiled regular expressions are kept; a pattern may be made of facts, so there may be any number.
const KEPT: usize = 256;

thread_local! {
    /// Compiling one takes a thousand times longer than using it, and a rule is evaluated for every entry and host.
    static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
}

fn regex(pattern: &str) -> Result<Regex, Error> {
    COMPILED.with_borrow_mut(|compiled| {
        if let Some(known) = compiled.get(pattern) {
            return Ok(known.clone());
        }
        let wrong = |_| wrong(format!("`{pattern}` is no regular expression"));
        let made = Regex::new(pattern).map_err(wrong)?;
        if compiled.len() == KEPT {
            compiled.clear();
        }
        compiled.insert(pattern.to_owned(), made.clone());
        Ok(made)
    })
}

fn capture(text: &str, pattern: &str) -> Result<Option<String>, Error> {
    let found = regex(pattern)?.captures(text).and_then(|it| it.get(1));
    Ok(found.map(|it| it.as_str().to_owned()))
}

fn expand(text: &str, pattern: &str, template: &str) -> Result<Option<String>, Error> {
    let found = regex(pattern)?.captures(text).map(|captures| {
        let mut expanded = String::new();
        captures.expand(template, &mut expanded);
        expanded
    });
    Ok(found)
}

/// What a text with public keys says, and why it is none.
fn openpgp(text: &str) -> Value {
    let (fingerprints, problem) = match fingerprints(text) {
        Ok(fingerprints) => (fingerprints, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    context! { fingerprints, problem }
}

fn sections(text: &str, pattern: &str) -> Result<Vec<String>, Error> {
    let title = regex(pattern)?;
    let mut sections: Vec<String> = Vec::new();
    for line in text.lines() {
        if title.is_match(line) {
            sections.push(String::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push_str(line);
            section.push('\n');
        }
    }
    Ok(sections)
}

/// Whether `text` matches a pattern, or one of a list of them.
fn matches_glob(text: &str, patterns: &Value) -> Result<bool, Error> {
    if let Some(pattern) = patterns.as_str() {
        return Ok(glob(pattern, text));
    }
    let mut patterns = patterns.try_iter()?;
    Ok(patterns.any(|it| it.as_str().is_some_and(|pattern| glob(pattern, text))))
}

fn lookup(text: &str, pairs: Vec<Vec<Value>>) -> Option<Value> {
    let mut found = pairs.into_iter().filter_map(|pair| match &pair[..] {
        [part, value] if text.contains(part.as_str()?) => Some(value.clone()),
        _ => None,
    });
    found.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(expression: &str) -> Result<String, String> {
        let mut environment = Environment::new();
        add(&mut environment);
        let compiled = environment.compile_expression(expression).unwrap();
        let value = compiled.eval(context! {});
        value
            .map(|it| it.to_string())
            .map_err(|error| error.detail().unwrap_or_default().to_owned())
    }

    #[test]
    fn what_filters_give() {
        for (expression, expected) in [
            ("' 7' | number", "7"),
            ("'0.5' | number", "0.5"),
            ("(2 / 3) | fixed(3)", "0.667"),
            (r#"('{"a": [1, null]}' | json).a[0]"#, "1"),
            ("'2M' | kib", "2048"),
            ("'4 GiB' | kib", "4194304"),
            ("'512k' | kib", "512"),
            ("'4096' | kib", "4"),
            ("'0-2,5' | cpus", "[0, 1, 2, 5]"),
            ("[5, 0, 1] | cpu_list", "0-1,5"),
            ("[] | cpu_list", "none"),
            ("[1, 2, 3] | without([2])", "[1, 3]"),
            ("[1, 2, 3] | common([3, 1])", "[1, 3]"),
            (
                "['node_', 'gpu_'] | begins_none(['node_load1'])",
                "['gpu_']",
            ),
            ("'::1' | authority(80)", "[::1]:80"),
            ("'10.0.0.1' | authority(80)", "10.0.0.1:80"),
            ("['a=1', 'b=2', 'a=3'] | parameter('a')", "3"),
            ("['a=1'] | parameter('b')", "None"),
            ("'ready' | matches('^re')", "True"),
            ("'V12.6' | capture('V([0-9]+)')", "12"),
            ("'V' | capture('V([0-9]+)')", "None"),
            ("'a: 1' | expand('(.): (.)', '$2 $1')", "1 a"),
            ("'AC:\\n x\\nBattery:\\n y' | sections(':$') | length", "2"),
            ("'9.5.0.50-1' | glob('9.5.*')", "True"),
            ("'9.6.0' | glob('9.5.*')", "False"),
            ("'9x5.0' | glob('9.5.*')", "False"),
            ("'abcde' | glob('a*c*e')", "True"),
            ("'xy' | glob('x')", "False"),
            ("'' | glob('*')", "True"),
            ("'b' | glob(['a*', 'b'])", "True"),
            ("'c' | glob(['a*', 'b'])", "False"),
            (
                "('x' | openpgp).problem",
                "does not begin with `-----BEGIN PGP PUBLIC KEY BLOCK-----`",
            ),
            ("('x' | openpgp).fingerprints", "[]"),
            ("'Data stale now' | lookup([['x', 1], ['stale', 2]])", "2"),
        ] {
            assert_eq!(value(expression).as_deref(), Ok(expected), "{expression}");
        }
        for (expression, problem) in [
            ("'seven' | number", "`seven` is not a number"),
            ("'inf' | number", "`inf` is not a number"),
            (
                "'{' | json",
                "not JSON: EOF while parsing an object at line 1 column 1",
            ),
            ("'2 lots' | kib", "`2 lots` is no size"),
            ("'3-1' | cpus", "`3-1` is not a list of CPUs"),
            ("'a' | matches('(')", "`(` is no regular expression"),
        ] {
            assert_eq!(value(expression), Err(problem.to_owned()), "{expression}");
        }
    }

    #[test]
    fn every_filter_is_documented() {
        let source = include_str!("filter.rs");
        let (source, _) = source.split_once("mod tests").unwrap();
        let added: Vec<&str> = source
            .split("add_filter(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let listed = FILTERS
            .iter()
            .map(|(form, _)| form.split('(').next().unwrap());
        let mut listed: Vec<&str> = listed.collect();
        let mut added = added;
        added.sort_unstable();
        listed.sort_unstable();
        assert_eq!(added, listed);
        let page = include_str!("../../../../docs/own-checks.md");
        for (form, meaning) in FILTERS {
            let row = format!("| `{form}` | {meaning} |");
            assert!(page.contains(&row), "docs/own-checks.md has no row {row}");
        }
    }
}
