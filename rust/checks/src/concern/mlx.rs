//! MLX's server on a Mac: launchd's job, its socket, its model, and the GPU's limit.
//!
//! The server knows its model by its id on the hub alone; the served name is the gateway's.

use std::collections::BTreeMap;
use std::time::Duration;

use deployctl_core::inventory::mlx::Mlx;
use deployctl_core::name::authority;
use deployctl_core::query::{Query, quote};

use crate::answer::{Answer, Found, Unreadable, number};
use crate::measurement::Measurement;
use crate::reader::http::{self, STATUS, STATUS_AND_SECONDS};
use crate::reader::{openai, socket};
use crate::{Check, Declared};

pub(super) const CONCERN: &str = "mlx";

/// What nix-darwin calls the job.
const LABEL: &str = "org.nixos.mlx";
/// Seconds for what needs no model.
const SOON: u32 = 5;
/// Apple's own curl is let into the local network without being asked about.
const CURL: &str = "/usr/bin/curl";

pub(super) fn checks(facts: &Mlx, _: &Declared<'_>) -> Vec<Check> {
    let mut checks = Vec::from(job(facts));
    checks.push(listening(facts));
    checks.push(health(facts));
    checks.push(model(facts));
    checks.push(chat(facts));
    checks.push(wired(facts));
    checks
}

/// The job as launchd has it, and as whom its process really runs.
fn job(facts: &Mlx) -> [Check; 2] {
    let query = Query::new(
        "mlx/job",
        format!(
            "/bin/launchctl print system/{LABEL} || exit\n\
             pid=$(/bin/launchctl print system/{LABEL} | /usr/bin/sed -n 's/^[[:space:]]*pid = \\([0-9]*\\)$/\\1/p')\n\
             [ -z \"$pid\" ] || printf 'runs as = %s\\n' \"$(/bin/ps -o user= -p \"$pid\")\""
        ),
    );
    let check = |what: &str, expected: String, judge: Judge| {
        Check::new(CONCERN, what, &query, expected, move |answer| {
            if answer.status != 0 {
                return Ok(Found::when(false, answer.everything()).or_hint(format!(
                    "on the host, as root: `launchctl bootstrap system /Library/LaunchDaemons/{LABEL}.plist`"
                )));
            }
            judge(&parse_job(answer)?)
        })
        .reading_failures()
    };
    let user = facts.user.to_string();
    [
        check(
            "daemon",
            format!("launchd runs {LABEL} as {user}"),
            Box::new(move |job| {
                let state = job.get("state").copied().unwrap_or("unknown");
                let owner = job.get("runs as").copied().unwrap_or("nobody");
                let exit = job.get("last exit code").copied().unwrap_or("unknown");
                let evidence = format!("{state}, as {owner}, last exit code {exit}");
                Ok(
                    Found::when(state == "running" && owner == user, evidence).or_hint(
                        "on the Mac: /var/lib/mlx/log/mlx.log; without /opt/mlx/current it waits",
                    ),
                )
            }),
        ),
        // A request may name any model: without offline mode the server would fetch that model.
        check(
            "offline",
            "its environment has HF_HUB_OFFLINE=1 and TRANSFORMERS_OFFLINE=1".to_owned(),
            Box::new(|job| {
                let shown: Vec<String> = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]
                    .iter()
                    .map(|name| format!("{name}={}", job.get(name).copied().unwrap_or("(not set)")))
                    .collect();
                let holds = shown.iter().all(|setting| setting.ends_with("=1"));
                Ok(Found::when(holds, shown.join(", "))
                    .or_hint("a client could have it fetch any model"))
            }),
        ),
    ]
}

type Job<'a> = BTreeMap<&'a str, &'a str>;
type Judge = Box<dyn Fn(&Job<'_>) -> Result<Found, Unreadable> + Send + Sync>;

/// `key = value` of `launchctl print`, and `NAME => value` of the job's own environment alone: the default
/// one comes before it.
fn parse_job<'a>(answer: &Answer<'a>) -> Result<Job<'a>, Unreadable> {
    let mut job = Job::new();
    let mut block = "";
    for line in answer.lines()? {
        if let Some(name) = line.strip_suffix(" = {") {
            block = name;
        } else if line == "}" {
            block = "";
        } else if let Some((name, value)) = line.split_once(" => ") {
            if block == "environment" {
                job.insert(name, value);
            }
        } else if let Some((name, value)) = line.split_once(" = ") {
            job.entry(name).or_insert(value);
        }
    }
    if job.contains_key("state") {
        Ok(job)
    } else {
        Err(Unreadable::new("no state of a job as launchctl prints it"))
    }
}

