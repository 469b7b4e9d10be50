//! `deployctl verify`

mod review;
mod run;
mod snapshots;
mod watch;

use deployctl_report::Verdict;

use self::run::VerifyRun;
use crate::args;
use crate::context::Context;
use crate::failure::Failure;
use crate::ui::{Tone, Ui};

pub(super) async fn run(context: &Context, args: &args::Verify) -> Result<Verdict, Failure> {
    refuse(context, args)?;
    let mut run = VerifyRun::new(context, args).await?;
    if let Some(seconds) = args.watch {
        return watch::watch(&mut run, seconds).await;
    }
    let done = run.once().await?;
    run.show(&done, false);
    for line in &done.notes {
        context.ui.say(&Tone::Dim.of(line));
    }
    let mut rejected = 0;
    // What was broken off may have ended otherwise when asked again: it is neither right nor a run to remember.
    let whole = !context.interrupt.thrown();
    if !whole {
        if args.accept || args.review {
            context
                .ui
                .say("nothing accepted: interrupted before everything was asked");
        }
    } else if args.accept {
        snapshots::accept_all(
            context.ui,
            &mut run.snapshots,
            &done.report,
            &done.differences,
        )?;
    } else if args.review {
        rejected = review::review(context.ui, &mut run.snapshots, &done.differences)?;
    }
    if whole {
        run.keep(&done);
    }
    run.write(&done).await?;
    let verdict = run.verdict(&done);
    Ok(match verdict {
        Verdict::Done if rejected > 0 => Verdict::Pending,
        verdict => verdict,
    })
}

/// What cannot be, said before anything is asked.
fn refuse(context: &Context, args: &args::Verify) -> Result<(), Failure> {
    let option = if args.accept {
        "--accept"
    } else if args.review {
        "--review"
    } else {
        return Ok(());
    };
    if context.global.sandbox.is_some() {
        return Err(
            Failure::usage(format!("`{option}`: a sandbox answers no check"))
                .hint("accept what real hosts answer"),
        );
    }
    if args.review && context.global.json {
        return Err(
            Failure::usage("`--review` asks questions, and `--json` is for programs")
                .hint("without a terminal, pass `--accept`, then look at `git diff`"),
        );
    }
    if args.review && !Ui::is_attended() {
        return Err(Failure::usage("`--review`: there is no terminal to answer")
            .hint("without a terminal, pass `--accept`, then look at `git diff`"));
    }
    Ok(())
}
