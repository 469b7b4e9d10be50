//! `let` and `list`: names for values that the other expressions of a rule, a query or a check read.

use std::collections::BTreeMap;

use minijinja::Value;
use minijinja::value::ValueKind;
use serde::Deserialize;
use toml::Spanned;

use super::expression::{Compiler, Expression, NoValue, root};

/// What expressions can read, by name.
pub type Scope = BTreeMap<String, Value>;

/// What the expressions of a list read as the item that they are about.
const ITEM: &str = "it";

/// Most entries that a named value may have, inner ones included. What one expression makes is bounded by itself; this
/// keeps each from making more of what another one made.
const MOST_ENTRIES: usize = 100_000;

/// Most bytes of its texts.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// `[…let]`, as it is written.
pub(super) type Values = BTreeMap<Spanned<String>, Spanned<String>>;

/// `[…list]`, as it is written.
pub(super) type Lists = BTreeMap<Spanned<String>, ListItem>;

/// `{ of = "answer", where = "it.cpus", give = "it.name" }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListItem {
    /// The items.
    of: Spanned<String>,
    /// Which of them; left out: all.
    #[serde(rename = "where")]
    filter: Option<Spanned<String>>,
    /// What of each; left out: the item itself.
    give: Option<Spanned<String>>,
}

/// Names with their values, each after those that it reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(Vec<(String, Given)>);

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    Value(Expression),
    List {
        of: Expression,
        filter: Option<Expression>,
        give: Option<Expression>,
    },
}

impl Names {
    /// Compiles them; `roots` is what they can read beside each other.
    pub(super) fn compile(
        values: &Values,
        lists: &Lists,
        roots: &[&str],
        compiler: &mut Compiler,
    ) -> Self {
        let words = values.keys().chain(lists.keys());
        for word in words.clone() {
            let name = word.get_ref();
            let twice = values.contains_key(word) && lists.contains_key(word);
            if !is_name(name) || roots.contains(&name.as_str()) || name == ITEM || twice {
                let problem = format!("`{name}` cannot be the name of a value here");
                compiler.fail(word.span().start, problem);
            }
        }
        let mut all = roots.to_vec();
        all.extend(words.map(|word| word.get_ref().as_str()));
        let of_item: Vec<&str> = all.iter().copied().chain([ITEM]).collect();
        let mut given = Vec::new();
        for (name, text) in values {
            given.push((name, Given::Value(compiler.expression(text, &all))));
        }
        for (name, item) in lists {
            let of = compiler.expression(&item.of, &all);
            let mut each = |text: &Option<Spanned<String>>| {
                let text = text.as_ref();
                text.map(|it| compiler.expression(it, &of_item))
            };
            let (filter, give) = (each(&item.filter), each(&item.give));
            given.push((name, Given::List { of, filter, give }));
        }
        Self(in_order(given, compiler))
    }

    /// The names.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The names that the values read, with what they read of them: `host.web.port`.
    pub(super) fn reads(&self) -> impl Iterator<Item = &String> {
        self.0.iter().flat_map(|(_, given)| given.reads())
    }

    /// Adds every name with its value to `scope`.
    ///
    /// # Errors
    /// When one has no value.
    pub fn add_to(&self, scope: &mut Scope) -> Result<(), NoValue> {
        for (name, given) in &self.0 {
            let value = given.evaluate(scope)?;
            if !is_small(&value) {
                let problem = format!(
                    "`{name}` has more than {MOST_ENTRIES} entries, or {} MiB of text",
                    MOST_BYTES / 1024 / 1024
                );
                return Err(given.first().fault(problem));
            }
            scope.insert(name.clone(), value);
        }
        Ok(())
    }
}

/// Whether a named value stays within its bounds.
fn is_small(value: &Value) -> bool {
    let (mut entries, mut bytes) = (MOST_ENTRIES, MOST_BYTES);
    fits(value, &mut entries, &mut bytes)
}

/// Takes what `value` has from what is left of both bounds; `false` where it has more.
fn fits(value: &Value, entries: &mut usize, bytes: &mut usize) -> bool {
    let take = |left: &mut usize, count: usize| match left.checked_sub(count) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    };
    if let Some(text) = value.as_str() {
        return take(bytes, text.len());
    }
    let is_map = value.kind() == ValueKind::Map;
    let Ok(inner) = value.try_iter() else {
        return true;
    };
    for key in inner {
        if !take(entries, 1) || !fits(&key, entries, bytes) {
            return false;
        }
        if is_map
            && let Ok(inner) = value.get_item(&key)
            && !fits(&inner, entries, bytes)
        {
            return false;
        }
    }
    true
}

impl Given {
    /// The expression that says where the value stands.
    fn first(&self) -> &Expression {
        match self {
            Self::Value(expression) | Self::List { of: expression, .. } => expression,
        }
    }

    fn reads(&self) -> impl Iterator<Item = &String> {
        let expressions = match self {
            Self::Value(expression) => vec![expression],
            Self::List { of, filter, give } => [of].into_iter().chain(filter).chain(give).collect(),
        };
        let reads = expressions.into_iter().flat_map(Expression::reads);
        reads.filter(|name| root(name) != ITEM)
    }

