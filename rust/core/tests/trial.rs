//! Every concern that the program contains stands the trials that `deployctl concern test` makes.

use std::fmt::Write as _;

use deployctl_core::concern::Folders;
use deployctl_core::trial::{Bench, Outcome};

#[test]
fn every_built_in_concern_stands_its_trials() {
    let folders = Folders::built_in();
    let bench = Bench::new(folders);
    let (mut refuted, mut all) = (String::new(), String::new());
    for (name, _) in folders.iter() {
        for trial in bench.trials(name) {
            let what = trial.what;
            let told = match trial.outcome {
                Outcome::Proven(found) => format!("pass  {name}/{what}  {found}"),
                Outcome::NotTried(reason) => format!("skip  {name}/{what}  {reason}"),
                Outcome::Refuted { found, .. } => {
                    let _ = writeln!(refuted, "{name}/{what}: {found}");
                    continue;
                }
            };
            let _ = writeln!(all, "{told}");
        }
    }
    println!("{all}");
    assert!(refuted.is_empty(), "\n{refuted}");
}
