//! What can happen to a good answer on its way, or to the host that gives it.

use proptest::prelude::*;
use proptest::sample::Index;

/// One change to an answer.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    /// Ends early.
    Truncate(Index),
    /// Begins late.
    Behead(Index),
    /// It contains something that was not there.
    Insert(Index, Vec<u8>),
    /// Something is missing.
    Remove(Index, Index),
    /// One bit is another.
    Flip(Index, u8),
    /// A line occurs several times.
    Repeat(Index, u8),
    /// A line is not there.
    DropLine(Index),
    /// Lines in another order.
    Swap(Index, Index),
    /// A number is another, or none.
    Number(Index, &'static str),
    /// Every number is.
    Numbers(&'static str),
    /// Windows' ends of lines, or none.
    LineEnds(&'static str),
}

/// What may stand where a number should.
const NUMBERS: &[&str] = &[
    "",
    "-",
    "0",
    "-0",
    "-1",
    "+1",
    "1e999",
    "-1e999",
    "NaN",
    "nan",
    "inf",
    "-inf",
    "0x10",
    "1_000",
    "1,5",
    "1.5.2",
    "١٢",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "4294967296",
    "340282366920938463463374607431768211456",
    "0.1e-400",
    "999999999999999999999999999999999999999999999999999999999999999999999999",
    "null",
    "true",
    "[]",
    "{}",
    "\"1\"",
    "[N/A]",
    "ERR!",
    "\u{1b}[2J",
    "\u{202e}1",
    "1\0",
];

/// Words that look like numbers, lists, tables and JSON, in every order.
pub(crate) fn plausible() -> impl Strategy<Value = Vec<u8>> {
    "([a-zA-Z_]{1,8}[=: ,/-]|[0-9]{1,25}[-,.kMG/ ]|[\\[\\]{}\"\n]|nan|-?inf|1e999|\t|\\|){0,60}"
        .prop_map(String::into_bytes)
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    let number = proptest::sample::select(NUMBERS);
    let noise = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..12),
        any::<String>().prop_map(String::into_bytes),
        plausible(),
    ];
    prop_oneof![
        1 => at().prop_map(Damage::Truncate),
        1 => at().prop_map(Damage::Behead),
        1 => (at(), noise).prop_map(|(at, noise)| Damage::Insert(at, noise)),
        1 => (at(), at()).prop_map(|(from, to)| Damage::Remove(from, to)),
        1 => (at(), 0..8u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => (at(), 2..20u8).prop_map(|(at, times)| Damage::Repeat(at, times)),
        1 => at().prop_map(Damage::DropLine),
        1 => (at(), at()).prop_map(|(one, other)| Damage::Swap(one, other)),
        3 => (at(), number.clone()).prop_map(|(at, number)| Damage::Number(at, number)),
        1 => number.prop_map(Damage::Numbers),
        1 => proptest::sample::select(&["\r\n", "\r", "", "\0", " "][..]).prop_map(Damage::LineEnds),
    ]
}

impl Damage {
    /// Does it.
    pub(crate) fn to(&self, good: &[u8]) -> Vec<u8> {
        let place = |at: &Index| at.index(good.len() + 1);
        match self {
            Self::Truncate(at) => good[..place(at)].to_vec(),
            Self::Behead(at) => good[place(at)..].to_vec(),
            Self::Insert(at, noise) => {
                let (before, after) = good.split_at(place(at));
                [before, noise, after].concat()
            }
            Self::Remove(from, to) => {
                let (from, to) = (place(from), place(to));
                [&good[..from.min(to)], &good[from.max(to)..]].concat()
            }
            Self::Flip(at, bit) => {
                let mut bytes = good.to_vec();
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 1 << bit;
                }
                bytes
            }
            Self::Repeat(at, times) => lines(good, |lines| {
                let at = at.index(lines.len());
                lines.splice(at..at, vec![lines[at]; usize::from(*times)]);
            }),
            Self::DropLine(at) => lines(good, |lines| {
                lines.remove(at.index(lines.len()));
            }),
            Self::Swap(one, other) => lines(good, |lines| {
                let (one, other) = (one.index(lines.len()), other.index(lines.len()));
                lines.swap(one, other);
            }),
            Self::Number(at, number) => {
                let runs = numbers(good);
                let Some(&(from, to)) = runs.get(at.index(runs.len().max(1))) else {
                    return good.to_vec();
                };
                [&good[..from], number.as_bytes(), &good[to..]].concat()
            }
            Self::Numbers(number) => {
                let mut bytes = Vec::new();
                let mut done = 0;
                for (from, to) in numbers(good) {
                    bytes.extend_from_slice(&good[done..from]);
                    bytes.extend_from_slice(number.as_bytes());
                    done = to;
                }
                bytes.extend_from_slice(&good[done..]);
                bytes
            }
            Self::LineEnds(end) => {
                let lines: Vec<&[u8]> = good.split(|&byte| byte == b'\n').collect();
                lines.join(end.as_bytes())
            }
        }
    }
}

/// Changes the lines of `good`, which has at least one.
fn lines(good: &[u8], change: impl FnOnce(&mut Vec<&[u8]>)) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = good.split(|&byte| byte == b'\n').collect();
    change(&mut lines);
    lines.join(&b'\n')
}

/// Where numbers stand: from, to.
fn numbers(good: &[u8]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, byte) in good.iter().enumerate() {
        if !byte.is_ascii_digit() && *byte != b'.' {
            continue;
        }
        match runs.last_mut() {
            Some((_, to)) if *to == at => *to = at + 1,
            _ if byte.is_ascii_digit() => runs.push((at, at + 1)),
            _ => {}
        }
    }
    runs
}
