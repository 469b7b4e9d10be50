//! Links: both ends, and a server that never stays behind.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use deployctl_checks::link::{LinkCheck, Server};
use deployctl_core::plan::BlackoutWindow;
use deployctl_core::query::Query;
use deployctl_engine::interrupt::Interrupt;
use deployctl_engine::transport::fake::Reply;
use serde_json::json;

use crate::ask::Ask;
use crate::world::{World, late, lost, name, refused};

const HOSTS: [&str; 2] = ["cuda", "mac-mini"];

/// Leaves `running` on the other end, and says its number.
const START: &str = "echo started >>log; : >running; echo 42";
/// Takes it away.
const STOP: &str = "echo \"stopped $started\" >>log; rm running";

fn good(id: &str) -> Ask {
    asking(id, "echo good")
}

fn asking(id: &str, command: &str) -> Ask {
    let mut ask = Ask::new("a", command);
    id.clone_into(&mut ask.0.id);
    ask
}

/// `ask` between two hosts, with a server on the other where `start` is not empty.
fn between(ask: Ask, from: &str, peer: &str, start: &str, stop: &str) -> LinkCheck {
    let id = &ask.0.id;
    let query = |verb: &str, command: &str| {
        let command = format!("cd \"$HERE\" || exit\n{command}");
        Query::new(format!("{id}/{verb}"), command)
    };
    LinkCheck {
        link: serde_json::from_value(json!("lan")).unwrap(),
        from: name(from),
        peer: name(peer),
        server: (!start.is_empty()).then(|| Server {
            start: query("start", start),
            stop: query("stop", stop),
        }),
        check: ask.0,
    }
}

/// A check of `cuda` without a server.
fn plain(ask: Ask) -> LinkCheck {
    between(ask, "cuda", "mac-mini", "", "")
}

/// A ping that is answered.
fn ping(from: &str, peer: &str) -> LinkCheck {
    let ask = good(&format!("lan/ping/{from}-to-{peer}"));
    between(ask, from, peer, "", "")
}

/// A check of `cuda` by a server that is started and stopped like this.
fn served(start: &str, stop: &str) -> LinkCheck {
    let ask = asking("lan/x/cuda-to-mac-mini", "echo good");
    between(ask, "cuda", "mac-mini", start, stop)
}

/// A check with a server.
fn throughput(command: &str) -> LinkCheck {
    let ask = asking("lan/throughput/mac-mini-to-cuda", command);
    between(ask, "cuda", "mac-mini", START, STOP)
}

fn nobody() -> Vec<(&'static str, Vec<Ask>)> {
    HOSTS.map(|host| (host, Vec::new())).into()
}

/// What the other end wrote down, and whether anything still runs there.
async fn told_with_log(world: World, link: LinkCheck) -> String {
    let folder = world.path("mac-mini");
    let told = world.tell(nobody(), vec![link]).await;
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    let running = folder.join("running").exists();
    format!("{told}\n-- on mac-mini\n{log}running: {running}")
}

