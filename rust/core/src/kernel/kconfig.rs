//! Reads Kconfig files as far as it takes to say why a symbol did not come out as wanted.

use std::collections::BTreeMap;

use super::expression::Expression;

/// Deepest chain of `source`.
const DEPTH: usize = 32;

/// One place that defines a symbol. A symbol may have several.
#[derive(Debug, Clone, Default)]
pub struct Definition {
    /// `drivers/net/Kconfig:12`.
    pub at: String,
    /// Whether people are asked: without a prompt, only defaults and other symbols set it.
    pub prompt: bool,
    /// Whether it is on or off, never a module: then a module suffices for what it depends on.
    pub(super) switch: bool,
    /// When they are asked.
    pub(super) prompt_if: Option<Expression>,
    /// All of these must hold: its own, and those of the menus and ifs around it.
    pub(super) depends: Vec<Expression>,
    /// The choice that it is one of.
    pub(super) choice: Option<usize>,
    /// What it forces on, and when.
    selects: Vec<(String, Option<Expression>)>,
}

/// What the Kconfig files of a source say.
#[derive(Debug, Clone, Default)]
pub struct Kconfig {
    symbols: BTreeMap<String, Vec<Definition>>,
    choices: usize,
}

impl Kconfig {
    /// Reads `Kconfig` and all that it sources. `architecture` replaces `$(SRCARCH)`; `read` returns
    /// the text of a file by its path in the source, `None` if it does not exist.
    pub fn read(architecture: &str, read: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut reader = Reader {
            kconfig: Self::default(),
            architecture,
            read,
            around: Vec::new(),
        };
        reader.file("Kconfig", 0);
        reader.kconfig
    }

    /// Where a symbol is defined.
    pub fn definitions(&self, symbol: &str) -> &[Definition] {
        self.symbols.get(symbol).map_or(&[], Vec::as_slice)
    }

    /// Every symbol's name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.symbols.keys().map(String::as_str)
    }

    /// The members of a choice.
    pub(super) fn members(&self, choice: usize) -> impl Iterator<Item = &str> {
        self.symbols
            .iter()
            .filter(move |(_, at)| at.iter().any(|d| d.choice == Some(choice)))
            .map(|(name, _)| name.as_str())
    }

    /// Who forces `symbol` on, and when.
    pub(super) fn selecting<'a>(
        &'a self,
        symbol: &'a str,
    ) -> impl Iterator<Item = (&'a str, Option<&'a Expression>)> {
        self.symbols.iter().flat_map(move |(name, definitions)| {
            definitions
                .iter()
                .flat_map(|definition| &definition.selects)
                .filter(move |(target, _)| target == symbol)
                .map(move |(_, when)| (name.as_str(), when.as_ref()))
        })
    }
}

/// What encloses an entry.
#[derive(Debug, Default)]
struct Around {
    word: &'static str,
    depends: Vec<Expression>,
    choice: Option<usize>,
}

struct Reader<'a> {
    kconfig: Kconfig,
    architecture: &'a str,
    read: &'a dyn Fn(&str) -> Option<String>,
    around: Vec<Around>,
}

