//! What `--steal` says of the apply that it ends: that follows from what was heard of the host, whatever was lost.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use deployctl_core::activation::Phase;
use deployctl_core::inventory::Platform;
use deployctl_core::name::HostName;
use deployctl_core::observed::OsRelease;
use deployctl_core::plan::{KernelDrivers, Overrides, Target};
use deployctl_core::rendered::Rendered;
use deployctl_engine::clock::Manual;
use deployctl_engine::connect::Connector;
use deployctl_engine::interrupt::Interrupt;
use deployctl_engine::prepare::{Purpose, prepare};
use deployctl_engine::run_context::RunContext;
use deployctl_engine::target_state::TargetState;
use deployctl_engine::transport::fake::{Call, Fake, Reply};
use deployctl_engine::transport::{Transport, TransportError};

use crate::host::{apply_id, failed, frame, lost, refused_connection};
use crate::phases::{ERRORS, error};

struct One(Fake);

#[async_trait]
impl Connector for One {
    async fn connect(&self, _: &HostName) -> Result<Box<dyn Transport>, TransportError> {
        Ok(Box::new(self.0.clone()))
    }

    fn has_password(&self) -> bool {
        false
    }
}

/// A host that bob left with this apply open: `ended` answers the request to end it, `then` whoever comes afterwards.
async fn steal(
    apply: &str,
    ended: impl Fn() -> Reply + Send + 'static,
    then: impl Fn(&Call) -> Reply + Send + 'static,
) -> String {
    let root = tempfile::tempdir().unwrap();
    let state = root.path().join("var/lib/deployctl");
    std::fs::create_dir_all(state.join("applies").join(apply)).unwrap();
    std::fs::write(
        state.join("lease"),
        format!("apply {apply}\nholder bob@desk\n"),
    )
    .unwrap();
    std::fs::write(
        state.join("applies").join(apply).join("phase"),
        "activated\n",
    )
    .unwrap();
    let (here, mut asked) = (root.path().to_owned(), false);
    let fake = Fake::new("op@host", move |call| match call {
        Call::Run(script) if script.contains("deployctl_round") => round(script, &here),
        Call::Run(script) if script.contains("--stolen") => {
            asked = true;
            ended()
        }
        other if asked => then(other),
        other => panic!("{other:?}"),
    });
    let host = HostName::new("host").unwrap();
    let state = TargetState {
        target: target(&host),
        rendered: Rendered::empty(host),
        system: None,
    };
    let steal = Overrides {
        steal: true,
        ..Overrides::default()
    };
    let context = RunContext {
        clock: Arc::new(Manual::default()),
        sink: Arc::new(|_| ()),
        interrupt: Interrupt::never(),
        repository: None,
    };
    let connector = Arc::new(One(fake.sandboxed()));
    match prepare(connector, state, Purpose::Apply(steal), context).await {
        Ok(prepared) => format!("free: {}", prepared.took_over.unwrap()),
        Err(report) => format!("{:?}", report.outcome),
    }
}

fn target(host: &HostName) -> Target {
    Target {
        host: host.clone(),
        platform: Platform::Ubuntu,
        os: OsRelease {
            id: "debian".to_owned(),
            version: "12".to_owned(),
        },
        machine_id_sha256: None,
        address: "192.0.2.7".to_owned(),
        port: 22,
        ssh_port: None,
        user: "op".to_owned(),
        sudo: true,
        keys: Vec::new(),
        interface_addresses: Vec::new(),
        blackouts: Vec::new(),
        drivers: KernelDrivers::default(),
    }
}

/// The real shell answers the questions.
fn round(script: &str, root: &Path) -> Reply {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(script).env("DEPLOYCTL_ROOT", root);
    Reply::says(shell.output().unwrap().stdout)
}

/// Everybody who comes is let in, and hears this.
fn hears(frame: impl Fn() -> Reply) -> impl Fn(&Call) -> Reply {
    move |call| match call {
        Call::Run(_) => frame(),
        _ => Reply::says(""),
    }
}

fn shut(call: &Call) -> Reply {
    match call {
        Call::Run(_) => Reply::says(""),
        _ => refused_connection(),
    }
}