/// The server has no key, so it must listen on its declared address only.
fn listening(facts: &Mlx) -> Check {
    let port = facts.port.number();
    let query = Query::new(
        "mlx/listening",
        format!(
            "lsof=/usr/sbin/lsof\n[ -x \"$lsof\" ] || lsof=lsof\n\"$lsof\" -nP -iTCP:{port} -sTCP:LISTEN -Fn || [ $? -ne 1 ] || echo nothing"
        ),
    );
    let wanted = authority(facts.host.as_str(), port);
    let expected = format!("it listens on {wanted} alone");
    Check::new(CONCERN, "listening", &query, expected, move |answer| {
        if answer.text()?.trim() == "nothing" {
            return Ok(Found::when(false, "nothing listens").or_hint(
                "its address may not be up yet, or the server still starts: see `mlx/daemon`",
            ));
        }
        let found = socket::lsof(answer)?;
        let alone = socket::on_alone(&found, &wanted);
        Ok(Found::when(alone, found.join(", "))
            .or_hint("it has no key: it must not listen on other addresses"))
    })
}

fn health(facts: &Mlx) -> Check {
    let url = base(facts) + "/health";
    let query = Query::new("mlx/health", curl(&url, SOON, STATUS, ""));
    Check::new(
        CONCERN,
        "health",
        &query,
        format!("GET {url} gives 200"),
        |answer| {
            http::succeeds(
                answer,
                |_| "status 0 is no connection: does it run, see `mlx/daemon`",
            )
        },
    )
    .reading_failures()
    .retried(2, Duration::from_secs(3))
}

fn model(facts: &Mlx) -> Check {
    let url = base(facts) + openai::MODELS;
    let query = Query::new("mlx/models", curl(&url, SOON, STATUS, ""));
    let wanted = facts.model.id.to_string();
    Check::new(
        CONCERN,
        "model",
        &query,
        format!("it has {wanted}"),
        move |answer| {
            let http = http::parse(answer)?;
            if http.status != 200 {
                return Ok(Found::when(false, http.shown(answer)));
            }
            let models = openai::models(http.body)?;
            let shown = if models.is_empty() {
                "no model".to_owned()
            } else {
                format!("has {}", models.join(", "))
            };
            Ok(Found::when(models.contains(&wanted), shown).or_hint(
                "it lists what is in /var/lib/mlx/hf: fetch the model there, it is offline",
            ))
        },
    )
    .reading_failures()
    .needing("mlx/health")
}

/// The first answer waits for the model to come from disk.
fn chat(facts: &Mlx) -> Check {
    let model = facts.model.id.to_string();
    let post = format!(
        "-H 'Content-Type: application/json' --data-raw {} ",
        quote(&openai::one_token(&model))
    );
    let most = facts.load_timeout_seconds;
    let url = base(facts) + openai::CHAT;
    let command = curl(&url, most, STATUS_AND_SECONDS, &post);
    let query =
        Query::new("mlx/chat", command).with_deadline(Duration::from_secs(u64::from(most) + 5));
    let expected = format!("{model} answers one token within {most} s, loading included");
    Check::new(CONCERN, "chat", &query, expected, move |answer| {
        let http = http::parse(answer)?;
        let seconds = http.seconds()?;
        if http.status != 200 {
            let hint = match http.status {
                0 => "no answer in time: the model may be larger than declared, or the disk slower",
                404 => "it does not have the model, and is offline: fetch it into /var/lib/mlx/hf",
                _ => "on the Mac: /var/lib/mlx/log/mlx.log",
            };
            let evidence = format!("{} {}", http.shown(answer), http.body);
            return Ok(Found::when(false, evidence).or_hint(hint));
        }
        let content = openai::content(http.body)?;
        let measured = Measurement::new("first answer", "s").statistic("value", seconds);
        Ok(Found::when(
            !content.is_empty(),
            format!("{content:?} after {seconds:.1} s"),
        )
        .or_hint(openai::SILENT)
        .measuring([measured]))
    })
    .reading_failures()
    .loading()
    .needing("mlx/model")
}

fn wired(facts: &Mlx) -> Check {
    let wanted = facts.wired_limit_mib.unwrap_or(0);
    let expected = match wanted {
        0 => "the GPU may wire what macOS lets it (iogpu.wired_limit_mb is 0)".to_owned(),
        limit => format!("the GPU may wire {limit} MiB (iogpu.wired_limit_mb)"),
    };
    let query = Query::new(
        "mlx/wired-limit",
        "/usr/sbin/sysctl -n iogpu.wired_limit_mb",
    );
    Check::new(CONCERN, "wired-limit", &query, expected, move |answer| {
        let found: u32 = number("iogpu.wired_limit_mb", answer.text()?)?;
        Ok(
            Found::when(found == wanted, found.to_string()).or_hint(format!(
                "a boot forgets it; on the host, as root: `sysctl iogpu.wired_limit_mb={wanted}`"
            )),
        )
    })
}

fn base(facts: &Mlx) -> String {
    format!(
        "http://{}",
        authority(facts.host.as_str(), facts.port.number())
    )
}

fn curl(url: &str, seconds: u32, told: &str, more: &str) -> String {
    format!(
        "{CURL} -sS --noproxy '*' -m {seconds} {more}-w {told} {}",
        quote(url)
    )
}
