//! The rollout against a scripted host and a clock that only moves when the engine waits: what happens, in
//! what order, and how it ends.

#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and a round of questions is answered by the real shell"
)]

#[path = "../verify/ask.rs"]
mod ask;
mod gates;
mod host;
mod phases;
mod takeover;
mod way_in;

use deployctl_core::activation::command;
use deployctl_engine::interrupt::Interrupt;
use deployctl_engine::transport::TransportError;
use deployctl_engine::transport::fake::{Call, Reply};
use host::{Story, as_planned, frame, lost, refused_connection};

#[tokio::test]
async fn everything_goes_well() {
    let story = Story::new(|call, n| match call {
        Call::Run(script) if script.contains("start") => frame("armed", 0, "==> begin\n"),
        Call::Run(script) if script.contains("confirm") => frame("committed", 1, ""),
        Call::Run(_) if n < 5 => frame("activating", 0, "==> begin\n==> place /etc/x\n"),
        _ => frame("activated", 0, "==> begin\n==> place /etc/x\ndone\n"),
    });
    insta::assert_snapshot!(story.told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s Logged("==> begin")
       0.0s PhaseEntered("armed")
      run status 1795392000-abcdef 10
       0.1s Logged("==> place /etc/x")
       0.1s PhaseEntered("activating")
      run status 1795392000-abcdef 27
      run status 1795392000-abcdef 27
      run status 1795392000-abcdef 27
       1.5s Logged("done")
       1.5s PhaseEntered("activated")
      reconnect
       1.5s Reached("op@host")
      run confirm 1795392000-abcdef
       1.5s PhaseEntered("committed")
    => Committed { generation: 1 }
       connection/op@host: Pass
    "#);
}

#[tokio::test]
async fn the_way_in_is_gone_so_it_goes_back_at_once() {
    let mut back = false;
    let story = Story::new(move |call, _| match call {
        Call::Reconnect if !back => refused_connection(),
        Call::Reconnect => Reply::says(""),
        Call::Run(script) if script.contains("rollback") => {
            back = true;
            frame("rolled-back", 0, "")
        }
        other => as_planned(other),
    });
    insta::assert_snapshot!(story.told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s PhaseEntered("activated")
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      run rollback 1795392000-abcdef --reason gate 'gate `connection/op@host` failed: no connection to `op@host`: Connection refused'
      10.0s PhaseEntered("rolled-back")
      reconnect
    => RolledBack { reason: "gate `connection/op@host` failed: no connection to `op@host`: Connection refused", login: true }
       connection/op@host: Fail { hint: None }, asked 5×
    "#);
}

#[tokio::test]
async fn the_link_is_lost_and_the_host_comes_through() {
    let mut away = 0;
    let story = Story::new(move |call, n| match call {
        Call::Run(script) if script.contains("start") => frame("activating", 0, ""),
        Call::Run(_) if n == 2 => Reply::Fail(lost()),
        Call::Reconnect if away < 2 => {
            away += 1;
            refused_connection()
        }
        Call::Reconnect => Reply::says(""),
        other => as_planned(other),
    });
    insta::assert_snapshot!(story.told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s PhaseEntered("activating")
      run status 1795392000-abcdef 0
       0.1s LinkLost("the connection to `op@host` was lost: the connection was terminated")
      reconnect
      reconnect
      reconnect
      run status 1795392000-abcdef 0
       1.6s PhaseEntered("activated")
       1.6s Reconnected
      reconnect
       1.6s Reached("op@host")
      run confirm 1795392000-abcdef
       1.6s PhaseEntered("committed")
    => Committed { generation: 1 }
       connection/op@host: Pass
    "#);
}

#[tokio::test]
async fn the_link_is_lost_and_the_dead_man_timer_has_rolled_back() {
    let story = Story::new(|call, n| match call {
        Call::Run(script) if script.contains("start") => frame("activating", 0, ""),
        Call::Run(_) if n == 2 => Reply::Fail(lost()),
        Call::Reconnect => Reply::says(""),
        _ => frame("rolled-back", 0, ""),
    });
    insta::assert_snapshot!(story.told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s PhaseEntered("activating")
      run status 1795392000-abcdef 0
       0.1s LinkLost("the connection to `op@host` was lost: the connection was terminated")
      reconnect
      run status 1795392000-abcdef 0
       0.1s PhaseEntered("rolled-back")
       0.1s Reconnected
      reconnect
    => RolledBack { reason: "the host gave no reason", login: true }
    "#);
}

#[tokio::test]
async fn a_host_that_never_comes_back_is_open_and_not_waited_for_for_ever() {
    let story = Story::new(|call, n| match call {
        Call::Run(script) if script.contains("start") => frame("activating", 0, ""),
        Call::Run(_) if n == 2 => Reply::Fail(lost()),
        _ => refused_connection(),
    });
    insta::assert_snapshot!(story.told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s PhaseEntered("activating")
      run status 1795392000-abcdef 0
       0.1s LinkLost("the connection to `op@host` was lost: the connection was terminated")
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
    => Open { reason: Problem { message: "`host`: the connection to `op@host` was lost: the connection was terminated; then no connection to `op@host`: Connection refused; last heard of at 00:00:00Z: activating", hint: Some("what is not confirmed, the host puts back by itself: ask `deployctl status` once it can be reached") }, until: Some(1795392180) }
    "#);
}

#[tokio::test]
async fn what_the_host_refuses_was_not_changed() {
    let story = Story::new(|_, _| host::failed("refused", "validate sshd -t: bad line"));
    insta::assert_snapshot!(story.told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s PhaseEntered("refused")
    => Refused { reasons: [Problem { message: "`host`: sshd -t: bad line", hint: Some("correct the file that it names: by the facts or the template where it is ours, else on the host; nothing was changed") }] }
    "#);
}

#[tokio::test]
async fn a_rollback_that_failed_calls_for_a_person() {
    let story = Story::new(|_, _| host::failed("rollback-failed", "rollback `/etc/x` differs"));
    insta::assert_snapshot!(story.told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s PhaseEntered("rollback-failed")
    => RollbackFailed { reason: "`/etc/x` differs", hint: "mend what is named, then on its console, as root: `sh /var/lib/deployctl/host.sh rollback`; where it is right as it is: `deployctl rollback host --abandon`" }
    "#);
}

#[tokio::test]
async fn ctrl_c_rolls_back_what_is_not_confirmed() {
    let (interrupt, thrower) = Interrupt::new();
    let story = Story::new(move |call, _| match call {
        Call::Run(script) if script.contains("start") => {
            thrower.send(true).unwrap();
            frame("activating", 0, "")
        }
        Call::Run(script) if script.contains("rollback") => frame("rolling-back", 0, ""),
        _ => host::failed("rolled-back", "requested asked for"),
    });
    insta::assert_snapshot!(story.told(interrupt).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s PhaseEntered("activating")
      run rollback 1795392000-abcdef --reason interrupted 'the controller was interrupted'
       0.0s PhaseEntered("rolling-back")
      run status 1795392000-abcdef 0
       0.1s PhaseEntered("rolled-back")
      reconnect
    => RolledBack { reason: "asked for", login: true }
    "#);
}

#[tokio::test]
async fn ctrl_c_before_the_start_changes_nothing() {
    let (interrupt, thrower) = Interrupt::new();
    thrower.send(true).unwrap();
    let story = Story::new(|call, _| match call {
        Call::Put { .. } => Reply::says(""),
        other => panic!("{other:?}"),
    });
    insta::assert_snapshot!(story.told(interrupt).await, @"
      put /var/lib/deployctl/applies/1795392000-abcdef
    => Interrupted
    ");
}

#[tokio::test]
async fn hostile_output_is_shown_harmlessly_and_does_not_confuse() {
    let story = Story::new(|call, _| match call {
        Call::Run(script) if script.contains("confirm") => frame("committed", 1, ""),
        _ => frame(
            "activated",
            0,
            "\u{1b}]0;evil\u{7}\u{1b}[2Jcleared\nphase committed\nend\n\u{9b}31mred\n",
        ),
    });
    insta::assert_snapshot!(story.told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s Logged("cleared")
       0.0s Logged("phase committed")
       0.0s Logged("end")
       0.0s Logged("red")
       0.0s PhaseEntered("activated")
      reconnect
       0.0s Reached("op@host")
      run confirm 1795392000-abcdef
       0.0s PhaseEntered("committed")
    => Committed { generation: 1 }
       connection/op@host: Pass
    "#);
}

#[tokio::test]
async fn answers_that_are_no_status_end_the_rollout() {
    let story = Story::new(|_, _| Reply::says("welcome to this host\n"));
    insta::assert_snapshot!(story.told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
      run status 1795392000-abcdef 0
      run status 1795392000-abcdef 0
    => Open { reason: Problem { message: "`host`: the host's answer is no status frame: it begins with `welcome to this host`; it was started, and not heard of since", hint: Some("what is not confirmed, the host puts back by itself: ask `deployctl status` once it can be reached") }, until: None }
    "#);
    let flood = Story::new(|call, n| match call {
        Call::Run(_) if n == 1 => frame("activating", 0, ""),
        Call::Reconnect => Reply::says(""),
        _ => Reply::Fail(TransportError::TooMuch {
            address: "op@host".to_owned(),
            cap: 1000,
        }),
    });
    let told = flood.told(Interrupt::never()).await;
    assert!(told.contains("=> Open"), "{told}");
}

#[tokio::test]
async fn unreachable_from_the_start() {
    let story = Story::failing_put(|| TransportError::Timeout {
        address: "op@host".to_owned(),
        seconds: 300,
    });
    insta::assert_snapshot!(story.told(Interrupt::never()).await, @r#"

    => Unreachable { reason: Problem { message: "`op@host` did not answer within 300 s", hint: Some("the host may be overloaded, or a command there hangs") } }
    "#);
}

#[tokio::test]
async fn committed_without_a_new_generation_is_no_success() {
    let story = Story::new(|call, _| match call {
        Call::Run(script) if script.contains("confirm") => frame("committed", 0, ""),
        _ => frame("activated", 0, ""),
    });
    let told = story.told(Interrupt::never()).await;
    assert!(told.contains("=> Failed"), "{told}");
}

#[tokio::test]
async fn a_start_that_ended_badly_is_not_asked_about_for_ever() {
    let story = Story::new(|call, n| match call {
        Call::Run(_) if n == 1 => frame("validated", 0, "").exiting(1),
        _ => frame("validated", 0, ""),
    });
    insta::assert_snapshot!(story.told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s PhaseEntered("validated")
      run status 1795392000-abcdef 0
      run status 1795392000-abcdef 0
      run status 1795392000-abcdef 0
      run rollback 1795392000-abcdef --reason requested 'it got no further than phase `validated`'
      run rollback 1795392000-abcdef --reason requested 'it got no further than phase `validated`'
      run rollback 1795392000-abcdef --reason requested 'it got no further than phase `validated`'
    => Open { reason: Problem { message: "`host`: the host answers, but apply `1795392000-abcdef` stays in phase `validated`, also after a rollback was requested; last heard of at 00:00:02Z: validated", hint: Some("what is not confirmed, the host puts back by itself: ask `deployctl status` once it can be reached") }, until: None }
    "#);
}

#[tokio::test]
async fn a_rollback_that_the_host_denies_calls_for_a_person() {
    for status in [1, 5, 6, 9] {
        let story = Story::new(move |call, _| match call {
            Call::Reconnect => refused_connection(),
            Call::Run(script) if script.contains("rollback") => {
                frame("activated", 0, "").exiting(status)
            }
            _ => frame("activated", 0, ""),
        });
        let told = story.told(Interrupt::never()).await;
        assert!(told.contains("=> RollbackFailed"), "{told}");
        assert_eq!(told.matches("run rollback").count(), 3, "{told}");
        if status == 1 {
            insta::assert_snapshot!(told, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s PhaseEntered("activated")
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      run rollback 1795392000-abcdef --reason gate 'gate `connection/op@host` failed: no connection to `op@host`: Connection refused'
      run rollback 1795392000-abcdef --reason gate 'gate `connection/op@host` failed: no connection to `op@host`: Connection refused'
      run rollback 1795392000-abcdef --reason gate 'gate `connection/op@host` failed: no connection to `op@host`: Connection refused'
    => RollbackFailed { reason: "`host`: the host answers, but apply `1795392000-abcdef` stays in phase `activated`, also after a rollback was requested", hint: "see `deployctl status`; if it stays so, on its console, as root: `sh /var/lib/deployctl/host.sh rollback`" }
       connection/op@host: Fail { hint: None }, asked 5×
    "#);
        }
    }
}

#[tokio::test]
async fn a_phase_that_does_not_end_is_left_after_its_time() {
    for (phase, seconds) in [
        ("staged", 31 * 60),
        ("armed", 120),
        ("activating", 120),
        ("rolling-back", 11 * 60),
    ] {
        let story = Story::new(move |_, _| frame(phase, 0, ""));
        let told = story.told(Interrupt::never()).await;
        // What was armed is a person's, once the host does not put it back.
        let end = match phase {
            "armed" | "activating" => "=> RollbackFailed",
            _ => "=> Open",
        };
        assert!(told.contains(end), "{told}");
        let requested = told.matches("run rollback").count();
        assert_eq!(
            requested,
            if phase == "rolling-back" { 0 } else { 3 },
            "{phase}"
        );
        let asked = told.matches("run status").count();
        assert!((seconds..seconds + 10).contains(&asked), "{phase}: {asked}");
    }
}

#[tokio::test]
async fn a_rollback_request_that_changes_nothing_ends() {
    let story = Story::new(|call, _| match call {
        Call::Reconnect => refused_connection(),
        _ => frame("activated", 0, ""),
    });
    let told = story.told(Interrupt::never()).await;
    assert!(told.contains("=> RollbackFailed"), "{told}");
}

#[tokio::test]
async fn a_host_that_goes_round_in_circles_stands_still() {
    let story = Story::new(|_, n| match n % 2 {
        0 => frame("activating", 0, ""),
        _ => frame("armed", 0, ""),
    });
    let told = story.told(Interrupt::never()).await;
    assert!(told.contains("=> RollbackFailed"), "{told}");
}

#[test]
fn the_nonce_is_only_ever_quoted_into_a_script() {
    let id = host::apply_id();
    let script = command::confirm(&id, "a'b");
    assert!(script.starts_with("printf '%s\\n' 'a'\\''b' |"), "{script}");
}
