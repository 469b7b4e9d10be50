//! `deployctl python`: locks of Python projects.

use std::path::Path;

use deployctl_engine::lock::{LockError, Locked, lock, projects};
use deployctl_engine::process::ProcessError;
use deployctl_engine::repository;
use deployctl_report::Verdict;

use crate::args;
use crate::context::Context;
use crate::failure::Failure;

pub(super) async fn run(context: &Context, args: &args::Python) -> Result<Verdict, Failure> {
    match args {
        args::Python::Lock(args) => lock_all(context, args).await,
    }
}

/// Locks the project of every host that has one of that name.
async fn lock_all(context: &Context, args: &args::PythonLock) -> Result<Verdict, Failure> {
    let top = context.repo()?;
    let found = projects(&top, Some(&args.name));
    if found.is_empty() {
        return Err(unknown(&top, &args.name));
    }
    for project in found {
        let locked = lock(&args.uv, &project, args.upgrade, &context.interrupt).await;
        let locked = locked.map_err(|error| failure(&error))?;
        let file = project.join("uv.lock");
        let shown = file.strip_prefix(&top).unwrap_or(&file).display();
        let what = match locked {
            Locked::Made => "made",
            Locked::Renewed => "renewed",
            Locked::Unchanged => "unchanged",
        };
        context.ui.print(&format!("{shown}  {what}\n"));
    }
    for file in repository::untracked(&top, &["hosts"]).await {
        if file.ends_with("/uv.lock") || file.ends_with("/pyproject.toml") {
            let hint = "`git add` it: a flake sees only what git tracks";
            context.ui.say(&format!(
                "warning: `{file}` is not tracked by git\n  hint: {hint}"
            ));
        }
    }
    Ok(Verdict::Done)
}

fn unknown(top: &Path, name: &str) -> Failure {
    let message = format!("there is no `hosts/HOST/{name}/pyproject.toml`");
    let others = projects(top, None);
    let others = others.iter().filter_map(|it| it.file_name()?.to_str());
    let mut others: Vec<&str> = others.collect();
    others.sort_unstable();
    others.dedup();
    Failure::usage(message).hint(if others.is_empty() {
        "write one: `[project]` with `name`, `version`, `requires-python` and `dependencies`"
            .to_owned()
    } else {
        format!("projects: {}", others.join(", "))
    })
}

fn failure(error: &LockError) -> Failure {
    let (verdict, hint) = match error {
        LockError::Process(ProcessError::NotInstalled { .. }) => (
            Verdict::Usage,
            "install uv, such as by `pipx install uv` or `nix shell nixpkgs#uv`; or name it by --uv",
        ),
        LockError::Process(ProcessError::Interrupted { .. }) => {
            (Verdict::Interrupted, "the lock that was there stays")
        }
        LockError::Process(_) | LockError::Unreadable { .. } => {
            (Verdict::Internal, "nothing else was changed")
        }
        LockError::Failed { .. } => (
            Verdict::BuildFailed,
            "the lock that was there stays; see `dependencies` and `[tool.uv]` of the pyproject.toml",
        ),
    };
    Failure::of(verdict, error).hint(hint)
}
