//! The kernel command line that `grub-mkconfig` makes of `/etc/default/grub` and the files beside it, which
//! it sources one after the other.

use super::{ConfigFiles, How, Overruled, Place, Setting};

/// The variables that make the command line of a normal entry, in their order on it.
const VARIABLES: [&str; 2] = ["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"];

/// Prints the command line of the next boot: of the boot loader's first entry, where there is one, or that
/// of the `NixOS` that runs, since a commit makes it the next.
pub const NEXT_BOOT: &str = r#"if [ -r /run/current-system/kernel-params ]; then
  printf 'next='; cat /run/current-system/kernel-params; echo
else
  awk '$1 == "linux" { $1 = "next="; print; exit }' /boot/grub/grub.cfg 2>/dev/null || :
fi"#;

/// A word of the command line and the assignment that set it.
#[derive(Debug, Clone)]
struct Word {
    text: String,
    place: Place,
}

/// What an assignment left behind: words that it dropped, with the assignment that did.
struct Dropped {
    word: Word,
    by: Setting,
}

/// What the next `update-grub` makes of the files; `None` where a line of them is more than an assignment.
struct CommandLine {
    words: Vec<Word>,
    dropped: Vec<Dropped>,
}

/// What the file at `path` puts on the command line and others take off it or say otherwise.
pub(super) fn overruled(
    path: &str,
    files: &ConfigFiles,
    is_ours: impl Fn(&str) -> bool,
) -> Vec<Overruled> {
    let Some(line) = evaluate(files) else {
        return Vec::new();
    };
    let setting = |word: &Word| Setting {
        key: word.text.clone(),
        value: word.text.clone(),
        place: word.place.clone(),
    };
    let dropped = line
        .dropped
        .iter()
        .filter(|dropped| dropped.word.place.file == path && !is_ours(&dropped.by.place.file))
        .filter(|dropped| !line.words.iter().any(|word| word.text == dropped.word.text))
        .map(|dropped| Overruled {
            how: How::Later,
            ours: setting(&dropped.word),
            theirs: dropped.by.clone(),
        });
    let outvoted = line.words.iter().enumerate().filter_map(|(n, word)| {
        let (key, _) = word.text.split_once('=')?;
        // Every console= counts; of the others the last one does.
        if word.place.file != path || key == "console" {
            return None;
        }
        let prefix = format!("{key}=");
        let last = line.words[n + 1..]
            .iter()
            .rfind(|w| w.text.starts_with(&prefix))?;
        (last.text != word.text && !is_ours(&last.place.file)).then(|| Overruled {
            how: How::Later,
            ours: setting(word),
            theirs: setting(last),
        })
    });
    dropped.chain(outvoted).collect()
}

fn evaluate(files: &ConfigFiles) -> Option<CommandLine> {
    let drop_ins = files
        .paths()
        .filter(|path| path.starts_with("/etc/default/grub.d/"));
    let mut values: [Vec<Word>; 2] = Default::default();
    let mut dropped = Vec::new();
    for path in std::iter::once("/etc/default/grub").chain(drop_ins) {
        for (line, text) in files.lines(path) {
            let text = text.trim();
            if !text.contains("GRUB_CMDLINE_LINUX") {
                continue;
            }
            let text = text.strip_prefix("export ").unwrap_or(text);
            let (name, value) = text.split_once('=')?;
            let Some(at) = VARIABLES.iter().position(|variable| *variable == name) else {
                // GRUB_CMDLINE_LINUX_RECOVERY and the like are other entries.
                if name.starts_with("GRUB_CMDLINE_LINUX_") && !name.contains('+') {
                    continue;
                }
                return None;
            };
            let place = Place {
                file: path.to_owned(),
                line,
            };
            let new = words(value, &values, &place)?;
            let kept = |word: &Word| {
                new.iter()
                    .any(|w| w.text == word.text && w.place == word.place)
            };
            let by = Setting {
                key: name.to_owned(),
                value: value.to_owned(),
                place,
            };
            dropped.extend(
                values[at]
                    .iter()
                    .filter(|word| !kept(word))
                    .map(|word| Dropped {
                        word: word.clone(),
                        by: by.clone(),
                    }),
            );
            values[at] = new;
        }
    }
    let [first, second] = values;
    Some(CommandLine {
        words: first.into_iter().chain(second).collect(),
        dropped,
    })
}

/// The words of `"…"`, `'…'` or a bare word, with the variables in it filled in.
fn words(value: &str, values: &[Vec<Word>; 2], place: &Place) -> Option<Vec<Word>> {
    let literal = value.strip_prefix('\'').map(|rest| rest.split_once('\''));
    let text = match literal {
        Some(inner) => inner?.0,
        None => match value.strip_prefix('"') {
            Some(rest) => rest.split_once('"')?.0,
            None => value.split_whitespace().next().unwrap_or_default(),
        },
    };
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let variable = VARIABLES.iter().position(|name| {
            literal.is_none()
                && (word.strip_prefix('$') == Some(name) || word == format!("${{{name}}}"))
        });
        match variable {
            Some(at) => words.extend(values[at].iter().cloned()),
            // Another variable, or a command.
            None if literal.is_none() && word.contains(['$', '`', '\\']) => return None,
            None => words.push(Word {
                text: word.to_owned(),
                place: place.clone(),
            }),
        }
    }
    Some(words)
}
