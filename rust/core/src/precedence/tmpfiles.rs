//! tmpfiles.d(5): of several lines about one path the first counts, by the name of its file.

use super::files::PLACES;
use super::{ConfigFiles, How, Overruled, Setting};

/// A line about a path.
struct Line {
    setting: Setting,
    /// Whether it is about the whole path, and thus excludes other lines.
    owns: bool,
    /// `+`: it counts after all that was said before.
    replaces: bool,
}

/// The paths that the file at `path` is about and another file has the word on.
pub(super) fn overruled(
    path: &str,
    files: &ConfigFiles,
    is_ours: impl Fn(&str) -> bool,
) -> Vec<Overruled> {
    let lines = lines(files);
    let ours = lines.iter().filter(|line| line.setting.place.file == path);
    ours.filter_map(|ours| {
        let about_it = || {
            lines.iter().filter(|line| {
                line.owns == ours.owns
                    && line.setting.key == ours.setting.key
                    && (ours.owns || is_alike(&line.setting, &ours.setting))
            })
        };
        let last = about_it().rfind(|line| line.replaces || !ours.owns);
        let winner = last.or_else(|| about_it().next())?;
        let theirs = &winner.setting;
        if is_ours(&theirs.place.file) || theirs.value == ours.setting.value {
            return None;
        }
        let how = if last.is_some() {
            How::Later
        } else {
            How::Earlier
        };
        Some(Overruled {
            how,
            ours: ours.setting.clone(),
            theirs: theirs.clone(),
        })
    })
    .collect()
}

/// Whether two lines that adjust a path adjust the same of it: its owner and mode, its attributes or its ACL.
fn is_alike(a: &Setting, b: &Setting) -> bool {
    let adjusts = |setting: &Setting| setting.value.chars().next().map(|c| c.to_ascii_lowercase());
    let of = |setting| match adjusts(setting) {
        Some('m') => Some('z'),
        other => other,
    };
    of(a) == of(b)
}

/// Every line in the order in which it is read.
fn lines(files: &ConfigFiles) -> Vec<Line> {
    let mut lines = Vec::new();
    for file in files.drop_ins(&PLACES, &["tmpfiles.d"]) {
        for (line, text) in files.lines(file) {
            let mut words = text.split_whitespace();
            let (Some(kind), Some(path)) = (words.next(), words.next()) else {
                continue;
            };
            let Some(letter) = kind.chars().next() else {
                continue;
            };
            let rest: Vec<&str> = words.filter(|word| *word != "-").collect();
            let value = format!("{letter} {}", rest.join(" "));
            let path = path.trim_matches('"');
            let path = if path.len() > 1 {
                path.trim_end_matches('/')
            } else {
                path
            };
            lines.push(Line {
                setting: Setting::new(path, value.trim_end(), file, line),
                owns: !matches!(letter, 'z' | 'Z' | 'm' | 't' | 'T' | 'a' | 'A' | 'h' | 'H'),
                replaces: kind.contains('+'),
            });
        }
    }
    lines
}
