//! What hosts should become: files that are rendered here, or a system that Nix builds.

use std::sync::Arc;

use deployctl_checks::{FolderScope, askable};
use deployctl_core::inventory::{Host, Inventory};
use deployctl_core::name::HostName;
use deployctl_core::plan::Target;
use deployctl_core::render::{Rendering, render};
use deployctl_core::rendered::Rendered;
use deployctl_engine::event::Sink;
use deployctl_engine::fleet::{self, broken};
use deployctl_engine::nix::deployer::{ClosureDeployer, DeployError, Source};
use deployctl_engine::prepare::undeployed;
use deployctl_engine::repository;
use deployctl_engine::target_state::{TargetState, TargetSystem};
use deployctl_report::{HostReport, Outcome};

use super::width;
use crate::context::Context;
use crate::failure::Failure;
use crate::progress;

/// Why hosts of Nix platforms are left out of sandboxes.
pub(super) const FILES_ONLY: &str = "a sandbox has files only";

/// Every host with what it should become, or with its end where that cannot be said.
pub(super) type TargetStates = Vec<(HostName, Result<TargetState, Box<HostReport>>)>;

/// How the systems of Nix hosts are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Systems {
    /// They are evaluated, and can be copied to hosts.
    Evaluated,
    /// They are known only from the cache of earlier evaluations; none is copied.
    Remembered,
}

/// Renders every host, and evaluates those of Nix platforms. All errors of all templates, and all checks that cannot be
/// made, come before any host is asked.
pub(super) async fn target_states(
    context: &Context,
    inventory: &Inventory,
    hosts: &[HostName],
    systems: Systems,
) -> Result<TargetStates, Failure> {
    let renderings = rendered(context, inventory, hosts, systems)?;
    askable(inventory, hosts, FolderScope::All)?;
    let sandbox = context.global.sandbox.is_some();
    let any = renderings
        .iter()
        .any(|(_, rendering)| matches!(rendering, Rendering::NeedsClosure { .. }));
    let deployer = if any && !sandbox {
        if systems == Systems::Evaluated {
            warn(context).await;
        }
        Some(Arc::new(context.deployer().await?))
    } else {
        None
    };
    let sink = progress::sink(context.ui, width(hosts), context.global.verbose);
    let work = |host: HostName, rendering: Rendering| {
        let (deployer, sink) = (deployer.clone(), Arc::clone(&sink));
        let facts = inventory.host(&host).expect("selected from it").clone();
        let target = Target::of(&host, &facts, inventory.cluster(), inventory.concerns());
        async move {
            match (rendering, deployer) {
                (Rendering::Files(rendered), _) => Ok(TargetState {
                    target,
                    rendered: *rendered,
                    system: None,
                }),
                (Rendering::NeedsClosure { beside, .. }, Some(deployer)) => {
                    of_nix(deployer, target, facts, *beside, systems, &sink).await
                }
                (Rendering::NeedsClosure { .. }, None) => {
                    let reason = FILES_ONLY.to_owned();
                    let outcome = Outcome::Skipped { reason };
                    Err(Box::new(HostReport::ended(host, outcome)))
                }
            }
        }
    };
    let names: Vec<HostName> = renderings.iter().map(|(host, _)| host.clone()).collect();
    let all = fleet::each(renderings, context.jobs(), work, |host, panic| {
        Err(Box::new(broken(host, &panic)))
    })
    .await;
    Ok(names.into_iter().zip(all).collect())
}

async fn of_nix(
    deployer: Arc<ClosureDeployer>,
    target: Target,
    host: Host,
    beside: Rendered,
    systems: Systems,
    sink: &Sink,
) -> Result<TargetState, Box<HostReport>> {
    let name = &target.host;
    let source = match systems {
        Systems::Remembered => deployer.remembered(name, &host),
        Systems::Evaluated => deployer
            .declared(name, &host, sink)
            .await
            .map_err(|error| Box::new(undeployed(name.clone(), &DeployError::System(error))))?,
    };
    let mut rendered = beside;
    rendered.closure = source.as_ref().map(|source| source.closure.clone());
    let system = source
        .filter(|_| systems == Systems::Evaluated)
        .map(|source| TargetSystem {
            deployer,
            host,
            source,
        });
    Ok(TargetState {
        target,
        rendered,
        system,
    })
}

/// What a generation of a host's past needs; its derivation is no longer known.
pub(super) async fn of_generation(
    context: &Context,
    inventory: &Inventory,
    rendered: Rendered,
) -> Result<TargetState, Failure> {
    let host = inventory.host(&rendered.host).expect("selected from it");
    let system = match &rendered.closure {
        Some(closure) => Some(TargetSystem {
            deployer: Arc::new(context.deployer().await?),
            host: host.clone(),
            source: Source {
                closure: closure.clone(),
                derivation: None,
            },
        }),
        None => None,
    };
    Ok(TargetState {
        target: Target::of(
            &rendered.host,
            host,
            inventory.cluster(),
            inventory.concerns(),
        ),
        rendered,
        system,
    })
}

/// What a flake sees is neither `--inventory FILE` nor what git does not track, and it says nothing of that.
async fn warn(context: &Context) {
    let Ok(top) = context.repo() else { return };
    if let Some(file) = &context.global.inventory {
        context.ui.say(&format!(
            "note: systems are built as `{}` declares them, whatever `{}` says",
            top.display(),
            file.display()
        ));
    }
    for file in repository::untracked(&top, &["hosts", "modules", "secrets"]).await {
        context.ui.say(&format!(
            "warning: `{file}` is not tracked by git, so systems are built without it: `git add` it"
        ));
    }
}

/// Renders every host. All errors of all hosts at once.
fn rendered(
    context: &Context,
    inventory: &Inventory,
    hosts: &[HostName],
    systems: Systems,
) -> Result<Vec<(HostName, Rendering)>, Failure> {
    let (templates, facts) = context.sources(inventory)?;
    let mut all = Vec::new();
    let mut failures: Vec<Failure> = Vec::new();
    for host in hosts {
        match render(&facts, host, &templates) {
            Ok(rendering) => {
                // What copies no system needs none of its secrets.
                if let (Rendering::NeedsClosure { .. }, Systems::Evaluated) = (&rendering, systems)
                {
                    let closed = facts.closed_secrets(host).into_iter();
                    failures
                        .extend(closed.map(|why| Failure::usage(format!("host `{host}`: {why}"))));
                }
                all.push((host.clone(), rendering));
            }
            Err(errors) => failures.push(errors.into()),
        }
    }
    let mut failures = failures.into_iter();
    match failures.next() {
        None => Ok(all),
        Some(first) => Err(failures.fold(first, |mut all, next| {
            all.message.push('\n');
            all.message.push_str(&next.message);
            all
        })),
    }
}
