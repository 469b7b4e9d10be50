//! `deployctl concern test`

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use deployctl_core::concern::{Concern, Folder, Folders, Origin};
use deployctl_core::inventory::Platform;
use deployctl_core::name::ConcernName;
use deployctl_engine::nix::Nix;
use deployctl_report::text::{self, Beside};
use deployctl_report::{ConcernReport, Report, Verdict};
use deployctl_trial::{Evaluated, Trial, TrialFolders, answers, nix_trials, result};

use super::super::pages::Pages;
use crate::args;
use crate::context::Context;
use crate::failure::Failure;
use crate::show;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::ConcernTest) -> Result<Verdict, Failure> {
    let pages = Pages::new(args.junit.as_deref(), None)?;
    let folders = context.folders()?;
    let chosen = chosen(&folders, &args.names)?;
    let trial_folders = TrialFolders::new(&folders, &deployctl_checks::judges());
    let tried = without_nix(&trial_folders, &chosen);
    let mut report = Report::new("concern test", Vec::new());
    let mut invalid = false;
    for ((name, folder), mut trials) in chosen.into_iter().zip(tried) {
        let concern = ConcernName::new(name).map_err(|error| {
            Failure::of(Verdict::Usage, &error).hint(format!("rename `{}`", folder.place))
        })?;
        if let Some(concern) = trial_folders.concern(name) {
            trials.extend(nix(context, &trial_folders, concern).await);
        }
        let checks = trials.iter().map(|it| result(&concern, it));
        invalid |= trials.iter().any(Trial::is_invalid);
        report.concerns.push(ConcernReport {
            checks: checks.collect(),
            folder: folder.place.clone(),
            concern,
        });
    }
    if context.ui.json {
        Ui::print_json(&report);
    } else {
        context.ui.print(&show::checks(&report, &Beside::default()));
    }
    let about = context.about(context.now()).await;
    pages.write(|| text::junit(&report, &about), String::new)?;
    Ok(if invalid {
        Verdict::Usage
    } else {
        report.verdict(false)
    })
}

/// The trials of each folder that need no Nix, as many folders at once as there are processors.
fn without_nix(trial_folders: &TrialFolders, chosen: &[(&str, &Folder)]) -> Vec<Vec<Trial>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut tried = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((name, folder)) = chosen.get(at) else {
                return tried;
            };
            let mut trials = trial_folders.trials(name);
            if let Some(concern) = trial_folders.concern(name) {
                trials.extend(answers::trials(trial_folders, concern, folder));
            }
            tried.push((at, trials));
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let tried: BTreeMap<usize, Vec<Trial>> = thread::scope(|scope| {
        let workers = (0..processors.min(chosen.len())).map(|_| scope.spawn(work));
        let workers: Vec<_> = workers.collect();
        let tried = workers.into_iter().map(thread::ScopedJoinHandle::join);
        tried
            .flat_map(|it| it.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    tried.into_values().collect()
}

/// Tries the modules of `concern` for the platforms that Nix builds.
async fn nix(context: &Context, trial_folders: &TrialFolders, concern: &Concern) -> Vec<Trial> {
    let top = context.repo().ok();
    // The program contains no modules for Nix.
    let folder = top.filter(|_| concern.origin != Origin::BuiltIn);
    let folder = folder.map(|top| top.join(&concern.place));
    let mut trials = Vec::new();
    for platform in Platform::ALL.into_iter().filter(|it| it.runs_closure()) {
        let inventories = trial_folders.nix_inventories(concern, platform);
        let evaluated = match &folder {
            Some(folder) if concern.is_for(platform) => {
                let nix = Nix::default();
                nix.evaluate_module(folder, platform, &inventories).await
            }
            _ => Evaluated::NoModule,
        };
        trials.extend(nix_trials(concern, platform, &evaluated));
        if platform == Platform::Nixos {
            trials.extend(trial_folders.parity_trial(concern, &evaluated));
        }
    }
    trials
}

/// The folders that `names` name; where they name none, all of the repository.
fn chosen<'a>(
    folders: &'a Folders,
    names: &'a [String],
) -> Result<Vec<(&'a str, &'a Folder)>, Failure> {
    let own = |folder: &Folder| folder.origin != Origin::BuiltIn;
    let chosen: Vec<_> = folders
        .iter()
        .filter(|(name, folder)| {
            let asked_for = names.iter().any(|it| it == name);
            asked_for || (names.is_empty() && own(folder))
        })
        .collect();
    let missing = names
        .iter()
        .find(|name| !chosen.iter().any(|(it, _)| it == name));
    if let Some(missing) = missing {
        return Err(super::unknown(missing, folders));
    }
    if chosen.is_empty() {
        return Err(Failure::usage("the repository has no concerns of its own")
            .hint("`deployctl concern new NAME` writes one; `deployctl concern test time` tries one that is built in"));
    }
    Ok(chosen)
}
