//! `--review`: shows every difference, and a person decides about it.

use deployctl_checks::accepted::{Change, Difference};

use super::snapshots::Snapshots;
use crate::failure::Failure;
use crate::show;
use crate::ui::{Tone, Ui};

/// What a person decided about one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Accept,
    Reject,
    Skip,
}

const KEYS: &str = "  a  accept: write it to the file
  r  reject: it is wrong, and stays a difference
  s  skip: leave it for later
  A  accept this and all that follow of this host
  q  quit: skip all that follow
";

/// Asks about every change; accepted ones are written host by host, so that nothing is lost by quitting.
/// Returns how many were rejected.
pub(super) fn review(
    ui: Ui,
    snapshots: &mut Snapshots,
    differences: &[Difference],
) -> Result<usize, Failure> {
    let total: usize = differences.iter().map(|one| one.changes.len()).sum();
    let mut told = 0;
    let mut rejected = 0;
    let mut quit = false;
    if total == 0 {
        ui.say("nothing differs from what was accepted");
    }
    for difference in differences {
        let mut answers = Vec::new();
        let mut rest = None;
        for change in &difference.changes {
            told += 1;
            let answer = match rest {
                _ if quit => Answer::Skip,
                _ if !change.can_be_accepted() => {
                    show_change(ui, difference, change, told, total);
                    ui.say("  skipped: nothing could be read, so there is nothing to accept");
                    Answer::Skip
                }
                Some(answer) => answer,
                None => {
                    show_change(ui, difference, change, told, total);
                    match ask(ui)? {
                        'a' => Answer::Accept,
                        'r' => Answer::Reject,
                        'A' => *rest.insert(Answer::Accept),
                        'q' => {
                            quit = true;
                            Answer::Skip
                        }
                        _ => Answer::Skip,
                    }
                }
            };
            rejected += usize::from(answer == Answer::Reject);
            answers.push((change.check.as_str(), answer));
        }
        let taken = snapshots.accept(difference, |change| {
            answers.contains(&(change.check.as_str(), Answer::Accept))
        })?;
        let number = |wanted| {
            answers
                .iter()
                .filter(|(_, answer)| *answer == wanted)
                .count()
        };
        ui.say(&format!(
            "{}: {taken} accepted, {} rejected, {} skipped",
            difference.host,
            number(Answer::Reject),
            number(Answer::Skip)
        ));
    }
    Ok(rejected)
}

fn show_change(ui: Ui, difference: &Difference, change: &Change, told: usize, total: usize) {
    let place = format!("{told} of {total}");
    ui.say(&format!(
        "\n{}  {}  {}",
        Tone::Dim.of(&place),
        Tone::Bold.of(difference.host.as_str()),
        Tone::Dim.of(&difference.file)
    ));
    ui.say(show::accepted_change(change).trim_end());
}

/// One letter of those that mean something. The end of the input is quitting.
fn ask(ui: Ui) -> Result<char, Failure> {
    loop {
        let Some(line) = Ui::ask("  accept, reject or skip? [a/r/s/A/q/?] ")? else {
            return Ok('q');
        };
        match line.trim() {
            "a" | "accept" | "y" | "yes" => return Ok('a'),
            "r" | "reject" | "n" | "no" => return Ok('r'),
            "s" | "skip" => return Ok('s'),
            "A" => return Ok('A'),
            "q" | "quit" => return Ok('q'),
            _ => ui.say(KEYS.trim_end()),
        }
    }
}
