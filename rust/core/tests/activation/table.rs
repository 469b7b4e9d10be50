//! Every pair of things that can happen to an apply, on a host and in the table.

use std::fs;

use deployctl_core::activation::{Action, Event, Phase, command, next};

use crate::sandbox::{SHELLS, Sandbox, Want, apply_id, file};

/// Something that happens, as a caller or the world brings it about.
pub(crate) const EVENTS: [Event; 7] = [
    Event::Confirmed,
    Event::ConfirmedWrongly,
    Event::ConfirmedTooLate,
    Event::DeadlinePassed,
    Event::Interrupted,
    Event::RollbackRequested,
    Event::Stolen,
];

const APPLY: &str = "first-apply";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Brings `event` about.
pub(crate) fn bring(host: &Sandbox, event: Event, times: usize) {
    let deadline = |text: &str| {
        for directory in ["applies/first-apply", "generations/1"] {
            let path = host.state(directory).join("deadline");
            if path.exists() {
                fs::write(path, text).unwrap();
            }
        }
    };
    match event {
        Event::Confirmed => drop(host.confirm(APPLY)),
        Event::ConfirmedWrongly => drop(host.run(&command::confirm(&apply_id(APPLY), "wrong"))),
        Event::ConfirmedTooLate => {
            deadline("0\n");
            host.confirm(APPLY);
        }
        Event::DeadlinePassed => {
            deadline("0\n");
            host.recover(APPLY);
        }
        Event::Interrupted => {
            host.write(BOOT_ID, &format!("boot {times}\n"), 0o644);
            host.recover(APPLY);
        }
        Event::RollbackRequested => {
            drop(host.run(&command::rollback(Some(&apply_id(APPLY)), None)));
        }
        Event::Stolen => {
            let thief = format!("thief-{times}-apply");
            host.put(
                &thief,
                &host.bundle(&thief, 600, &[("/etc/thief", file("x", 0o644))]),
            );
            host.run(&command::start(&apply_id(&thief), true));
            // The thief goes again, so that the next event meets only the first apply.
            host.run(&command::rollback(Some(&apply_id(&thief)), None));
        }
        other => unreachable!("{other:?} does not come from outside"),
    }
}

/// Where the table says that `event` leads, with rollbacks that succeed.
pub(crate) fn expected(phase: Phase, event: Event) -> Phase {
    let step = next(phase, event);
    match step.action {
        Action::RollBack => next(step.phase, Event::RolledBack).phase,
        _ => step.phase,
    }
}

#[test]
fn the_host_goes_where_the_table_says() {
    for first in EVENTS {
        for second in EVENTS {
            // Each shell sees every event first and second, and all pairs are seen by one of them.
            let place = |event| EVENTS.iter().position(|&e| e == event).unwrap();
            let shell = SHELLS[(place(first) + place(second)) % 2];
            {
                let host = Sandbox::new(shell);
                host.write(BOOT_ID, "boot\n", 0o644);
                host.write("/etc/a", "old\n", 0o600);
                let before = host.tree();
                let wanted: &[(&str, Want)] = &[("/etc/a", file("new\n", 0o644))];
                let mut phase = host.apply(APPLY, wanted).phase();
                assert_eq!(phase, Phase::Activated);
                for (times, event) in [first, second].into_iter().enumerate() {
                    bring(&host, event, times);
                    phase = expected(phase, event);
                    let found = host
                        .run(&command::status(&apply_id(APPLY), 0, None))
                        .phase();
                    assert_eq!(
                        found, phase,
                        "{shell}: {first:?}, {second:?}: after {event:?}"
                    );
                }
                host.write(BOOT_ID, "boot\n", 0o644);
                assert_eq!(
                    host.tree() == before,
                    phase == Phase::RolledBack,
                    "{shell}: {first:?}, {second:?}"
                );
                assert_eq!(host.generation(), u32::from(phase == Phase::Committed));
                assert_eq!(
                    host.state("lease").exists(),
                    !phase.is_final(),
                    "{shell}: {first:?}, {second:?}"
                );
            }
        }
    }
}
