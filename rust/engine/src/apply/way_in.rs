//! Proves that the operator can still log in: a new connection over which a script runs as root.

use std::time::Duration;

use super::distinct;
use crate::run_context::RunContext;

use crate::ask::{AskError, ask};
use crate::transport::{Limits, Transport};

/// Pauses between tries after a rollback. sshd may be restarting, and OpenSSH 9.8 and later blocks an address for a
/// while after failed logins (`PerSourcePenalties`), which the gates may just have caused.
const PAUSES: [u64; 5] = [1, 2, 4, 8, 15];
/// After this many failed tries, the engine tries to repair the login.
const MEND_AFTER: usize = 2;

/// What is repaired over a connection that is still open if new ones fail: the directory that sshd needs for
/// logins and that systemd removes with a failed unit, and sshd itself if nothing listens. Prints what it did and
/// what sshd says about its files.
const MEND: &str = r#"PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
sshd=$(command -v sshd) || exit 0
if [ ! -e /run/sshd ] && mkdir -m 0755 /run/sshd; then
  echo "mended: \`/run/sshd\` was missing and was made again"
fi
if [ "$1" = refused ] && command -v systemctl >/dev/null; then
  for u in ssh.socket ssh.service sshd.service; do
    [ "$(systemctl is-enabled "$u" 2>/dev/null)" = enabled ] || continue
    systemctl is-active -q "$u" && continue
    systemctl reset-failed "$u" 2>/dev/null
    systemctl start "$u" 2>/dev/null && echo "mended: \`$u\` was started"
  done
fi
"$sshd" -t 2>&1 | head -n 3 | sed 's/^/mended: sshd says: /'
exit 0
"#;

/// A new login, and what was repaired for it.
pub(crate) struct Proven {
    /// The new connection.
    pub(crate) connection: Box<dyn Transport>,
    /// What was repaired first, in words.
    pub(crate) mended: Vec<String>,
}

/// No login works.
pub(crate) struct Shut {
    /// The distinct reasons.
    pub(crate) reason: String,
    /// What was tried without success, in words.
    pub(crate) tried: Vec<String>,
}

/// Logs in again beside `connection`, with several tries. `shell` is a root shell on the host that is still open.
pub(crate) async fn prove(
    connection: &dyn Transport,
    shell: Option<&dyn Transport>,
    context: &RunContext,
) -> Result<Proven, Shut> {
    let (mut troubles, mut tried) = (Vec::new(), Vec::new());
    let pauses = PAUSES.into_iter().map(Some).chain([None]);
    for (nth, pause) in pauses.enumerate() {
        match reach(connection).await {
            Ok(connection) => {
                return Ok(Proven {
                    connection,
                    mended: tried,
                });
            }
            Err(error) => troubles.push(error.to_string()),
        }
        if nth + 1 == MEND_AFTER {
            let refused = troubles.iter().all(|words| words.contains("refused"));
            tried = mend(shell.unwrap_or(connection), refused).await;
        }
        if let Some(seconds) = pause {
            context.clock.sleep(Duration::from_secs(seconds)).await;
        }
    }
    Err(Shut {
        reason: distinct(&troubles),
        tried,
    })
}

/// Gets in at `port` as well, and returns how that connection is called. It is closed again.
pub(super) async fn reach_at(connection: &dyn Transport, port: u16) -> Result<String, AskError> {
    let connection = connection.reconnect_at(port).await?;
    ask(connection.as_ref(), &[]).await?;
    Ok(connection.describe())
}

/// A new connection that also runs a script as root.
pub(super) async fn reach(connection: &dyn Transport) -> Result<Box<dyn Transport>, AskError> {
    let connection = connection.reconnect().await?;
    ask(connection.as_ref(), &[]).await?;
    Ok(connection)
}

/// What was done, in words.
async fn mend(open: &dyn Transport, refused: bool) -> Vec<String> {
    let argument = if refused { "refused" } else { "other" };
    let script = format!("set -- {argument}\n{MEND}");
    let limits = Limits::default().within(Duration::from_secs(60));
    let Ok(output) = open.run(&script, limits).await else {
        return Vec::new();
    };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.strip_prefix("mended: "))
        .take(8)
        .map(|line| deployctl_core::query::printable_line(line.as_bytes(), 300))
        .collect()
}
