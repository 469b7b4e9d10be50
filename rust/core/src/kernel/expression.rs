//! Kconfig's expressions: symbols, `&&`, `||`, `!`, comparisons, parentheses.

use std::collections::BTreeSet;

use super::config::{Config, Value};

/// An expression, as far as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    Symbol(String),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    /// Left, right, and whether they are to be equal.
    Equal(String, String, bool),
    /// A macro such as `$(cc-option,…)`, or a comparison of sizes: taken for true.
    Unknown(String),
}

impl Expression {
    pub(super) fn parse(text: &str) -> Self {
        let tokens = tokens(text);
        let mut parser = Parser { tokens: &tokens };
        let parsed = parser.any();
        // What is not understood in full is not judged at all.
        match parsed {
            Some(parsed) if parser.tokens.is_empty() => parsed,
            _ => Self::Unknown(text.to_owned()),
        }
    }

    /// 0 off, 1 module, 2 built in.
    pub(super) fn value(&self, config: &Config) -> u8 {
        match self {
            Self::Symbol(name) => constant(name)
                .unwrap_or_else(|| config.value(name))
                .strength(),
            Self::Not(inner) => 2 - inner.value(config),
            Self::And(parts) => parts.iter().map(|p| p.value(config)).min().unwrap_or(2),
            Self::Or(parts) => parts.iter().map(|p| p.value(config)).max().unwrap_or(0),
            Self::Equal(left, right, equal) => {
                let resolve = |name: &str| constant(name).unwrap_or_else(|| config.value(name));
                let (left, right) = (resolve(left), resolve(right));
                if (left == right) == *equal { 2 } else { 0 }
            }
            Self::Unknown(_) => 2,
        }
    }

    /// The parts that must all hold.
    pub(super) fn conditions(&self) -> Vec<&Self> {
        match self {
            Self::And(parts) => parts.iter().flat_map(Self::conditions).collect(),
            other => vec![other],
        }
    }

    /// The symbols in it.
    pub(super) fn symbols(&self) -> BTreeSet<&str> {
        match self {
            Self::Symbol(name) => constant(name)
                .is_none()
                .then_some(name.as_str())
                .into_iter()
                .collect(),
            Self::Not(inner) => inner.symbols(),
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::symbols).collect(),
            Self::Equal(left, right, _) => [left, right]
                .into_iter()
                .filter(|name| constant(name).is_none())
                .map(String::as_str)
                .collect(),
            Self::Unknown(_) => BTreeSet::new(),
        }
    }

    /// As Kconfig writes it.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Symbol(name) | Self::Unknown(name) => name.clone(),
            Self::Not(inner) => match **inner {
                Self::Symbol(_) | Self::Unknown(_) => format!("!{}", inner.words()),
                _ => format!("!({})", inner.words()),
            },
            Self::And(parts) => join(parts, " && "),
            Self::Or(parts) => join(parts, " || "),
            Self::Equal(left, right, true) => format!("{left}={right}"),
            Self::Equal(left, right, false) => format!("{left}!={right}"),
        }
    }
}

fn join(parts: &[Expression], with: &str) -> String {
    let words: Vec<String> = parts
        .iter()
        .map(|part| match part {
            Expression::And(_) | Expression::Or(_) => format!("({})", part.words()),
            other => other.words(),
        })
        .collect();
    words.join(with)
}

fn constant(name: &str) -> Option<Value> {
    match name {
        "y" => Some(Value::Y),
        "m" => Some(Value::M),
        "n" => Some(Value::N),
        text => text
            .strip_prefix('"')
            .map(|text| match text.trim_end_matches('"') {
                "y" => Value::Y,
                "m" => Value::M,
                "n" => Value::N,
                text => Value::Text(text.to_owned()),
            }),
    }
}

/// Operators, parentheses, words, quoted texts and whole macros.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '&' | '|' if rest.as_bytes().get(1) == Some(&(first as u8)) => 2,
            '!' | '<' | '>' if rest.as_bytes().get(1) == Some(&b'=') => 2,
            '(' | ')' | '!' | '=' | '<' | '>' | '&' | '|' => 1,
            '"' | '\'' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            '$' => macro_length(rest),
            _ => rest
                .find(|c: char| !(c.is_alphanumeric() || "_-./".contains(c)))
                .unwrap_or(rest.len())
                .max(first.len_utf8()),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

/// `$(…)` with what is nested in it.
fn macro_length(text: &str) -> usize {
    let mut depth = 0_u32;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return at + 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}

struct Parser<'a> {
    tokens: &'a [&'a str],
}

impl<'a> Parser<'a> {
    fn take(&mut self, wanted: &str) -> bool {
        let found = self.tokens.first() == Some(&wanted);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn any(&mut self) -> Option<Expression> {
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        Some(one_or(parts, Expression::Or))
    }

    fn all(&mut self) -> Option<Expression> {
        let mut parts = vec![self.not()?];
        while self.take("&&") {
            parts.push(self.not()?);
        }
        Some(one_or(parts, Expression::And))
    }

    fn not(&mut self) -> Option<Expression> {
        if self.take("!") {
            return Some(Expression::Not(Box::new(self.not()?)));
        }
        if self.take("(") {
            let inner = self.any()?;
            return self.take(")").then_some(inner);
        }
        let left = self.next()?;
        if left.starts_with('$') {
            return Some(Expression::Unknown(left.to_owned()));
        }
        let word =
            |text: &str| text.starts_with(|c: char| c.is_alphanumeric() || "_\"'".contains(c));
        if !word(left) {
            return None;
        }
        for (operator, equal) in [("=", true), ("!=", false)] {
            if self.take(operator) {
                let right = self.next()?;
                return Some(Expression::Equal(left.to_owned(), right.to_owned(), equal));
            }
        }
        for operator in ["<", ">", "<=", ">="] {
            if self.take(operator) {
                let right = self.next()?;
                return Some(Expression::Unknown(format!("{left} {operator} {right}")));
            }
        }
        Some(Expression::Symbol(left.to_owned()))
    }
}

fn one_or(mut parts: Vec<Expression>, all: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            all(parts)
        }
        None => all(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kconfig_s_own() {
        let config =
            Config::parse("CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_V=\"x\"\n");
        let cases = [
            ("A", 2),
            ("B", 1),
            ("C || NOWHERE", 0),
            ("A && B", 1),
            ("A && (C || B) && !C", 1),
            ("!B", 1),
            ("B=m && A!=n", 2),
            ("V=\"x\"", 2),
            ("C=y || n", 0),
            ("$(cc-option,-mabi=(x)) && A", 2),
            ("GCC_VERSION >= 120000", 2),
            ("A &&", 2),
        ];
        for (text, value) in cases {
            assert_eq!(Expression::parse(text).value(&config), value, "{text}");
        }
    }

    #[test]
    fn an_expression_reads_as_it_was_written() {
        for text in [
            "A && (B || !C)",
            "A=y && B!=m",
            "!(A || B)",
            "$(as-instr,x) || A",
            "A < 3",
        ] {
            let parsed = Expression::parse(text);
            assert_eq!(parsed.words(), text);
        }
        let parsed = Expression::parse("A && (B || y) && C=n && \"q\"=D");
        let symbols: Vec<_> = parsed.symbols().into_iter().collect();
        assert_eq!(symbols, ["A", "B", "C", "D"]);
        assert_eq!(parsed.conditions().len(), 4);
    }
}
