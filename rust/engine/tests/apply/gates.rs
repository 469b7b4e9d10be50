//! Gates that need time, or each other, before they decide.

use deployctl_checks::Shipment;
use deployctl_engine::interrupt::Interrupt;
use deployctl_engine::transport::TransportError;
use deployctl_engine::transport::fake::{Call, Reply};

use crate::ask::Ask;
use crate::host::{Story, as_planned, frame};

/// An apply that waits for its gates.
fn story(gates: Vec<Ask>) -> Story {
    let mut story = Story::new(|call, _| as_planned(call));
    story.gates = gates.into_iter().map(|ask| ask.0).collect();
    for gate in &mut story.gates {
        gate.gate = true;
    }
    story
}

/// Says `good` from the `n`th time on.
fn from_time(label: &str, n: u32) -> Ask {
    let command = format!(
        "echo >>{label}; if [ \"$(grep -c '' {label})\" -ge {n} ]; then echo good; else echo bad; fi"
    );
    Ask::new(label, &command)
}

#[tokio::test]
async fn a_gate_may_come_right_while_the_host_settles() {
    let gates = vec![from_time("third", 3), from_time("first", 1)];
    insta::assert_snapshot!(story(gates).told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s PhaseEntered("activated")
      reconnect
       0.0s Reached("op@host")
      ask gates
      ask gates
      ask gates
      reconnect
      ask gates
      run confirm 1795392000-abcdef
       2.0s PhaseEntered("committed")
    => Committed { generation: 1 }
       connection/op@host: Pass, asked 4×
       third: Pass, asked 4×
       first: Pass, asked 4×
    "#);
}

#[tokio::test]
async fn a_gate_has_the_retries_that_it_declares_at_most_half_of_the_deadline() {
    let slow = from_time("slow", 6).retried(8, 3);
    let told = story(vec![slow]).told(Interrupt::never()).await;
    assert!(told.contains("=> Committed"), "{told}");
    // The last time over the connection that it is confirmed over.
    assert_eq!(told.matches("ask gates").count(), 7, "{told}");
    assert_eq!(told.matches("reconnect").count(), 2, "{told}");
    assert_eq!(told.matches("Reached").count(), 1, "{told}");

    let never = from_time("never", 99).retried(100, 3);
    let told = story(vec![never]).told(Interrupt::never()).await;
    assert!(told.contains("=> RolledBack"), "{told}");
    // The deadline is a minute.
    assert_eq!(told.matches("ask gates").count(), 11, "{told}");
}

#[tokio::test]
async fn a_gate_that_fails_for_good_is_not_kept_waiting_for_a_slower_one() {
    let gates = vec![from_time("slow", 99).retried(20, 1), from_time("never", 99)];
    let told = story(gates).told(Interrupt::never()).await;
    assert!(told.contains("=> RolledBack"), "{told}");
    assert_eq!(told.matches("ask gates").count(), 11, "{told}");
}

#[tokio::test]
async fn a_gate_is_only_asked_once_what_it_needs_has_passed() {
    let open = vec![from_time("a", 1), from_time("b", 1).needing("a")];
    insta::assert_snapshot!(story(open).told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s PhaseEntered("activated")
      reconnect
       0.0s Reached("op@host")
      ask gates
      ask gates
      run confirm 1795392000-abcdef
       0.0s PhaseEntered("committed")
    => Committed { generation: 1 }
       connection/op@host: Pass
       a: Pass
       b: Pass
    "#);
    let closed = vec![
        Ask::new("a", "echo bad"),
        Ask::new("b", "echo good; : >\"$HERE/asked\"").needing("a"),
        from_time("c", 1),
    ];
    insta::assert_snapshot!(story(closed).told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s PhaseEntered("activated")
      reconnect
       0.0s Reached("op@host")
      ask gates
      ask gates
      ask gates
      ask gates
      ask gates
      ask gates
      ask gates
      ask gates
      ask gates
      ask gates
      ask gates
      run rollback 1795392000-abcdef --reason gate 'gate `a` failed: bad'
      10.0s PhaseEntered("rolled-back")
      reconnect
    => RolledBack { reason: "gate `a` failed: bad", login: true }
       connection/op@host: Pass, asked 11×
       a: Fail { hint: Some("`good` is not in its answer") }, asked 11×
       b: Skip { reason: "not asked: `a` did not pass" }
       c: Pass, asked 11×
    "#);
}

#[tokio::test]
async fn what_loads_or_ships_is_no_gate_and_never_opens_one() {
    for gate in [
        from_time("load", 1).loading(),
        from_time("ship", 1).shipping(Shipment::Hostprobe),
    ] {
        let told = story(vec![gate]).told(Interrupt::never()).await;
        assert!(told.contains("=> RolledBack"), "{told}");
        assert!(!told.contains("ask gates"), "{told}");
    }
}

#[tokio::test]
async fn a_way_in_that_is_shut_is_tried_at_growing_intervals_and_every_reason_is_kept() {
    let refused = |cause: &str| {
        Reply::Fail(TransportError::Connect {
            address: "op@host".to_owned(),
            cause: cause.to_owned(),
            hint: Some(format!("about {cause}")),
        })
    };
    let (mut tries, mut back) = (0, false);
    let story = Story::new(move |call, _| match call {
        Call::Reconnect if back => Reply::says(""),
        Call::Reconnect => {
            tries += 1;
            refused(if tries < 3 {
                "Permission denied"
            } else {
                "Connection reset"
            })
        }
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
      run rollback 1795392000-abcdef --reason gate 'gate `connection/op@host` failed: no connection to `op@host`: Permission denied; then no connection to `op@host`: Connection reset'
      10.0s PhaseEntered("rolled-back")
      reconnect
    => RolledBack { reason: "gate `connection/op@host` failed: no connection to `op@host`: Permission denied; then no connection to `op@host`: Connection reset", login: true }
       connection/op@host: Fail { hint: Some("about Permission denied") }, asked 5×
    "#);
}

/// An apply that opens port 2222, which answers from the `n`th try on.
fn moving(n: u32) -> Story {
    let mut tries = 0;
    let mut story = Story::new(move |call, _| match call {
        Call::ReconnectAt(_) => {
            tries += 1;
            if tries >= n {
                return Reply::says("");
            }
            Reply::Fail(TransportError::Connect {
                address: "op@host:2222".to_owned(),
                cause: "Connection refused".to_owned(),
                hint: None,
            })
        }
        other => as_planned(other),
    });
    story.new_port = Some(2222);
    story
}

#[tokio::test]
async fn a_port_that_sshd_begins_to_listen_at_is_a_way_in_before_it_is_confirmed() {
    insta::assert_snapshot!(moving(2).told(Interrupt::never()).await, @r#"
      put /var/lib/deployctl/applies/1795392000-abcdef
      run start 1795392000-abcdef
       0.0s PhaseEntered("activated")
      reconnect
      reconnect at 2222
      reconnect
      reconnect at 2222
       1.0s Reached("op@host:2222")
       1.0s Reached("op@host")
      run confirm 1795392000-abcdef
       1.0s PhaseEntered("committed")
    => Committed { generation: 1 }
       connection/op@host: Pass, asked 2×
    "#);
    let told = moving(99).told(Interrupt::never()).await;
    assert!(told.contains("=> RolledBack"), "{told}");
    assert!(told.contains("op@host:2222"), "{told}");
    assert!(!told.contains("Reached"), "{told}");
    // The new port is closed again by then.
    let (_, after) = told.split_once("run rollback").unwrap();
    assert!(!after.contains("reconnect at"), "{told}");
}
