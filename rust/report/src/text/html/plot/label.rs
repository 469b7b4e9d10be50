//! Words in drawings: how wide they are, and where they do not touch.

/// Size of the words in drawings, in pixels.
const SIZE: f64 = 11.0;
/// What stays free between two words.
const GAP: f64 = 7.0;

/// How wide `text` is at most at `size`: fonts differ, so this is the wide side of it.
pub(in super::super) fn width_of(text: &str, size: f64) -> f64 {
    text.chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | ':' | '\'' | '|' | ' ' | '\u{a0}' => 0.36,
            'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.98,
            'A'..='Z' => 0.76,
            '\0'..='\u{2ff}' => 0.62,
            _ => 1.05,
        })
        .sum::<f64>()
        * size
}

/// A word with its position `x`, and what it belongs to.
pub(super) struct Label<T> {
    x: f64,
    half: f64,
    pub(super) item: T,
}

impl<T> Label<T> {
    pub(super) fn new(x: f64, text: &str, item: T) -> Self {
        Self {
            x,
            half: width_of(text, SIZE) / 2.0,
            item,
        }
    }
}

/// The middle of `text`, chosen so that it stays between 0 and `width`.
pub(super) fn place_label(x: f64, text: &str, width: f64) -> f64 {
    let half = (width_of(text, SIZE) / 2.0).min(width / 2.0);
    x.clamp(half, width - half)
}

/// Moves labels apart until none touches another, in order of their places and as little as it takes.
/// Those for which there is no room are left out, the last given first.
pub(super) fn spread<T>(mut labels: Vec<Label<T>>, width: f64) -> Vec<(f64, T)> {
    let taken = |labels: &[Label<T>]| labels.iter().map(|l| l.half * 2.0 + GAP).sum::<f64>() - GAP;
    while taken(&labels) > width && labels.pop().is_some() {}
    labels.sort_by(|a, b| a.x.total_cmp(&b.x));
    // To the right, as far as the one before needs; then back, as far as the edge wants.
    let mut edge = 0.0;
    for label in &mut labels {
        label.x = label.x.max(edge + label.half);
        edge = label.x + label.half + GAP;
    }
    let mut edge = width;
    for label in labels.iter_mut().rev() {
        label.x = label.x.min(edge - label.half);
        edge = label.x - label.half - GAP;
    }
    labels.into_iter().map(|l| (l.x, l.item)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn labels_never_touch(given in prop::collection::vec((-50.0..400.0, "[a-z0-9. ]{0,14}"), 0..9)) {
            let labels = given.iter().map(|(x, text)| Label::new(*x, text, text.clone())).collect();
            let placed = spread(labels, 320.0);
            for (x, text) in &placed {
                let half = width_of(text, SIZE) / 2.0;
                prop_assert!(x - half >= -1e-6 && x + half <= 320.0 + 1e-6);
            }
            for pair in placed.windows(2) {
                let half = |text: &str| width_of(text, SIZE) / 2.0;
                prop_assert!(pair[0].0 + half(&pair[0].1) + GAP <= pair[1].0 - half(&pair[1].1) + 1e-6);
            }
        }
    }
}
