//! Facts that mean something to a program that reads a file: each is rejected, or written so that it is one value.

use std::cell::LazyCell;
use std::ops::Deref;

use serde_json::Value;

use super::example::{Example, Judge};
use super::walk::{self, Steps};
use super::{Outcome, Trial, counted, ubuntu};
use deployctl_core::concern::Concern;
use deployctl_core::inventory::Platform;
use deployctl_core::render::{Syntax, TemplateSet};
use deployctl_core::rendered::{Entry, Rendered};

/// A word that is in every hostile value, and in nothing else.
const MARK: &str = "zq7";

/// Values that mean something to one reader or another, each with the mark.
const HOSTILE: [&str; 18] = [
    "zq7 two words",
    "zq7\nnext=line",
    "zq7\r\nnext",
    "zq7\0nul",
    "zq7\u{1b}[2J",
    "zq7\u{2028}separator",
    "zq7\"double",
    "zq7'single",
    "zq7\\",
    "zq7$(id)",
    "zq7`id`",
    "zq7${HOME}",
    "zq7%h%n",
    "zq7;id",
    "zq7#comment",
    "zq7{{ 7 * 7 }}{% raw %}",
    "-zq7",
    "../../zq7",
];

/// What became of the hostile values.
#[derive(Default)]
struct Tally {
    /// Rejected as a fact, with a message.
    facts: usize,
    /// Rejected by a template, with a message.
    templates: usize,
    /// Written so that its reader gets it as it is.
    escaped: usize,
    /// In a file of plain syntax, which no program reads.
    plain: usize,
    /// The whole content of a file, which is a fact as it stands.
    literal: usize,
    /// Accepted, and in no file.
    nowhere: usize,
    /// Changed the file.
    bad: Vec<String>,
}

impl Tally {
    /// The count of values that are where `tree` has the mark.
    fn place_of(&mut self, tree: &Rendered, templates: &TemplateSet) -> &mut usize {
        let mut places = tree
            .entries
            .values()
            .filter_map(|entry| match &entry.entry {
                Entry::File { content, .. } if content.contains(MARK) => {
                    Some(entry.template.as_ref())
                }
                _ => None,
            });
        match places.next() {
            Some(Some(template)) if templates.syntax(template) == Some(Syntax::Plain) => {
                &mut self.plain
            }
            Some(Some(_)) => &mut self.escaped,
            Some(None) => &mut self.literal,
            None => &mut self.nowhere,
        }
    }

