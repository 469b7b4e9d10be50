//! `deployctl adopt HOST`

use deployctl_engine::adopt::{self, AdoptError, Written};
use deployctl_engine::ask::AskError;
use deployctl_engine::connect::{route, target};
use deployctl_engine::secret::Vault;
use deployctl_engine::transport::ssh_config::SshRoute;
use deployctl_report::Verdict;

use super::secret;
use crate::args;
use crate::context::{Context, one_host};
use crate::failure::Failure;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &args::Adopt) -> Result<Verdict, Failure> {
    if context.global.sandbox.is_some() {
        return Err(Failure::usage("a sandbox has no identity to adopt"));
    }
    let repo = context.repo()?;
    let inventory = context.inventory().await?;
    let name = one_host(&inventory, &args.host)?;
    let host = inventory.host(&name).expect("selected from it");
    let settings = context.ssh_settings()?;
    let routes: Vec<SshRoute> = inventory
        .hosts()
        .iter()
        .map(|(name, host)| route(name, host, settings.user.as_ref()))
        .collect();
    let own = route(&name, host, settings.user.as_ref());
    let target = target(&own, host, settings.sudo_password.as_ref());
    let (runtime, user_config) = (settings.runtime.as_path(), settings.user_config.as_str());

    let key = adopt::shown_key(runtime, &own, &routes, user_config).await?;
    let shown = adopt::fingerprint(&key).ok_or_else(|| {
        Failure::new(
            Verdict::Internal,
            format!("`{name}` shows a host key that is not valid"),
        )
    })?;
    approve(context, args, name.as_str(), &shown)?;
    let pinned = adopt::identify(runtime, &own, &routes, user_config, target, &key)
        .await
        .map_err(adopt_failure)?;
    let written = adopt::pin(&repo, &name, &pinned, args.replace).map_err(adopt_failure)?;
    let closed = secret::closed_to(&Vault::of(&repo), &inventory, &name, &pinned.host_keys);
    if context.ui.json {
        Ui::print_json(&serde_json::json!({
            "host": name,
            "fingerprint": shown,
            "identity": pinned,
            "written": written == Written::Pinned,
            "rekey": closed,
        }));
    } else {
        let words = match written {
            Written::Pinned => "pinned",
            Written::Already => "was pinned already",
        };
        context.ui.print(&format!(
            "{name}: {shown} of `{}` {words} in hosts/{name}/identity.json\n",
            pinned.hostname
        ));
        if !closed.is_empty() {
            context.ui.say(&format!(
                "this host cannot open {}; `deployctl secret rekey` encrypts them to its key",
                closed.join(", ")
            ));
        }
    }
    Ok(Verdict::Done)
}

/// A key counts when the user says so, by flag or by answer.
fn approve(context: &Context, args: &args::Adopt, host: &str, shown: &str) -> Result<(), Failure> {
    if let Some(expected) = &args.fingerprint {
        if expected == shown {
            return Ok(());
        }
        let message = format!("`{host}` shows the host key {shown}, not {expected}");
        return Err(Failure::new(Verdict::Refused, message)
            .hint("another machine may be answering there; nothing was pinned"));
    }
    if args.trust_on_first_use {
        context
            .ui
            .say(&format!("{host} shows the host key {shown}"));
        return Ok(());
    }
    let question = format!("`{host}` shows the host key {shown}; is that right?");
    if Ui::confirm(
        &question,
        &format!(
            "`--fingerprint {shown}` once you have compared it on the host's console (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`)"
        ),
    )? {
        Ok(())
    } else {
        Err(Failure::new(Verdict::Refused, "nothing was pinned"))
    }
}

fn adopt_failure(error: AdoptError) -> Failure {
    let hint = error.hint();
    let verdict = match error {
        AdoptError::Transport(error) | AdoptError::Ask(AskError::Transport(error)) => {
            return error.into();
        }
        AdoptError::Other { .. } => Verdict::Refused,
        _ => Verdict::Internal,
    };
    Failure::of(verdict, &error).hint_if_any(hint)
}
