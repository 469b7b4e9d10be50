//! A rollback counts only if a new login works after it.

use deployctl_engine::interrupt::Interrupt;
use deployctl_engine::transport::TransportError;
use deployctl_engine::transport::fake::{Call, Reply};

use crate::host::{Story, failed, frame, no_connection, refused_connection};

fn reset() -> Reply {
    no_connection("Connection reset")
}

fn no_root() -> Reply {
    Reply::Fail(TransportError::Privilege {
        address: "op@host".to_owned(),
        cause: "sudo: a password is required".to_owned(),
        hint: None,
    })
}

/// A host whose activation fails, and which is put back by itself.
fn put_back(call: &Call) -> Reply {
    match call {
        Call::Run(script) | Call::Kept(script) if script.contains("start") => frame("armed", 0, ""),
        _ => failed("rolled-back", "step unit start ssh.service: failed"),
    }
}

#[tokio::test]
async fn where_no_login_comes_in_a_person_is_needed() {
    let story = Story::new(|call, _| match call {
        Call::Reconnect => reset(),
        Call::Kept(script) if script.starts_with("set -- other") => {
            Reply::says("mended: sshd says: line 3: bad\nother words\n")
        }
        other => put_back(other),
    });
    insta::assert_snapshot!(story.with_root_shell().told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      root shell
      kept run start 1795392000-abcdef
       0.0s PhaseEntered("armed")
      kept run status 1795392000-abcdef 0
       0.1s PhaseEntered("rolled-back")
      reconnect
      reconnect
      kept run mend
      reconnect
      reconnect
      reconnect
      reconnect
    => RollbackFailed { reason: "unit start ssh.service: failed; files and units were put back and verified, but no new login becomes root: no connection to `op@host`: Connection reset; over the connection that is still open: sshd says: line 3: bad", hint: "on its console, as root: `mkdir -p /run/sshd`, `sshd -t`, `systemctl restart ssh`, until you can log in; `deployctl status` then says how it stands" }
    "#);
}

#[tokio::test]
async fn what_keeps_sshd_from_letting_in_is_mended_over_the_open_shell() {
    let mut mended = false;
    let story = Story::new(move |call, _| match call {
        Call::Reconnect if !mended => reset(),
        Call::Kept(script) if script.starts_with("set --") => {
            mended = true;
            Reply::says("mended: `/run/sshd` was missing and was made again\n")
        }
        Call::Reconnect => Reply::says(""),
        other => put_back(other),
    });
    insta::assert_snapshot!(story.with_root_shell().told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      root shell
      kept run start 1795392000-abcdef
       0.0s PhaseEntered("armed")
      kept run status 1795392000-abcdef 0
       0.1s PhaseEntered("rolled-back")
      reconnect
      reconnect
      kept run mend
      reconnect
    => RolledBack { reason: "unit start ssh.service: failed; no new login came in at first: `/run/sshd` was missing and was made again", login: true }
    "#);
}

#[tokio::test]
async fn a_ban_for_a_while_is_waited_for() {
    let mut tries = 0;
    let story = Story::new(move |call, _| match call {
        Call::Reconnect => {
            tries += 1;
            if tries < 5 { reset() } else { Reply::says("") }
        }
        other => put_back(other),
    });
    let told = story.told(Interrupt::never()).await;
    assert!(told.contains("=> RolledBack"), "{told}");
    assert!(told.contains("login: true"), "{told}");
}

#[tokio::test]
async fn a_directory_logs_nobody_in() {
    let story = Story::new(|call, _| match call {
        Call::Reconnect => refused_connection(),
        other => put_back(other),
    });
    let told = story.sandboxed().told(Interrupt::never()).await;
    assert!(told.contains("login: false"), "{told}");
    assert!(!told.contains("reconnect"), "{told}");
}

/// The right to become root goes with what is applied: nothing new becomes root, the shell from before still is.
#[tokio::test]
async fn the_right_to_become_root_is_gone_and_the_shell_from_before_asks_it_back() {
    let mut back = false;
    let story = Story::new(move |call, _| match call {
        Call::Kept(script) if script.contains("start") => frame("armed", 0, ""),
        Call::Kept(script) if script.contains("rollback") => {
            back = true;
            failed("rolled-back", "gate gate `connection/op@host` failed")
        }
        Call::Kept(_) => frame("activated", 0, ""),
        Call::Reconnect if back => Reply::says(""),
        Call::RootShell => Reply::says(""),
        _ => no_root(),
    });
    insta::assert_snapshot!(story.with_root_shell().told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      root shell
      kept run start 1795392000-abcdef
       0.0s PhaseEntered("armed")
      kept run status 1795392000-abcdef 0
       0.1s PhaseEntered("activated")
      reconnect
      reconnect
      reconnect
      reconnect
      reconnect
      kept run rollback 1795392000-abcdef --reason gate 'gate `connection/op@host` failed: `op@host`: cannot become root: sudo: a password is required'
      10.1s PhaseEntered("rolled-back")
      reconnect
    => RolledBack { reason: "gate `connection/op@host` failed: `op@host`: cannot become root: sudo: a password is required", login: true }
       connection/op@host: Fail { hint: None }, asked 5×
    "#);
}

/// The same where that shell has ended: only the dead-man timer is left, and the engine waits for it.
#[tokio::test]
async fn without_that_shell_the_dead_man_timer_is_waited_for() {
    let mut asked = 0;
    let story = Story::new(move |call, _| match call {
        Call::Run(script) if script.contains("start") => frame("armed", 0, ""),
        Call::Run(_) if asked > 20 => failed("rolled-back", "deadline nobody confirmed in time"),
        Call::Reconnect => {
            asked += 1;
            Reply::says("")
        }
        _ => no_root(),
    });
    let told = story.told(Interrupt::never()).await;
    assert!(told.contains("=> RolledBack"), "{told}");
    assert!(told.contains("nobody confirmed in time"), "{told}");
}

/// Who cannot become root before anything is started has touched nothing.
#[tokio::test]
async fn who_cannot_become_root_starts_nothing() {
    let story = Story::new(|call, _| match call {
        Call::RootShell => no_root(),
        other => panic!("{other:?}"),
    });
    let told = story.with_root_shell().told(Interrupt::never()).await;
    assert!(told.contains("=> Refused"), "{told}");
}
