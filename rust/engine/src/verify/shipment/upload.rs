//! Uploads a file into a host's cache.
//!
//! It is kept in [`DIRECTORY`] under a name that contains its hash, and is used only if its bytes have that hash:
//! an incomplete or changed file is uploaded again. `/run` and `/tmp` are often mounted `noexec`, `/var` is not.

use std::time::Duration;

use deployctl_core::activation::{Bundle, BundleFile};
use deployctl_core::name::HostName;
use deployctl_core::query::{Query, printable_line, quote};

use super::{Run, Upload};
use crate::event::EventKind;
use crate::interrupt::Interrupt;
use crate::transport::Limits;
use crate::verify::connection::Connection;
use crate::{archive, random};

/// Where a host keeps files for checks.
const DIRECTORY: &str = "/var/cache/deployctl";
/// Deadline of an upload, in addition to the time at the slowest rate.
const LIMIT: Duration = Duration::from_secs(120);
/// The slowest rate, in bytes per second.
const SLOWEST: u64 = 100 << 10;

/// Prints `whole` if file $1 in $d has hash $2, is ours and executable, and only root can replace it. Removes what
/// interrupted uploads left.
const WHOLE: &str = r#"sum() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum; else shasum -a 256; fi | cut -c1-64
}
ours() {
  [ -n "$(find "$d" -prune -type d -user "$(id -u)" "$@" 2>/dev/null)" ]
}
sweep() {
  ours && find "$d" -name '.incoming-*' -prune -mmin +60 -exec rm -rf -- {} +
}
whole() {
  ours ! -perm -0020 ! -perm -0002 &&
    [ -n "$(find "$d/$1" -type f -user "$(id -u)" -perm 0755 2>/dev/null)" ] &&
    [ "$(sum <"$d/$1")" = "$2" ]
}
"#;

/// Moves the uploaded $d/$1 to $2, whose hash is $3, and removes earlier builds of $4.
const PLACE: &str = r#"place() {
  ours || { echo "$d is not ours" >&2; return 1; }
  chmod 0755 "$d" "$d/$1/file" && mv -f -- "$d/$1/file" "$d/$2" && rmdir -- "$d/$1" || return
  whole "$2" "$3" || { rm -f -- "$d/$2"; echo "what arrived is not what was sent" >&2; return 1; }
  for old in "$d/$4"-*; do
    [ "$old" = "$d/$2" ] || rm -f -- "$old"
  done
}
"#;

/// Uploads `upload` to `host` unless it is there; returns its path. Errors are texts.
pub(super) async fn deliver(
    run: &Run,
    host: &HostName,
    upload: &Upload,
    connection: &mut Connection,
) -> Result<String, String> {
    let (file, sha256) = (upload.file(), &upload.sha256);
    let path = format!("{DIRECTORY}/{file}");
    let interrupt = &run.context.interrupt;
    let asked = format!("sweep\nwhole {file} {sha256} && echo whole || echo absent");
    let (word, _) = say(connection, &asked, interrupt).await?;
    if word == "whole" {
        return Ok(path);
    }
    let incoming = random::word().map_err(|error| format!("cannot read random bytes: {error}"))?;
    let incoming = format!(".incoming-{incoming}");
    let bundle = Bundle {
        files: vec![BundleFile {
            name: "file".to_owned(),
            bytes: upload.bytes.clone(),
            mode: 0o755,
        }],
    };
    let archive = archive::pack(&bundle).map_err(|error| format!("cannot pack {file}: {error}"))?;
    let size = u64::try_from(archive.len()).unwrap_or(u64::MAX);
    let limits = Limits::default().within(LIMIT + Duration::from_secs(size / SLOWEST));
    let directory = format!("{DIRECTORY}/{incoming}");
    let put = connection.put(&archive, &directory, limits, interrupt);
    if let Err(error) = put.await {
        // On a full disk, every attempt would leave a partial file.
        if !error.is_final() {
            let _ = say(
                connection,
                &format!("rm -rf -- \"$d/{incoming}\""),
                interrupt,
            )
            .await;
        }
        return Err(error.words());
    }
    let placing = format!(
        "place {incoming} {file} {sha256} {} && echo placed",
        upload.name
    );
    let (word, complaint) = say(connection, &placing, interrupt).await?;
    if word != "placed" {
        let _ = say(
            connection,
            &format!("rm -rf -- \"$d/{incoming}\""),
            interrupt,
        )
        .await;
        return Err(format!(
            "{file} could not be put into {DIRECTORY}: {complaint}"
        ));
    }
    let bytes = upload.bytes.len();
    run.tell(host, EventKind::Shipped { name: file, bytes });
    Ok(path)
}

/// Runs `command` on the host; returns the word that it prints, and its errors.
async fn say(
    connection: &mut Connection,
    command: &str,
    interrupt: &Interrupt,
) -> Result<(String, String), String> {
    let text = format!("d={}\n{WHOLE}{PLACE}{command}", quote(DIRECTORY));
    let query = Query::new("shipment", text).with_deadline(Duration::from_secs(60));
    let asked = connection.ask(std::slice::from_ref(&query), interrupt);
    let answers = asked.await.map_err(|error| error.words())?;
    let Some(section) = answers.get(&query.id) else {
        return Err("the host gave no answer about shipped files".to_owned());
    };
    if section.status.is_none() {
        return Err(format!("{DIRECTORY} was not looked through within 60 s"));
    }
    let word = printable_line(&section.stdout, 20).trim().to_owned();
    Ok((word, printable_line(&section.stderr, 200)))
}