#[tokio::test]
async fn a_server_runs_only_while_its_check_does_and_both_know_its_word() {
    let world = World::new(&HOSTS);
    let link = throughput("echo \"good $started\"");
    insta::assert_snapshot!(told_with_log(world, link).await, @r#"
       0s cuda ! Measuring("lan: throughput mac-mini → cuda")
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/start
       0s cuda: ask a
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/stop
    => cuda
    => mac-mini
    => link lan
       lan/throughput/mac-mini-to-cuda pass, asked 1×
          good 42
    -- on mac-mini
    started
    stopped 42
    running: false
    "#);
}

#[tokio::test]
async fn a_server_is_stopped_whatever_became_of_the_question() {
    let mut pages = String::new();
    for (story, command) in [("failed", "echo bad"), ("odd", "sh -c 'kill -9 \"$PPID\"'")] {
        let told = told_with_log(World::new(&HOSTS), throughput(command)).await;
        assert!(told.ends_with("stopped 42\nrunning: false"), "{told}");
        let _ = writeln!(pages, "-- {story}\n{told}");
    }
    for (story, how) in [("late", late as fn() -> Reply), ("lost", lost)] {
        let mut world = World::new(&HOSTS);
        world.host("cuda", move |asked| (asked == "ask a").then(how));
        let told = told_with_log(world, throughput("echo good")).await;
        assert!(told.ends_with("stopped 42\nrunning: false"), "{told}");
        let _ = writeln!(pages, "-- {story}\n{told}");
    }
    insta::assert_snapshot!(pages);
}

#[tokio::test]
async fn ctrl_c_stops_the_server_too() {
    let mut world = World::new(&HOSTS);
    let (interrupt, thrower) = Interrupt::new();
    world.interrupt = interrupt;
    world.host("cuda", move |asked| {
        (asked == "ask a").then(|| {
            thrower.send(true).unwrap();
            Reply::Hang
        })
    });
    let told = told_with_log(world, throughput("echo good")).await;
    assert!(told.ends_with("stopped 42\nrunning: false"), "{told}");
    insta::assert_snapshot!(told, @r#"
       0s cuda ! Measuring("lan: throughput mac-mini → cuda")
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/start
       0s cuda: ask a
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/stop
    => cuda
    => mac-mini
    => link lan
       lan/throughput/mac-mini-to-cuda error, asked 1×
          interrupted
    -- on mac-mini
    started
    stopped 42
    running: false
    "#);
}

#[tokio::test]
async fn ctrl_c_while_the_server_starts_asks_to_stop_what_may_run() {
    let mut world = World::new(&HOSTS);
    let (interrupt, thrower) = Interrupt::new();
    world.interrupt = interrupt;
    world.host("mac-mini", move |asked| {
        asked.ends_with("/start").then(|| {
            thrower.send(true).unwrap();
            Reply::Hang
        })
    });
    insta::assert_snapshot!(told_with_log(world, throughput("echo good")).await, @r#"
       0s cuda ! Measuring("lan: throughput mac-mini → cuda")
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/start
       0s mac-mini: reconnect
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/stop
    => cuda
    => mac-mini
    => link lan
       lan/throughput/mac-mini-to-cuda error, asked 1×
          interrupted
          its server on `mac-mini` may still run: rm: cannot remove 'running': No such file or directory
    -- on mac-mini
    stopped 
    running: false
    "#);
}

#[tokio::test]
async fn a_server_that_cannot_be_stopped_is_said() {
    let mut world = World::new(&HOSTS);
    world.host("mac-mini", |asked| asked.ends_with("/stop").then(lost));
    insta::assert_snapshot!(told_with_log(world, throughput("echo good")).await, @r#"
       0s cuda ! Measuring("lan: throughput mac-mini → cuda")
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/start
       0s cuda: ask a
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/stop
       0s mac-mini: reconnect
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/stop
    => cuda
    => mac-mini
    => link lan
       lan/throughput/mac-mini-to-cuda pass, asked 1×
          good; its server on `mac-mini` may still run: the connection to `op@host:22` was lost: it is gone
    -- on mac-mini
    started
    running: true
    "#);

    let mut world = World::new(&HOSTS);
    let mut first = true;
    world.host("mac-mini", move |asked| {
        let fails = asked.ends_with("/stop") && std::mem::take(&mut first);
        fails.then(lost)
    });
    insta::assert_snapshot!(told_with_log(world, throughput("echo good")).await, @r#"
       0s cuda ! Measuring("lan: throughput mac-mini → cuda")
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/start
       0s cuda: ask a
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/stop
       0s mac-mini: reconnect
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/stop
    => cuda
    => mac-mini
    => link lan
       lan/throughput/mac-mini-to-cuda pass, asked 1×
          good
    -- on mac-mini
    started
    stopped 42
    running: false
    "#);

    let link = served("echo 42", "echo stuck >&2; exit 1");
    insta::assert_snapshot!(told_with_log(World::new(&HOSTS), link).await, @r#"
       0s cuda ! Measuring("lan: x cuda → mac-mini")
       0s mac-mini: ask lan/x/cuda-to-mac-mini/start
       0s cuda: ask a
       0s mac-mini: ask lan/x/cuda-to-mac-mini/stop
    => cuda
    => mac-mini
    => link lan
       lan/x/cuda-to-mac-mini pass, asked 1×
          good; its server on `mac-mini` may still run: stuck
    -- on mac-mini
    running: false
    "#);
}

#[tokio::test]
async fn a_server_that_does_not_start_is_an_error_and_no_question_is_asked() {
    let mut pages = String::new();
    for (story, start) in [
        ("fails", "echo no port >&2; exit 1"),
        ("mute", ":"),
        ("wordy", "echo two words"),
    ] {
        let told = told_with_log(World::new(&HOSTS), served(start, ":")).await;
        let _ = writeln!(pages, "-- {story}\n{told}");
    }
    insta::assert_snapshot!(pages, @r#"
    -- fails
       0s cuda ! Measuring("lan: x cuda → mac-mini")
       0s mac-mini: ask lan/x/cuda-to-mac-mini/start
       0s mac-mini: ask lan/x/cuda-to-mac-mini/stop
    => cuda
    => mac-mini
    => link lan
       lan/x/cuda-to-mac-mini error, asked 1×
          the server on `mac-mini` could not be started (status 1): no port
    -- on mac-mini
    running: false
    -- mute
       0s cuda ! Measuring("lan: x cuda → mac-mini")
       0s mac-mini: ask lan/x/cuda-to-mac-mini/start
       0s mac-mini: ask lan/x/cuda-to-mac-mini/stop
    => cuda
    => mac-mini
    => link lan
       lan/x/cuda-to-mac-mini error, asked 1×
          `mac-mini` does not say what server it started
    -- on mac-mini
    running: false
    -- wordy
       0s cuda ! Measuring("lan: x cuda → mac-mini")
       0s mac-mini: ask lan/x/cuda-to-mac-mini/start
       0s mac-mini: ask lan/x/cuda-to-mac-mini/stop
    => cuda
    => mac-mini
    => link lan
       lan/x/cuda-to-mac-mini error, asked 1×
          `mac-mini` does not say what server it started
    -- on mac-mini
    running: false
    "#);
}

#[tokio::test]
async fn each_attempt_has_a_server_of_its_own() {
    let command = "echo >>n; [ \"$(grep -c '' n)\" -ge 2 ] && echo good || echo bad";
    let mut link = throughput(command);
    link.check.retry = deployctl_checks::Retry {
        times: 3,
        pause: std::time::Duration::from_secs(4),
        only: Vec::new(),
    };
    insta::assert_snapshot!(told_with_log(World::new(&HOSTS), link).await, @r#"
       0s cuda ! Measuring("lan: throughput mac-mini → cuda")
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/start
       0s cuda: ask a
       0s mac-mini: ask lan/throughput/mac-mini-to-cuda/stop
       0s cuda ! AskingAgain { checks: ["lan/throughput/mac-mini-to-cuda"], pause: 4s }
       4s cuda ! Measuring("lan: throughput mac-mini → cuda")
       4s mac-mini: ask lan/throughput/mac-mini-to-cuda/start
       4s cuda: ask a
       4s mac-mini: ask lan/throughput/mac-mini-to-cuda/stop
    => cuda
    => mac-mini
    => link lan
       lan/throughput/mac-mini-to-cuda pass, asked 2×
          good
    -- on mac-mini
    started
    stopped 42
    started
    stopped 42
    running: false
    "#);
}

#[tokio::test]
async fn links_need_links_before_them() {
    let links = vec![
        plain(good("lan/route/cuda-to-mac-mini")),
        plain(good("lan/ping/cuda-to-mac-mini").needing("lan/route/cuda-to-mac-mini")),
        plain(asking("lan/mtu/cuda", "echo bad")),
        plain(good("lan/full-ping/cuda-to-mac-mini").needing("lan/mtu/cuda")),
        plain(good("lan/http/cuda-to-mac-mini").needing("lan/not-selected/cuda")),
    ];
    insta::assert_snapshot!(World::new(&HOSTS).told(nobody(), links).await, @r#"
       0s cuda ! Measuring("lan: route cuda → mac-mini")
       0s cuda: ask a
       0s cuda ! Measuring("lan: ping cuda → mac-mini")
       0s cuda: ask a
       0s cuda ! Measuring("lan: mtu cuda")
       0s cuda: ask a
       0s cuda ! Measuring("lan: http cuda → mac-mini")
       0s cuda: ask a
    => cuda
    => mac-mini
    => link lan
       lan/route/cuda-to-mac-mini pass, asked 1×
          good
       lan/ping/cuda-to-mac-mini pass, asked 1×
          good
       lan/mtu/cuda fail, asked 1×
          `good` is not in its answer
          bad
       lan/full-ping/cuda-to-mac-mini skip, asked 0×
          not asked: `lan/mtu/cuda` did not pass
       lan/http/cuda-to-mac-mini pass, asked 1×
          good
    "#);
}

#[tokio::test]
async fn an_end_that_cannot_be_reached_makes_errors_and_is_tried_once() {
    let tries = Arc::new(Mutex::new(0));
    let mut world = World::new(&["cuda"]);
    let counted = Arc::clone(&tries);
    world.host("cuda", move |_| {
        *counted.lock().unwrap() += 1;
        None
    });
    let links = vec![ping("cuda", "mac-mini"), plain(good("lan/mtu/cuda"))];
    let hosts = vec![("cuda", vec![Ask::new("a", "echo good")])];
    insta::assert_snapshot!(world.told(hosts, links).await, @"
       0s cuda: ask a lease
    => cuda
       a pass, asked 1×
          good
    => link lan
       lan/ping/cuda-to-mac-mini error, asked 0×
          `mac-mini` cannot be reached: no connection to `op@mac-mini:22`: Connection refused
       lan/mtu/cuda error, asked 0×
          `mac-mini` cannot be reached: no connection to `op@mac-mini:22`: Connection refused
    ");
    assert_eq!(*tries.lock().unwrap(), 1);

    // Selected itself, and found away then already.
    let world = World::new(&["cuda"]);
    let hosts = vec![("mac-mini", vec![Ask::new("a", "echo good")])];
    let links = vec![ping("cuda", "mac-mini")];
    insta::assert_snapshot!(world.told(hosts, links).await, @r#"

    => mac-mini: Unreachable { reason: Problem { message: "no connection to `op@mac-mini:22`: Connection refused", hint: None } }
    => link lan
       lan/ping/cuda-to-mac-mini error, asked 0×
          `mac-mini` cannot be reached: no connection to `op@mac-mini:22`: Connection refused
    "#);
}

#[tokio::test]
async fn links_of_other_hosts_are_left_out_and_one_selected_end_is_enough() {
    let world = World::new(&["cuda", "mac-mini", "linode"]);
    let links = vec![ping("cuda", "mac-mini"), ping("mac-mini", "linode")];
    let hosts = vec![("cuda", Vec::new())];
    insta::assert_snapshot!(world.told(hosts, links).await, @r#"
       0s cuda ! Measuring("lan: ping cuda → mac-mini")
       0s cuda: ask a
    => cuda
    => link lan
       lan/ping/cuda-to-mac-mini pass, asked 1×
          good
    "#);
}

#[tokio::test]
async fn a_link_is_not_loaded_while_a_session_is_open_at_either_end() {
    let mut world = World::new(&HOSTS);
    let guard = BlackoutWindow {
        concern: "trading".to_owned(),
        timezone: "Etc/UTC".to_owned(),
        days: "Mon-Fri".to_owned(),
        open: "10:00".to_owned(),
        close: "16:12".to_owned(),
    };
    world.sessions.insert(name("mac-mini"), vec![guard]);
    let mut link = throughput("echo good");
    link.check.load = true;
    let ping = ping("cuda", "mac-mini");
    insta::assert_snapshot!(world.told(nobody(), vec![ping, link]).await, @r#"
       0s cuda ! Measuring("lan: ping cuda → mac-mini")
       0s cuda: ask a
       0s mac-mini: ask clock
    => cuda
    => mac-mini
    => link lan
       lan/ping/cuda-to-mac-mini pass, asked 1×
          good
       lan/throughput/mac-mini-to-cuda skip, asked 0×
          not while the trading session is open (Mon-Fri 10:00 to 16:12 Etc/UTC) on `mac-mini`; `--force` passes over it
    "#);
}

#[tokio::test]
async fn a_sandbox_has_no_links() {
    let mut world = World::new(&HOSTS);
    world.sandbox("mac-mini");
    let told = told_with_log(world, throughput("echo good")).await;
    insta::assert_snapshot!(told, @"

    => cuda
    => mac-mini
    => link lan
       lan/throughput/mac-mini-to-cuda skip, asked 0×
          sandbox
    -- on mac-mini
    running: false
    ");
}

#[tokio::test]
async fn a_connection_that_is_refused_again_is_not_waited_for_at_every_check() {
    let mut world = World::new(&HOSTS);
    world.host("cuda", |asked| match asked {
        "reconnect" => Some(Reply::Fail(refused("cuda"))),
        _ => Some(lost()),
    });
    let links = ["lan/a/cuda", "lan/b/cuda", "lan/c/cuda"].map(|id| plain(good(id)));
    insta::assert_snapshot!(world.told(nobody(), links.into()).await, @r#"
       0s cuda ! Measuring("lan: a cuda")
       0s cuda: ask a
       0s cuda ! Measuring("lan: b cuda")
       0s cuda: reconnect
    => cuda
    => mac-mini
    => link lan
       lan/a/cuda error, asked 1×
          the connection to `op@host:22` was lost: it is gone
       lan/b/cuda error, asked 1×
          `cuda` cannot be reached: no connection to `op@cuda:22`: Connection refused
       lan/c/cuda error, asked 0×
          `cuda` cannot be reached: no connection to `op@cuda:22`: Connection refused
    "#);
}