    fn words(&self) -> String {
        let counts = [
            (self.facts, "rejected as facts"),
            (self.templates, "rejected by templates"),
            (self.escaped, "escaped"),
            (self.plain, "as they are in a `plain` file"),
            (self.literal, "as a file's whole content"),
            (self.nowhere, "in no file"),
        ];
        let told = counts.into_iter().filter(|(count, _)| *count > 0);
        told.map(|(count, what)| format!("{count} {what}"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// Puts every hostile value into every text of every example.
pub(super) fn trial(
    concern: &Concern,
    examples: &[&Example],
    judge: &Judge<'_>,
    templates: &TemplateSet,
) -> Trial {
    let expected =
        "a text with quotes, line ends, `$()` or `%` is rejected, or escaped by the file's syntax";
    let not_tried =
        |reason: String| Trial::new("ubuntu/hostile", expected, Outcome::NotTried(reason));
    if let Some(reason) = concern.manifest.unavailable(Platform::Ubuntu) {
        return not_tried(format!("not for ubuntu: {reason}"));
    }
    let (mut tally, mut places) = (Tally::default(), 0);
    for example in examples {
        let inventory = example.inventory();
        let whole = ubuntu::tree(concern, &inventory, templates);
        let alone = ubuntu::tree_alone(concern, &inventory, templates);
        let try_one = TryOne {
            concern,
            example,
            judge,
            templates,
            alone: alone.is_ok() && alone.ok() == whole.ok(),
        };
        for (steps, value) in walk::leaves(&example.facts) {
            if let Value::String(text) = value {
                places += 1;
                try_one.place(&steps, text, &mut tally);
            }
        }
    }
    if places == 0 {
        return not_tried("no fact of its examples is a text".to_owned());
    }
    let outcome = match tally.bad.first() {
        Some(first) => Outcome::refuted(
            first,
            "write the value by `{{ … }}` in a file whose `syntax` is its reader's, or let the schema reject it",
        ),
        None => Outcome::Proven(format!("{}: {}", counted(places, "text"), tally.words())),
    };
    Trial::new("ubuntu/hostile", expected, outcome)
}

struct TryOne<'a> {
    concern: &'a Concern,
    example: &'a Example,
    judge: &'a Judge<'a>,
    templates: &'a TemplateSet,
    /// Whether the concern puts the same on the host where the others' modules are not rendered.
    alone: bool,
}

impl TryOne<'_> {
    /// Tries one text, alone and behind what the example has there.
    fn place(&self, steps: &Steps, text: &str, tally: &mut Tally) {
        // Changes conditions as a hostile value does, and is harmless.
        let benign = LazyCell::new(|| {
            [MARK.to_owned(), format!("{text}{MARK}")]
                .iter()
                .find_map(|value| self.tree(steps, value).ok().flatten())
        });
        for hostile in HOSTILE {
            let alone = hostile.to_owned();
            match self.tree(steps, &alone) {
                // Another beginning may be all that was missing.
                Ok(None) => {
                    let behind = format!("{text}{hostile}");
                    let tree = self.tree(steps, &behind);
                    self.count(steps, &behind, tree, &benign, tally);
                }
                tree => self.count(steps, &alone, tree, &benign, tally),
            }
        }
    }

    fn count(
        &self,
        steps: &Steps,
        value: &str,
        tree: Result<Option<Rendered>, ()>,
        benign: &impl Deref<Target = Option<Rendered>>,
        tally: &mut Tally,
    ) {
        match tree {
            Ok(None) => tally.facts += 1,
            Err(()) => tally.templates += 1,
            Ok(Some(tree)) => match self.fault(&tree, benign.as_ref(), value) {
                None => *tally.place_of(&tree, self.templates) += 1,
                Some(fault) => {
                    let place = walk::shown(self.concern.name.as_str(), steps);
                    tally.bad.push(format!("`{place}` = {value:?}: {fault}"));
                }
            },
        }
    }

    /// What is rendered with `value` at `steps`; `None` where it is rejected as a fact, an error where by a template.
    fn tree(&self, steps: &Steps, value: &str) -> Result<Option<Rendered>, ()> {
        let facts = walk::replaced(&self.example.facts, steps, value.into());
        if !self.judge.takes(self.example, &facts) {
            return Ok(None);
        }
        let inventory = self.example.inventory_with(Some(&facts));
        let tree = if self.alone {
            ubuntu::tree_alone
        } else {
            ubuntu::tree
        };
        let tree = tree(self.concern, &inventory, self.templates);
        tree.map(Some).map_err(|_| ())
    }

    /// How `value` changed a file in another way than a harmless one does.
    fn fault(&self, tree: &Rendered, benign: Option<&Rendered>, value: &str) -> Option<String> {
        for (path, entry) in &tree.entries {
            // A file without a template is a fact as it stands.
            let (Entry::File { content, .. }, Some(template)) = (&entry.entry, &entry.template)
            else {
                continue;
            };
            let line_ends = |text: &str| text.matches('\n').count();
            let control = |c: char| c.is_control() && c != '\n' && c != '\t';
            if content.contains(control) {
                return Some(format!("`{path}` holds a control character"));
            }
            let harmless = benign.and_then(|tree| match &tree.entries.get(path)?.entry {
                Entry::File { content, .. } => Some(content),
                _ => None,
            });
            if harmless.is_some_and(|harmless| line_ends(harmless) != line_ends(content)) {
                return Some(format!("`{path}` has other lines"));
            }
            let syntax = self.templates.syntax(template)?;
            let mut rest = content.clone();
            for written in [syntax.word(value), syntax.line(value)]
                .into_iter()
                .flatten()
            {
                rest = rest.replace(&written, "");
            }
            if rest.contains(value) {
                let syntax = syntax.name();
                return Some(format!(
                    "`{path}` holds it as no value of `{syntax}` syntax"
                ));
            }
        }
        None
    }
}