/// What attributes belong to.
enum Entry {
    Symbol(String, Definition),
    /// A menu or a choice: the last of what is around.
    Block,
    /// A comment, or nothing.
    Other,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, depth: usize) {
        let Some(text) = (self.read)(path) else {
            return;
        };
        let outside = self.around.len();
        let mut entry = Entry::Other;
        let mut lines = logical_lines(&text).into_iter().peekable();
        while let Some((number, line)) = lines.next() {
            let (word, rest) = split_word(&line);
            match word {
                "config" | "menuconfig" => {
                    self.finish(entry);
                    let definition = Definition {
                        at: format!("{path}:{number}"),
                        choice: self.around.iter().rev().find_map(|around| around.choice),
                        ..Definition::default()
                    };
                    entry = Entry::Symbol(rest.trim().to_owned(), definition);
                }
                "menu" | "choice" | "if" => {
                    self.finish(entry);
                    entry = self.open(word, rest);
                }
                "endmenu" | "endchoice" | "endif" => {
                    self.finish(entry);
                    entry = Entry::Other;
                    if self.around.len() > outside {
                        self.around.pop();
                    }
                }
                "source" => {
                    self.finish(entry);
                    entry = Entry::Other;
                    if depth < DEPTH {
                        let named = rest.trim().trim_matches('"');
                        let named = named.replace("$(SRCARCH)", self.architecture);
                        self.file(&named, depth + 1);
                    }
                }
                "comment" | "mainmenu" => {
                    self.finish(entry);
                    entry = Entry::Other;
                }
                "help" | "---help---" => {
                    // Its text is what is indented at least as far as its first line.
                    let mut margin = None;
                    let mut is_text = |(_, line): &(usize, String)| {
                        let indent = indent(line);
                        let blank = line.trim().is_empty();
                        blank || (indent > 0 && indent >= *margin.get_or_insert(indent))
                    };
                    while lines.next_if(&mut is_text).is_some() {}
                }
                _ => self.attribute(&mut entry, word, rest),
            }
        }
        self.finish(entry);
        self.around.truncate(outside);
    }

    fn open(&mut self, word: &str, rest: &str) -> Entry {
        let mut around = Around::default();
        let entry = match word {
            "if" => {
                around.word = "if";
                around.depends.push(Expression::parse(rest));
                Entry::Other
            }
            "choice" => {
                around.word = "choice";
                around.choice = Some(self.kconfig.choices);
                self.kconfig.choices += 1;
                Entry::Block
            }
            _ => {
                around.word = "menu";
                Entry::Block
            }
        };
        self.around.push(around);
        entry
    }

    fn attribute(&mut self, entry: &mut Entry, word: &str, rest: &str) {
        match entry {
            Entry::Symbol(_, definition) => match word {
                "bool" | "def_bool" | "tristate" | "int" | "hex" | "string" | "prompt" => {
                    definition.switch |= matches!(word, "bool" | "def_bool");
                    if let Some((_, when)) = prompt(rest) {
                        definition.prompt = true;
                        definition.prompt_if = when;
                    }
                }
                "depends" => definition.depends.extend(depends(rest)),
                "select" => {
                    let (target, when) = conditional(rest);
                    definition.selects.push((target.to_owned(), when));
                }
                _ => {}
            },
            Entry::Block if word == "depends" => {
                if let Some(around) = self.around.last_mut() {
                    around.depends.extend(depends(rest));
                }
            }
            Entry::Block | Entry::Other => {}
        }
    }

    fn finish(&mut self, entry: Entry) {
        let Entry::Symbol(name, mut definition) = entry else {
            return;
        };
        let outer = self.around.iter().flat_map(|around| around.depends.clone());
        definition.depends.extend(outer);
        self.kconfig
            .symbols
            .entry(name)
            .or_default()
            .push(definition);
    }
}

/// The expression of `depends on …`.
fn depends(rest: &str) -> Option<Expression> {
    let rest = rest.trim().strip_prefix("on")?;
    Some(Expression::parse(rest))
}

/// `"text" if EXPRESSION`.
fn prompt(rest: &str) -> Option<(&str, Option<Expression>)> {
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c))?;
    let (text, rest) = rest[1..].split_once(quote)?;
    let when = rest.trim().strip_prefix("if ").map(Expression::parse);
    Some((text, when))
}

/// `TARGET if EXPRESSION`.
fn conditional(rest: &str) -> (&str, Option<Expression>) {
    let (target, rest) = split_word(rest.trim());
    let when = rest.trim().strip_prefix("if ").map(Expression::parse);
    (target, when)
}

/// The first word and what follows it.
fn split_word(line: &str) -> (&str, &str) {
    let line = line.trim_start();
    let end = line
        .find(|c: char| c.is_whitespace() || c == '"')
        .unwrap_or(line.len());
    line.split_at(end)
}

/// Columns of white space before a line's text.
fn indent(line: &str) -> usize {
    line.chars()
        .take_while(|c| c.is_whitespace())
        .fold(0, |at, c| if c == '\t' { at / 8 * 8 + 8 } else { at + 1 })
}

/// Lines by number, with those joined that end with a backslash, without comments.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (number, line) in text.lines().enumerate() {
        let (line, more) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        if let (true, Some((_, last))) = (continues, lines.last_mut()) {
            last.push(' ');
            last.push_str(line.trim_start());
        } else {
            let comment = line.trim_start().starts_with('#');
            lines.push((
                number + 1,
                if comment {
                    String::new()
                } else {
                    line.to_owned()
                },
            ));
        }
        continues = more;
    }
    // A comment behind an attribute; texts with `#` in them have no place in what is read here.
    for (_, line) in &mut lines {
        if let Some(at) = line.find(" #").filter(|at| !line[..*at].contains('"')) {
            line.truncate(at);
        }
    }
    lines
}
