//! Artifacts in a plan: which, from where, how much.

use std::fmt::Write as _;

use deployctl_core::artifact::Source;
use deployctl_core::name::ArtifactPath;
use deployctl_core::plan::ArtifactChange;

use super::words::{count, size};
use super::{Style, pad, widest};

/// One line for each, and one for its source.
pub(super) fn artifacts(text: &mut String, changes: &[ArtifactChange], style: Style) {
    if changes.is_empty() {
        return;
    }
    let _ = writeln!(text, "  artifacts");
    let names: Vec<String> = changes
        .iter()
        .map(|change| format!("{} {}", change.kind, change.name))
        .collect();
    let width = widest(names.iter().map(String::as_str));
    for (name, change) in names.iter().zip(changes) {
        let _ = writeln!(
            text,
            "    {}  {}  {}  {}",
            pad(name, width),
            releases(change),
            amount(change),
            style.dim(&format!("[{}]", change.concern))
        );
        let _ = match &change.source {
            Source::Upload(folder) => writeln!(text, "        sent from this machine: {folder}"),
            source => writeln!(text, "        from {source}"),
        };
        if !change.awaits.is_empty() {
            let needs: Vec<String> = change.awaits.iter().map(ToString::to_string).collect();
            let _ = writeln!(
                text,
                "        {} all else is applied first: this needs {}",
                style.warn("in a second step:"),
                needs.join(", ")
            );
        }
    }
}

/// Old and new release.
fn releases(change: &ArtifactChange) -> String {
    let after = change.after.short();
    match &change.before {
        None => format!("new {after}"),
        Some(before) if *before == change.after => format!("{after}, which is missing"),
        Some(before) => format!("{} → {after}", before.short()),
    }
}

/// How much it is, and how much of that is there.
fn amount(change: &ArtifactChange) -> String {
    let mut all = format!("{} in {}", size(change.bytes), count(change.files, "file"));
    if change.made {
        let inputs = change.inputs.iter().map(ArtifactPath::as_str);
        let sources: Vec<&str> = inputs.chain([all.as_str()]).collect();
        all = format!("made on the host from {}", sources.join(", "));
    }
    if change.staged {
        format!("{all}, staged already")
    } else if change.held > 0 {
        format!("{all}, {} of it there", size(change.held))
    } else {
        all
    }
}
