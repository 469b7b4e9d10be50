//! Requests to an OpenAI-compatible server at its Unix socket or by TCP, one at a time, as the trading engine makes
//! them: time to the first token, between tokens and to the last, by the pieces of the stream.
//!
//! Prompts have a wanted number of tokens by the server's own count: two small requests tell how many
//! words that takes. All begin differently, and each has its own cache key, so that none is answered from the
//! prefix cache. These two, and one like those that are measured, warm the server up.

mod client;
mod http;
mod place;
mod prompt;
mod stream;

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use self::client::{Answered, Client, Refused};
pub(crate) use self::place::Place;
use self::prompt::{Prompts, words_for};
use crate::args::Args;
use crate::distribution::{Distribution, micros};
use crate::report::{Item, Trouble};
use crate::sys::process;

const ITEM: &str = "inference";
/// Single values kept for each distribution.
const SAMPLES: usize = 1000;
/// After this many failed requests the probe stops.
const ERRORS: u32 = 3;
/// Longest key, in bytes.
const KEY: u64 = 8 << 10;

pub(crate) fn probe(args: &Args) -> Item {
    let (Some(place), Some(model)) = (&args.socket, &args.model) else {
        return Item::skip(ITEM, "no `--socket` given");
    };
    let asked = args
        .key_file
        .as_deref()
        .map(read_key)
        .transpose()
        .and_then(|key| {
            let mut client = Client {
                place,
                model,
                key,
                extended: true,
            };
            measure(&mut client, args)
        });
    match asked {
        Err(trouble) => Item::fail(ITEM, trouble),
        Ok(measured) => measured.item(args, place),
    }
}

/// Everything that was measured.
#[derive(Debug, Default)]
struct Measured {
    answers: Vec<Answered>,
    errors: u32,
    first_error: Option<Trouble>,
    late: bool,
    extended: bool,
}

fn measure(client: &mut Client<'_>, args: &Args) -> Result<Measured, Trouble> {
    let start = Instant::now();
    let mut prompts = Prompts::new();
    let words = calibrate(client, &mut prompts, args)?;
    let mut measured = Measured {
        extended: client.extended,
        ..Measured::default()
    };
    // The first one warms up.
    for number in 0..=args.requests {
        if start.elapsed() > Duration::from_secs(args.within_s) {
            measured.late = true;
            break;
        }
        let (prompt, salt) = (prompts.next(words), prompts.salt());
        match client.ask(&prompt, &salt, args.tokens) {
            Ok(_) if number == 0 => {}
            Ok(answered) => measured.answers.push(answered),
            Err(refused) => {
                measured.errors += 1;
                measured.first_error.get_or_insert(refused.trouble);
                if measured.errors >= ERRORS {
                    break;
                }
            }
        }
    }
    Ok(measured)
}

/// How many words give a prompt its length. Also finds out whether the server takes more than the original
/// API's fields.
fn calibrate(
    client: &mut Client<'_>,
    prompts: &mut Prompts,
    args: &Args,
) -> Result<usize, Trouble> {
    let wanted = u64::from(args.prompt_tokens);
    let few = usize::try_from(wanted / 8).unwrap_or_default().max(1);
    let many = usize::try_from(wanted / 2).unwrap_or_default().max(few + 1);
    let mut count = |client: &Client<'_>, words: usize| {
        let (prompt, salt) = (prompts.next(words), prompts.salt());
        client
            .ask(&prompt, &salt, 1)
            .map(|answered| answered.usage.map(|usage| (words, usage.prompt_tokens)))
    };
    let short = match count(client, few) {
        Err(Refused {
            status: 400 | 422, ..
        }) => {
            client.extended = false;
            count(client, few)
        }
        other => other,
    };
    let short = short.map_err(|refused| refused.trouble)?;
    let long = count(client, many).map_err(|refused| refused.trouble)?;
    Ok(match (short, long) {
        (Some(short), Some(long)) => words_for(wanted, short, long),
        // It does not count: a word is about a token.
        _ => usize::try_from(wanted).unwrap_or(usize::MAX),
    })
}

