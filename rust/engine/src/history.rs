//! The generations of a host, and its own status.

use std::collections::BTreeMap;

use deployctl_core::activation::status::{self, Status, StatusError};
use deployctl_core::activation::{STATE_DIR, command};
use deployctl_core::closure::StorePath;
use deployctl_core::query::{self, Query};
use deployctl_core::rendered::Rendered;
use serde::{Deserialize, Serialize};

use crate::ask::{AskError, ask};
use crate::transport::{Limits, Transport, TransportError};

/// One committed generation, from its `record.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Its number.
    pub generation: u32,
    /// The apply that made it.
    pub apply: String,
    /// The plan that was applied.
    pub plan: String,
    /// Who applied it: `user@controller`.
    pub holder: String,
    /// When, in seconds since 1970, by the controller's clock.
    pub started_at: u64,
    /// How many paths it changed.
    pub files: usize,
    /// How many packages.
    pub packages: usize,
    /// How many units.
    pub units: usize,
    /// How many live kernel settings.
    pub sysctls: usize,
    /// Its system, on hosts of a Nix platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<StorePath>,
    /// Whether it is the one in effect.
    pub current: bool,
    /// The oldest generation with the same configuration, where there is one.
    #[serde(skip)]
    pub same_as: Option<u32>,
}

/// The number of the generation before the current one; `generations` begin with the oldest.
pub fn previous(generations: &[Generation]) -> Option<u32> {
    let earlier = generations.iter().take_while(|it| !it.current);
    earlier.last().map(|it| it.generation)
}

/// Why the history of a host could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// No answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It could not be reached.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// An answer that is not a status.
    #[error("`{address}` answered something else than its status")]
    Status {
        /// `user@address:port`.
        address: String,
        /// How.
        source: StatusError,
    },
    /// Its state directory exists and cannot be read.
    #[error("`{address}`: cannot read the state in `{directory}`")]
    Unreadable {
        /// `user@address:port`.
        address: String,
        /// What prevents it.
        directory: String,
    },
    /// The file that names the generation in effect names none.
    #[error(
        "`{address}`: `{STATE_DIR}/generation` says no number; the newest generation there is {newest}"
    )]
    NoNumber {
        /// `user@address:port`.
        address: String,
        /// The highest number that has a record.
        newest: u32,
    },
    /// There is no such generation.
    #[error("`{address}` has no generation {generation}")]
    NoGeneration {
        /// `user@address:port`.
        address: String,
        /// Which.
        generation: u32,
    },
    /// The file is not one that deployctl wrote.
    #[error("generation {generation} of `{address}` is unreadable: {cause}")]
    Damaged {
        /// `user@address:port`.
        address: String,
        /// Which.
        generation: u32,
        /// How.
        cause: String,
    },
}

impl HistoryError {
    /// The next step for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Ask(error) => error.hint(),
            Self::Transport(error) => error.hint(),
            Self::NoGeneration { .. } => Some("`deployctl history` lists them".to_owned()),
            Self::Unreadable { .. } => Some(
                "it must be a directory that the user there may read; look at its owner and mode"
                    .to_owned(),
            ),
            Self::NoNumber { newest, .. } => Some(format!(
                "if that is what runs there, write it, as root: `echo {newest} >{STATE_DIR}/generation`"
            )),
            Self::Status { .. } => Some(format!("look at what is in `{STATE_DIR}` there")),
            Self::Damaged { .. } => None,
        }
    }
}

