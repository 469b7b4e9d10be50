//! Prompts of a wanted length that all begin differently.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Common words: most tokenizers have a token for each.
const WORDS: [&str; 64] = [
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world",
    "school", "state", "family", "student", "group", "country", "problem", "hand", "part", "place",
    "case", "week", "company", "system", "program", "question", "work", "number", "night", "point",
    "home", "water", "room", "mother", "area", "money", "story", "fact", "month", "lot", "right",
    "study", "book", "eye", "job", "word", "business", "issue", "side", "kind", "head", "house",
    "service", "friend", "father", "power", "hour", "game", "line", "end", "member", "law", "car",
];

/// Makes prompts; none is a beginning of another, in this run or in one before.
#[derive(Debug)]
pub(super) struct Prompts {
    state: u64,
}

impl Prompts {
    /// Starts from the clock's nanosecond, so that no run repeats another.
    pub(super) fn new() -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            state: u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or_default(),
        }
    }

    /// Returns a prompt of that many words; the first word is a new number.
    pub(super) fn next(&mut self, words: usize) -> String {
        let mut text = format!("{:04}", self.random() % 10_000);
        for _ in 1..words.max(1) {
            let at = usize::try_from(self.random() % 64).unwrap_or_default();
            let _ = write!(text, " {}", WORDS[at]);
        }
        text
    }

    /// A word for the server's cache key.
    pub(super) fn salt(&mut self) -> String {
        format!("{:016x}", self.random())
    }

    /// `SplitMix64`: every state gives another number.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// How many words give `wanted` tokens, when two prompts of so many words had so many tokens: the template of
/// the chat adds the same to each, and each word adds the same.
pub(super) fn words_for(wanted: u64, short: (usize, u64), long: (usize, u64)) -> usize {
    let number = |count: usize| i128::try_from(count).unwrap_or(i128::from(u64::MAX));
    let tokens = i128::from(long.1) - i128::from(short.1);
    let words = number(long.0) - number(short.0);
    if tokens <= 0 || words <= 0 {
        return usize::try_from(wanted).unwrap_or(usize::MAX);
    }
    // Rounded to the nearest.
    let more =
        ((i128::from(wanted) - i128::from(long.1)) * words * 2 + tokens).div_euclid(tokens * 2);
    usize::try_from(number(long.0) + more)
        .unwrap_or_default()
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_differ_from_the_first_word_on() {
        let mut prompts = Prompts { state: 7 };
        let all: Vec<String> = (0..50).map(|_| prompts.next(20)).collect();
        assert!(all.iter().all(|prompt| prompt.split(' ').count() == 20));
        let heads: std::collections::BTreeSet<&str> =
            all.iter().map(|prompt| &prompt[..10]).collect();
        assert_eq!(heads.len(), 50);
        assert_ne!(prompts.salt(), prompts.salt());
    }

    #[test]
    fn words_come_from_two_counts() {
        // One token a word, 36 of the template.
        assert_eq!(words_for(128, (16, 52), (64, 100)), 92);
        // A token a byte: 5.5 a word, 19 of the template.
        assert_eq!(words_for(128, (16, 107), (64, 371)), 20);
        // Less than the template alone.
        assert_eq!(words_for(10, (16, 52), (64, 100)), 1);
        // A server that counts nonsense.
        assert_eq!(words_for(128, (16, 0), (64, 0)), 128);
    }
}
