//! `--watch`: again and again; after the first round only what changed.

use std::time::Duration;

use deployctl_engine::clock::Clock as _;
use deployctl_report::{Report, Verdict};

use super::run::{Round, VerifyRun};
use crate::failure::Failure;
use crate::moment::time_of_day;
use crate::show;
use crate::ui::Tone;

/// Repeats rounds of checks until it is interrupted; then returns the verdict of the last complete round.
pub(super) async fn watch(run: &mut VerifyRun<'_>, seconds: u32) -> Result<Verdict, Failure> {
    let context = run.context;
    let mut last: Option<Round> = None;
    loop {
        let done = run.once().await?;
        if context.interrupt.thrown() {
            // Broken off half way: it says nothing of the hosts.
            return ended(run, last.as_ref());
        }
        let changed = last
            .as_ref()
            .is_none_or(|last| statuses(&last.report) != statuses(&done.report));
        tell(run, last.as_ref(), &done, seconds);
        if changed {
            run.keep(&done);
        }
        run.write(&done).await?;
        last = Some(done);
        tokio::select! {
            () = context.clock.sleep(Duration::from_secs(seconds.into())) => {}
            () = context.interrupt.wait() => return ended(run, last.as_ref()),
        }
    }
}

fn ended(run: &VerifyRun<'_>, last: Option<&Round>) -> Result<Verdict, Failure> {
    match last {
        Some(last) => Ok(run.verdict(last)),
        None => Err(Failure::new(
            Verdict::Interrupted,
            "interrupted before everything was asked once",
        )),
    }
}

fn tell(run: &VerifyRun<'_>, last: Option<&Round>, done: &Round, seconds: u32) {
    let ui = run.context.ui;
    if ui.json {
        return run.show(done, true);
    }
    let at = time_of_day(done.at);
    match last {
        None => {
            run.show(done, false);
            for line in &done.notes {
                ui.say(&Tone::Dim.of(line));
            }
            let told = format!("asked at {at} UTC, again every {seconds} s; Ctrl-C ends it");
            ui.say(&Tone::Dim.of(&told));
        }
        Some(last) => ui.print(&show::became(&last.report, &done.report, &at)),
    }
}

/// Everything that is reported when it changes.
fn statuses(report: &Report) -> Vec<(&str, &str)> {
    let hosts = report.hosts.iter().flat_map(|host| &host.checks);
    let links = report.links.iter().flat_map(|link| &link.checks);
    hosts
        .chain(links)
        .map(|check| (check.check.as_str(), check.status.word()))
        .collect()
}