impl Measured {
    fn item(self, args: &Args, place: &Place) -> Item {
        let done = self.answers.len();
        let counted = format!("{done} of {} requests answered", args.requests);
        let mut item = if let Some(Trouble { message, hint }) = self.first_error {
            let message = format!("{counted}; {message}");
            Item::fail(ITEM, Trouble { message, hint })
        } else if self.late || done == 0 {
            let trouble = Trouble::new(format!("{counted} within {} s", args.within_s));
            Item::fail(
                ITEM,
                trouble.hint("it is far too slow, or something else loads it"),
            )
        } else {
            Item::pass(ITEM, format!("{counted} over `{place}`"))
        };
        item = item
            .value("requests", done)
            .value("errors", self.errors)
            .value("cache_salt", self.extended)
            .value("ignore_eos", self.extended);
        item = tokens(item, &self.answers);
        let of = |each: fn(&Answered) -> Vec<Duration>| {
            self.answers.iter().flat_map(each).collect::<Vec<_>>()
        };
        item = FIRST.of(item, of(|answered| vec![answered.first]));
        if let Some(longest) = self.answers.iter().filter_map(|it| it.longest_wait).max() {
            item = item.value("longest_wait_us", micros(longest));
        }
        item = BETWEEN.of(item, of(|answered| answered.between.clone()));
        item = WHOLE.of(item, of(|answered| vec![answered.whole]));
        item = SERVER_FIRST.of(item, of(|answered| duration(answered.server_first_ms)));
        SERVER_BETWEEN.of(item, of(|answered| duration(answered.server_between_ms)))
    }
}

/// How many tokens the server counted, where it does.
fn tokens(mut item: Item, answers: &[Answered]) -> Item {
    let usages: Vec<_> = answers
        .iter()
        .filter_map(|answered| answered.usage)
        .collect();
    let ends = |numbers: Vec<u64>| {
        numbers
            .iter()
            .min()
            .copied()
            .zip(numbers.iter().max().copied())
    };
    if let Some((min, max)) = ends(usages.iter().map(|usage| usage.prompt_tokens).collect()) {
        item = item
            .value("prompt_tokens_min", min)
            .value("prompt_tokens_max", max);
    }
    if let Some((min, max)) = ends(usages.iter().map(|usage| usage.completion_tokens).collect()) {
        item = item
            .value("answer_tokens_min", min)
            .value("answer_tokens_max", max);
    }
    let cached = usages
        .iter()
        .filter_map(|usage| usage.prompt_tokens_details?.cached_tokens)
        .max();
    if let Some(most) = cached {
        item = item.value("cached_tokens_max", most);
    }
    item
}

/// A server's milliseconds, where they make sense.
fn duration(ms: Option<f64>) -> Vec<Duration> {
    let seconds = ms.map(|ms| ms / 1000.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.into_iter().collect()
}

/// What a distribution's values are called.
struct Keys {
    samples: &'static str,
    p50: &'static str,
    p95: &'static str,
    p99: &'static str,
    max: &'static str,
}

macro_rules! keys {
    ($name:literal) => {
        Keys {
            samples: concat!($name, "_us"),
            p50: concat!($name, "_p50_us"),
            p95: concat!($name, "_p95_us"),
            p99: concat!($name, "_p99_us"),
            max: concat!($name, "_max_us"),
        }
    };
}

const FIRST: Keys = keys!("first_token");
const BETWEEN: Keys = keys!("between_tokens");
const WHOLE: Keys = keys!("answer");
/// By the server's own clock.
const SERVER_FIRST: Keys = keys!("server_first_token");
/// By that clock, too: the means of single answers.
const SERVER_BETWEEN: Keys = keys!("server_between_tokens");

impl Keys {
    /// Adds the distribution of `samples`; nothing where there are none.
    fn of(&self, item: Item, samples: Vec<Duration>) -> Item {
        // Evenly thinned out, in the order of measurement.
        let step = samples.len().div_ceil(SAMPLES).max(1);
        let kept: Vec<f64> = samples
            .iter()
            .step_by(step)
            .map(|sample| micros(*sample))
            .collect();
        let Some(distribution) = Distribution::new(samples) else {
            return item;
        };
        item.value(self.samples, kept)
            .value(self.p50, distribution.micros(50))
            .value(self.p95, distribution.micros(95))
            .value(self.p99, distribution.micros(99))
            .value(self.max, distribution.micros(100))
    }
}

/// The key in a file, or on standard input for `-`: whoever starts this as another user opens the file
/// first, so that this user need not be able to.
fn read_key(path: &Path) -> Result<String, Trouble> {
    let named = |error: std::io::Error| {
        Trouble::new(format!("cannot read the key `{}`: {error}", path.display()))
    };
    // A process that holds a key leaves no core dump, and only root may read its memory.
    process::never_dump();
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin()
            .take(KEY)
            .read_to_string(&mut text)
            .map_err(named)?;
    } else {
        fs::File::open(path)
            .and_then(|file| file.take(KEY).read_to_string(&mut text))
            .map_err(named)?;
    }
    let key = text.trim();
    if key.is_empty() || key.contains(|c: char| c.is_control() || c == ' ') {
        return Err(Trouble::new(format!("`{}` holds no key", path.display())));
    }
    Ok(key.to_owned())
}

/// The beginning of what a server said, in one line.
fn short(text: &str) -> String {
    let words = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    words
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(240)
        .collect()
}