#[tokio::test]
async fn what_is_said_of_it_follows_from_what_was_heard() {
    let ours = apply_id();
    let id = ours.as_str();
    let back = || failed("rolled-back", "stolen another apply took over");
    let garbage = || Reply::says("<html>502</html>\n");
    let silence = || Reply::Fail(lost());
    let other = || Reply::says("deployctl-status 1\ngeneration 0\nlog 0 0 0\n\nend\n");
    let told = [
        ("heard", steal(id, back, hears(back)).await),
        (
            "the answer is lost, the host is not",
            steal(id, silence, hears(back)).await,
        ),
        (
            "the answer is garbage, what comes then is not",
            steal(id, garbage, hears(back)).await,
        ),
        (
            "confirmed meanwhile",
            steal(id, silence, hears(|| frame("committed", 1, ""))).await,
        ),
        ("put back, and nobody gets in", steal(id, back, shut).await),
        (
            "the answer is lost, and nobody gets in",
            steal(id, silence, shut).await,
        ),
        (
            "garbage, and nobody gets in",
            steal(id, garbage, shut).await,
        ),
        ("garbage alone", steal(id, garbage, hears(garbage)).await),
        (
            "an answer about no apply",
            steal(id, other, hears(other)).await,
        ),
        (
            "it is still open",
            steal(id, silence, hears(|| frame("activated", 0, ""))).await,
        ),
        (
            "its rollback failed",
            steal(
                id,
                silence,
                hears(|| failed("rollback-failed", "rollback left: `/etc/x`")),
            )
            .await,
        ),
        ("no id", steal("x", back, hears(back)).await),
    ];
    let told = told.map(|(case, told)| format!("## {case}\n{told}\n"));
    insta::assert_snapshot!(told.concat(), @r#"
    ## heard
    free: apply `1795392000-abcdef` of `bob@desk` was rolled back first
    ## the answer is lost, the host is not
    free: apply `1795392000-abcdef` of `bob@desk` was rolled back first
    ## the answer is garbage, what comes then is not
    free: apply `1795392000-abcdef` of `bob@desk` was rolled back first
    ## confirmed meanwhile
    free: apply `1795392000-abcdef` of `bob@desk` was confirmed meanwhile
    ## put back, and nobody gets in
    RollbackFailed { reason: "apply `1795392000-abcdef` of `bob@desk` was rolled back first; files and units were put back and verified, but no new login becomes root: no connection to `op@host`: Connection refused", hint: "on its console, as root: `mkdir -p /run/sshd`, `sshd -t`, `systemctl restart ssh`, until you can log in; `deployctl status` then says how it stands" }
    ## the answer is lost, and nobody gets in
    Open { reason: Problem { message: "`op@host`: apply `1795392000-abcdef` of `bob@desk`: it was to be rolled back first, and how that ended was not heard: no connection to `op@host`: Connection refused", hint: Some("ask `deployctl status` once it can be reached") }, until: None }
    ## garbage, and nobody gets in
    Open { reason: Problem { message: "`op@host`: apply `1795392000-abcdef` of `bob@desk`: it was to be rolled back first, and how that ended was not heard: the host's answer is no status frame: it begins with `<html>502</html>`", hint: Some("ask `deployctl status` once it can be reached") }, until: None }
    ## garbage alone
    Open { reason: Problem { message: "`op@host`: apply `1795392000-abcdef` of `bob@desk`: it was to be rolled back first, and how that ended was not heard: the host's answer is no status frame: it begins with `<html>502</html>`", hint: Some("ask `deployctl status` once it can be reached") }, until: None }
    ## an answer about no apply
    Open { reason: Problem { message: "`op@host`: apply `1795392000-abcdef` of `bob@desk`: it was to be rolled back first, and how that ended was not heard: the host knows nothing of it", hint: Some("ask `deployctl status` once it can be reached") }, until: None }
    ## it is still open
    Open { reason: Problem { message: "`op@host`: apply `1795392000-abcdef` of `bob@desk` was to be rolled back first, and stays in phase `activated`", hint: Some("ask `deployctl status` how it ended, then apply again") }, until: None }
    ## its rollback failed
    RollbackFailed { reason: "apply `1795392000-abcdef` of `bob@desk` was to be rolled back first: left: `/etc/x`", hint: "`deployctl status` says what is left; mend that, then on its console, as root: `sh /var/lib/deployctl/host.sh rollback`; or take the host as it is: `deployctl rollback HOST --abandon`" }
    ## no id
    Open { reason: Problem { message: "`op@host`: apply `x` of `bob@desk`: it was to be rolled back first, and how that ended was not heard: its id is not valid", hint: Some("ask `deployctl status` once it can be reached") }, until: None }
    "#);
}

/// Whatever ends the request: who comes in afterwards hears how it stands, and that alone counts.
#[tokio::test]
async fn no_kind_of_error_decides() {
    for kind in ERRORS {
        let ended = move || Reply::Fail(error(kind));
        let heard = hears(|| failed("rolled-back", "stolen another apply took over"));
        let told = steal(apply_id().as_str(), ended, heard).await;
        assert!(told.starts_with("free: "), "{kind}: {told}");
        let told = steal(apply_id().as_str(), ended, shut).await;
        assert!(told.starts_with("Open "), "{kind}: {told}");
    }
    for phase in Phase::ALL {
        let ended = || Reply::Fail(lost());
        let heard = hears(move || frame(phase.word(), 0, ""));
        let told = steal(apply_id().as_str(), ended, heard).await;
        let expected = match phase {
            Phase::RolledBack | Phase::Refused | Phase::Committed => "free: ",
            Phase::RollbackFailed => "RollbackFailed ",
            _ => "Open ",
        };
        assert!(told.starts_with(expected), "{phase}: {told}");
    }
}