/// Prints what prevents reading the state directory, or that it names no generation in effect, and ends; a missing directory is not an error.
const READABLE: &str = "\
for d in /var /var/lib /var/lib/deployctl; do
d=\"${DEPLOYCTL_ROOT-}$d\"
[ -e \"$d\" ] || break
if ! [ -d \"$d\" ] || ! [ -r \"$d\" ] || ! [ -x \"$d\" ]; then
printf 'deployctl-unreadable %s\\n' \"$d\"
exit 0
fi
done
if [ -e \"$d/generation\" ]; then
IFS= read -r n <\"$d/generation\" || :
case $n in '' | *[!0-9]*)
m=0
for g in \"$d\"/generations/*; do
g=${g##*/}
case $g in '' | *[!0-9]*) ;; *) if [ \"$g\" -gt \"$m\" ]; then m=$g; fi ;; esac
done
printf 'deployctl-no-number %s\\n' \"$m\"
exit 0
esac
fi
";

/// Whether [`READABLE`] found no obstacle.
fn readable(transport: &dyn Transport, stdout: &[u8]) -> Result<(), HistoryError> {
    if let Some(newest) = stdout.strip_prefix(b"deployctl-no-number ") {
        return Err(HistoryError::NoNumber {
            address: transport.describe(),
            newest: String::from_utf8_lossy(newest)
                .trim()
                .parse()
                .unwrap_or_default(),
        });
    }
    let Some(directory) = stdout.strip_prefix(b"deployctl-unreadable ") else {
        return Ok(());
    };
    Err(HistoryError::Unreadable {
        address: transport.describe(),
        directory: query::printable_line(directory.trim_ascii(), 300),
    })
}

/// The host's own status.
pub async fn status(transport: &dyn Transport) -> Result<Status, HistoryError> {
    let script = format!("{READABLE}{}", command::status_of_host());
    let output = transport.run(&script, Limits::default()).await?;
    readable(transport, &output.stdout)?;
    status::parse(&output.stdout).map_err(|source| HistoryError::Status {
        address: transport.describe(),
        source,
    })
}

/// Accepts the host as it is after a failed rollback, and returns its status then.
pub async fn abandon(transport: &dyn Transport) -> Result<Status, HistoryError> {
    let limits = Limits::default();
    let output = transport.run(&command::abandon(None), limits).await?;
    status::parse(&output.stdout).map_err(|source| HistoryError::Status {
        address: transport.describe(),
        source,
    })
}

/// All generations, oldest first.
pub async fn generations(transport: &dyn Transport) -> Result<Vec<Generation>, HistoryError> {
    let script = format!(
        "{READABLE}cd \"${{DEPLOYCTL_ROOT-}}{STATE_DIR}\" 2>/dev/null || exit 0\n\
         cat generation 2>/dev/null || echo 0\n\
         for d in generations/*/; do\n\
         [ -f \"$d/record.json\" ] || continue\n\
         printf '%s ' \"$(basename \"$d\")\"; tr -d '\\n' <\"$d/record.json\"; echo\n\
         done\n\
         if command -v sha256sum >/dev/null 2>&1; then sum=sha256sum; else sum='shasum -a 256'; fi\n\
         $sum generations/*/rendered.json 2>/dev/null | sed 's/^/same /'\n"
    );
    let query = Query::new("history", script).with_cap(4 << 20);
    let answers = ask(transport, std::slice::from_ref(&query)).await?;
    let text = answers
        .get("history")
        .map(|section| String::from_utf8_lossy(&section.stdout).into_owned())
        .unwrap_or_default();
    readable(transport, text.as_bytes())?;
    let mut lines = text.lines();
    let current: u32 = lines
        .next()
        .and_then(|line| line.trim().parse().ok())
        .unwrap_or_default();
    let (mut found, mut hashes) = (Vec::new(), BTreeMap::new());
    for line in lines {
        hashes.extend(hash(line));
        let Some((number, record)) = line.split_once(' ') else {
            continue;
        };
        let Ok(generation) = number.parse() else {
            continue;
        };
        let record: Record =
            serde_json::from_str(record).map_err(|error| HistoryError::Damaged {
                address: transport.describe(),
                generation,
                cause: query::printable_line(error.to_string().as_bytes(), 200),
            })?;
        found.push(record.into_generation(generation, current));
    }
    found.sort_by_key(|generation| generation.generation);
    for generation in &mut found {
        let number = generation.generation;
        let mut earlier = hashes.range(..number);
        generation.same_as = hashes
            .get(&number)
            .and_then(|own| Some(*earlier.find(|(_, hash)| *hash == own)?.0));
    }
    Ok(found)
}

/// The number and the hash in `same HASH  generations/NUMBER/rendered.json`.
fn hash(line: &str) -> Option<(u32, &str)> {
    let (hash, file) = line.strip_prefix("same ")?.split_once("  generations/")?;
    let number = file.strip_suffix("/rendered.json")?.parse().ok()?;
    Some((number, hash))
}

/// The whole configuration of a generation, as it was applied.
pub async fn rendered(
    transport: &dyn Transport,
    generation: u32,
) -> Result<Rendered, HistoryError> {
    let file = format!("{STATE_DIR}/generations/{generation}/rendered.json");
    let query =
        Query::new("rendered", format!("cat \"${{DEPLOYCTL_ROOT-}}{file}\"")).with_cap(32 << 20);
    let answers = ask(transport, std::slice::from_ref(&query)).await?;
    let section = answers
        .get("rendered")
        .filter(|section| section.status == Some(0))
        .ok_or_else(|| HistoryError::NoGeneration {
            address: transport.describe(),
            generation,
        })?;
    serde_json::from_slice(&section.stdout).map_err(|error| HistoryError::Damaged {
        address: transport.describe(),
        generation,
        cause: query::printable_line(error.to_string().as_bytes(), 200),
    })
}

/// `record.json` as `core::activation` writes it. Read back from a host: hostile.
#[derive(Debug, Deserialize)]
struct Record {
    apply: String,
    plan: String,
    holder: String,
    started_at: u64,
    files: usize,
    packages: usize,
    units: usize,
    sysctls: usize,
    #[serde(default)]
    system: Option<StorePath>,
}

impl Record {
    fn into_generation(self, generation: u32, current: u32) -> Generation {
        let shown = |text: String| query::printable_line(text.as_bytes(), 100);
        Generation {
            generation,
            apply: shown(self.apply),
            plan: shown(self.plan),
            holder: shown(self.holder),
            started_at: self.started_at,
            files: self.files,
            packages: self.packages,
            units: self.units,
            sysctls: self.sysctls,
            system: self.system,
            current: generation == current,
            same_as: None,
        }
    }
}
