//! Trading hours, in which a host must not be loaded.

use deployctl_checks::{self as checks, Check, CheckResult};
use deployctl_core::name::HostName;
use deployctl_core::plan::{BlackoutState, ask_blackouts, blackouts_now};

use super::Run;
use super::connection::Connection;

/// The result of `check` if it must not load `host` now, by the host's clock or this machine's; `None` if it may.
pub(super) async fn refusal(
    run: &Run,
    host: &HostName,
    connection: &mut Connection,
    check: &Check,
) -> Option<CheckResult> {
    if run.options.force {
        return None;
    }
    let windows = run.sessions(host);
    let query = ask_blackouts(windows)?;
    let asked = connection.ask(std::slice::from_ref(&query), &run.context.interrupt);
    match asked.await {
        Err(error) => Some(checks::broken(check, &error.words())),
        Ok(answers) => match blackouts_now(
            windows,
            answers.get(&query.id),
            run.context.clock.unix_seconds(),
        ) {
            BlackoutState::Closed => None,
            BlackoutState::Open(why) => {
                let reason = format!("not while {why} on `{host}`; `--force` passes over it");
                Some(checks::skip(check, &reason))
            }
            BlackoutState::Unknown(why) => {
                let reason = format!("{why} on `{host}`; install `tzdata` there, or `--force`");
                Some(checks::broken(check, &reason))
            }
        },
    }
}
