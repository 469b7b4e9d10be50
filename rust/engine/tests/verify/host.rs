//! One host: in what order its checks are made, and that each ends.

use deployctl_core::plan::BlackoutWindow;
use deployctl_engine::interrupt::Interrupt;
use deployctl_engine::transport::TransportError;
use deployctl_engine::transport::fake::Reply;
use std::fmt::Write as _;

use crate::ask::Ask;
use crate::world::{World, late, lost, name};

/// Says `good` from the `n`th time on.
fn from_time(file: &str, n: u32) -> String {
    format!(
        "echo >>{file}; if [ \"$(grep -c '' {file})\" -ge {n} ]; then echo good; else echo bad; fi"
    )
}

fn good(label: &str) -> Ask {
    Ask::new(label, "echo good")
}

#[tokio::test]
async fn all_that_can_be_asked_at_once_is_one_exec_and_what_needs_them_the_next() {
    let checks = vec![
        good("a"),
        good("b").needing("a"),
        good("c").needing("b"),
        Ask::new("d", "echo bad"),
        good("e").needing("d"),
        good("f").needing("e"),
        good("g").needing("not-selected"),
        Ask::new("h", "exit 3"),
    ];
    let told = World::new(&["cuda"]).told(vec![("cuda", checks)], Vec::new());
    insta::assert_snapshot!(told.await, @"
       0s cuda: ask a d g h lease
       0s cuda: ask b
       0s cuda: ask c
    => cuda
       a pass, asked 1×
          good
       b pass, asked 1×
          good
       c pass, asked 1×
          good
       d fail, asked 1×
          `good` is not in its answer
          bad
       e skip, asked 0×
          not asked: `d` did not pass
       f skip, asked 0×
          not asked: `e` did not pass
       g pass, asked 1×
          good
       h fail, asked 1×
          its command should end with status 0
          status 3:
    ");
}

#[tokio::test]
async fn what_failed_is_asked_again_after_the_longest_pause_and_nothing_else_is() {
    let checks = vec![
        good("fine"),
        Ask::new("third", &from_time("third", 3)).retried(3, 2),
        Ask::new("never", &from_time("never", 99)).retried(2, 5),
        good("after").needing("third"),
        good("in-vain").needing("never"),
    ];
    let told = World::new(&["cuda"]).told(vec![("cuda", checks)], Vec::new());
    insta::assert_snapshot!(told.await, @r#"
       0s cuda: ask fine third never lease
       0s cuda ! AskingAgain { checks: ["third", "never"], pause: 5s }
       5s cuda: ask third never
       5s cuda ! AskingAgain { checks: ["third", "never"], pause: 5s }
      10s cuda: ask third never
      10s cuda: ask after
    => cuda
       fine pass, asked 1×
          good
       third pass, asked 3×
          good
       never fail, asked 3×
          `good` is not in its answer
          bad
       after pass, asked 1×
          good
       in-vain skip, asked 0×
          not asked: `never` did not pass
    "#);
}

#[tokio::test]
async fn what_loads_is_asked_alone_and_last() {
    let checks = vec![
        good("gpu").loading(),
        Ask::new("wire", &from_time("wire", 2))
            .loading()
            .retried(1, 7),
        good("a"),
        good("after").needing("gpu"),
        good("b"),
        good("vain").loading().needing("bad"),
        Ask::new("bad", "echo bad"),
    ];
    let told = World::new(&["cuda"]).told(vec![("cuda", checks)], Vec::new());
    insta::assert_snapshot!(told.await, @r#"
       0s cuda: ask a b bad lease
       0s cuda ! Measuring("gpu")
       0s cuda: ask gpu
       0s cuda: ask after
       0s cuda ! Measuring("wire")
       0s cuda: ask wire
       7s cuda ! Measuring("wire")
       7s cuda: ask wire
    => cuda
       gpu pass, asked 1×
          good
       wire pass, asked 2×
          good
       a pass, asked 1×
          good
       after pass, asked 1×
          good
       b pass, asked 1×
          good
       vain skip, asked 0×
          not asked: `bad` did not pass
       bad fail, asked 1×
          `good` is not in its answer
          bad
    "#);
}

#[tokio::test]
async fn load_checks_that_share_a_question_load_once() {
    let mut shared = vec![
        good("first").loading(),
        good("first").loading().retried(1, 3),
        good("alone").loading(),
    ];
    shared[0].0.query.command = format!("cd \"$HERE\" || exit\n{}", from_time("runs", 2));
    shared[1].0.query = shared[0].0.query.clone();
    shared[0].0.retry = shared[1].0.retry.clone();
    "second".clone_into(&mut shared[1].0.id);
    let told = World::new(&["cuda"]).told(vec![("cuda", shared)], Vec::new());
    insta::assert_snapshot!(told.await, @r#"
       0s cuda ! Measuring("first")
       0s cuda: ask first lease
       3s cuda ! Measuring("first")
       3s cuda: ask first
       3s cuda ! Measuring("alone")
       3s cuda: ask alone
    => cuda
       first pass, asked 2×
          good
       second pass, asked 2×
          good
       alone pass, asked 1×
          good
    "#);
}

/// A session from `open` on; it is Monday, half past ten, in every zone that there is.
fn session(timezone: &str, open: &str) -> BlackoutWindow {
    BlackoutWindow {
        concern: "trading".to_owned(),
        timezone: timezone.to_owned(),
        days: "Mon-Fri".to_owned(),
        open: open.to_owned(),
        close: "16:12".to_owned(),
    }
}

#[tokio::test]
async fn a_host_is_not_loaded_while_its_session_is_open() {
    let mut pages = String::new();
    for (story, zone, open, force) in [
        ("open", "Etc/UTC", "10:00", false),
        ("forced", "Etc/UTC", "10:00", true),
        ("closed", "Etc/UTC", "11:00", false),
        ("unknown", "Nowhere/At_All", "11:00", false),
        ("unanswered", "Etc/UTC", "11:00", false),
    ] {
        let mut world = World::new(&[]);
        let guard = session(zone, open);
        world.sessions.insert(name("cuda"), vec![guard]);
        world.force = force;
        world.host("cuda", move |asked| {
            let mute = story == "unanswered" && asked == "ask clock";
            mute.then(|| Reply::says("no clock"))
        });
        let checks = vec![good("a"), good("gpu").loading()];
        let told = world.told(vec![("cuda", checks)], Vec::new()).await;
        let _ = writeln!(pages, "-- {story}\n{told}");
    }
    insta::assert_snapshot!(pages);
}

#[tokio::test]
async fn checks_that_need_each_other_are_errors() {
    let checks = vec![
        good("a"),
        good("hen").needing("egg"),
        good("egg").needing("hen"),
        good("self").needing("self"),
    ];
    let told = World::new(&["cuda"]).told(vec![("cuda", checks)], Vec::new());
    insta::assert_snapshot!(told.await, @"
       0s cuda: ask a lease
    => cuda
       a pass, asked 1×
          good
       hen error, asked 0×
          what it needs needs it in turn
       egg error, asked 0×
          what it needs needs it in turn
       self error, asked 0×
          what it needs needs it in turn
    ");
}

#[tokio::test]
async fn a_connection_that_breaks_later_costs_what_was_asked_over_it() {
    let mut world = World::new(&[]);
    world.host("cuda", |asked| match asked {
        "ask b" => Some(late()),
        _ => None,
    });
    let checks = vec![good("a"), good("b").needing("a"), good("c").loading()];
    let told = world.told(vec![("cuda", checks)], Vec::new()).await;
    insta::assert_snapshot!(told, @r#"
       0s cuda: ask a lease
       0s cuda: ask b
       0s cuda ! Measuring("c")
       0s cuda: reconnect
       0s cuda: ask c
    => cuda
       a pass, asked 1×
          good
       b error, asked 1×
          `op@host:22` did not answer within 65 s; the host may be overloaded, or a command there hangs
       c pass, asked 1×
          good
    "#);
}

#[tokio::test]
async fn a_host_that_is_gone_for_good_costs_all_that_is_left_and_no_more_time() {
    let mut world = World::new(&[]);
    world.host("cuda", |asked| match asked {
        "ask b" => Some(lost()),
        "reconnect" => Some(Reply::Fail(crate::world::refused("cuda"))),
        _ => None,
    });
    let checks = vec![
        good("a"),
        good("b").needing("a").retried(3, 1),
        good("c").loading(),
        good("d").loading(),
    ];
    let told = world.told(vec![("cuda", checks)], Vec::new()).await;
    insta::assert_snapshot!(told, @r#"
       0s cuda: ask a lease
       0s cuda: ask b
       0s cuda ! AskingAgain { checks: ["b"], pause: 1s }
       1s cuda: reconnect
    => cuda
       a pass, asked 1×
          good
       b error, asked 2×
          no connection to `op@cuda:22`: Connection refused
       c error, asked 0×
          no connection to `op@cuda:22`: Connection refused
       d error, asked 0×
          no connection to `op@cuda:22`: Connection refused
    "#);
}

#[tokio::test]
async fn a_host_that_does_not_answer_at_all_is_an_outcome() {
    let mut world = World::new(&[]);
    world.host("mute", |_| {
        Some(Reply::Fail(TransportError::Privilege {
            address: "op@mute:22".to_owned(),
            cause: "a password is required".to_owned(),
            hint: Some("pass `--ask-sudo-password`".to_owned()),
        }))
    });
    world.host("odd", |_| Some(Reply::says("welcome\n")));
    let asked = vec![
        ("nowhere", vec![good("a")]),
        ("mute", vec![good("a")]),
        ("odd", vec![good("a")]),
        ("idle", Vec::new()),
    ];
    insta::assert_snapshot!(world.told(asked, Vec::new()).await, @r#"
       0s mute: ask a lease
       0s odd: ask a lease
    => nowhere: Unreachable { reason: Problem { message: "no connection to `op@nowhere:22`: Connection refused", hint: None } }
    => mute: Refused { reasons: [Problem { message: "`op@mute:22`: cannot become root: a password is required", hint: Some("pass `--ask-sudo-password`") }] }
    => odd: Failed { reason: Problem { message: "`op@odd:22` answered something unreadable: the host sent 8 bytes and no answer among them", hint: None } }
    => idle
    "#);
}

#[tokio::test]
async fn ctrl_c_leaves_no_check_without_a_result() {
    let mut world = World::new(&[]);
    let (interrupt, thrower) = Interrupt::new();
    world.interrupt = interrupt;
    world.host("cuda", move |asked| {
        (asked == "ask b").then(|| {
            thrower.send(true).unwrap();
            Reply::Hang
        })
    });
    let checks = vec![
        good("a"),
        good("b").needing("a").retried(5, 60),
        good("c").loading(),
    ];
    let told = world.told(vec![("cuda", checks)], Vec::new()).await;
    insta::assert_snapshot!(told, @"
       0s cuda: ask a lease
       0s cuda: ask b
    => cuda
       a pass, asked 1×
          good
       b error, asked 1×
          interrupted
       c error, asked 0×
          interrupted
    ");
}

#[tokio::test]
async fn a_sandbox_is_asked_nothing() {
    let mut world = World::new(&["cuda"]);
    world.sandbox("cuda");
    let checks = vec![good("a"), good("b").loading()];
    let told = world.told(vec![("cuda", checks)], Vec::new()).await;
    insta::assert_snapshot!(told, @"

    => cuda
       a skip, asked 0×
          sandbox
       b skip, asked 0×
          sandbox
    ");
}