    fn evaluate(&self, scope: &Scope) -> Result<Value, NoValue> {
        let (of, filter, give) = match self {
            Self::Value(expression) => return expression.evaluate(&Value::from(scope.clone())),
            Self::List { of, filter, give } => (of, filter, give),
        };
        let items = of.evaluate(&Value::from(scope.clone()))?;
        let items = items.try_iter().map_err(|_| of.fault("is no list"))?;
        let mut kept = Vec::new();
        for item in items {
            let mut scope = scope.clone();
            scope.insert(ITEM.to_owned(), item.clone());
            let context = Value::from(scope);
            if let Some(filter) = filter
                && !filter.holds(&context)?
            {
                continue;
            }
            kept.push(match give {
                Some(give) => give.evaluate(&context)?,
                None => item,
            });
        }
        Ok(Value::from(kept))
    }
}

/// Each name after those that it reads: TOML's tables have no order.
fn in_order(
    mut left: Vec<(&Spanned<String>, Given)>,
    compiler: &mut Compiler,
) -> Vec<(String, Given)> {
    let mut ordered: Vec<(String, Given)> = Vec::new();
    while !left.is_empty() {
        let waits = |given: &Given| {
            let mut reads = given.reads().map(|name| root(name));
            reads.any(|read| left.iter().any(|(name, _)| name.get_ref() == read))
        };
        let Some(ready) = left.iter().position(|(_, given)| !waits(given)) else {
            let (name, _) = &left[0];
            let problem = format!("`{}` reads itself", name.get_ref());
            compiler.fail(name.span().start, problem);
            break;
        };
        let (name, given) = left.remove(ready);
        ordered.push((name.get_ref().clone(), given));
    }
    ordered
}

/// Whether `name` can be the name of a value or a variable.
pub(super) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[derive(Deserialize)]
    struct File {
        #[serde(default, rename = "let")]
        values: Values,
        #[serde(default)]
        list: Lists,
    }

    fn compiled(source: &str) -> Result<Names, Vec<String>> {
        let file: File = toml::from_str(source).unwrap();
        let mut compiler = Compiler::new("web.toml", source);
        let names = Names::compile(&file.values, &file.list, &["answer"], &mut compiler);
        let wrong: Vec<String> = compiler.errors.iter().map(ToString::to_string).collect();
        if wrong.is_empty() {
            Ok(names)
        } else {
            Err(wrong)
        }
    }

    fn value(source: &str, name: &str) -> Result<String, String> {
        let mut scope = Scope::from([("answer".to_owned(), Value::from(vec![1, 2, 3, 4]))]);
        let names = compiled(source).map_err(|wrong| wrong.join("\n"))?;
        names
            .add_to(&mut scope)
            .map_err(|error| error.to_string())?;
        Ok(scope[name].to_string())
    }

    #[test]
    fn a_list_is_made_of_the_items_that_fit_and_names_may_read_each_other() {
        let source = "let.least = '2'\nlet.count = 'kept | length'\n\
            list.kept = { of = 'answer', where = 'it > least', give = 'it * 10' }\n\
            list.all = { of = 'kept' }";
        assert_eq!(value(source, "kept").unwrap(), "[30, 40]");
        assert_eq!(value(source, "all").unwrap(), "[30, 40]");
        assert_eq!(value(source, "count").unwrap(), "2");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (source, told) in [
            (
                "let.it = '1'",
                "web.toml:1: `it` cannot be the name of a value here",
            ),
            (
                "let.answer = '1'",
                "web.toml:1: `answer` cannot be the name of a value here",
            ),
            (
                "let.a = '1'\nlist.a = { of = 'answer' }",
                "web.toml:1: `a` cannot be the name of a value here",
            ),
            ("let.a = 'b'\nlet.b = 'a'", "web.toml:1: `a` reads itself"),
            (
                "let.a = 'it'",
                "web.toml:1: reads `it`; it can read `answer`, `a`",
            ),
            ("list.a = { of = '7' }", "web.toml:1: is no list"),
            (
                "\nlist.a = { of = 'answer', give = 'it.port.number' }",
                "web.toml:2: `it.port` is undefined",
            ),
        ] {
            let found = value(source, "a").unwrap_err();
            assert!(found.starts_with(told), "{source}: {found}");
        }
    }

    #[test]
    fn no_name_has_more_than_others_can_take() {
        let texts = "let.a = '\"%9000000d\" | format(1)'\nlet.b = 'a ~ a'";
        let told = "web.toml:2: `b` has more than 100000 entries, or 16 MiB of text";
        assert_eq!(value(texts, "b").unwrap_err(), told);
        let tenfold = |of: &str| [of; 10].join(", ");
        let mut lists = format!("let.a0 = '[{}]'", tenfold("1"));
        for depth in 1..9 {
            let inner = tenfold(&format!("a{}", depth - 1));
            let _ = write!(lists, "\nlet.a{depth} = '[{inner}]'");
        }
        let told = "web.toml:5: `a4` has more than 100000 entries, or 16 MiB of text";
        assert_eq!(value(&lists, "a8").unwrap_err(), told);
    }
}
