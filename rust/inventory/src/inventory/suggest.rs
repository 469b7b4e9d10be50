//! "Did you mean …": the nearest of the known words.

/// The known word that `word` is most likely a slip of.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let slips = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            *distance <= slips || (word.len() > 3 && candidate.starts_with(word))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Most words that a hint lists.
const LISTED: usize = 60;

/// ``did you mean `x`?``, or else the known words, the first of them where there are many, or `None` when there are none.
pub fn hint<'a>(
    word: &str,
    what: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(word, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let listed = known.len().min(LISTED);
    let list = known[..listed].join(", ");
    match known.len() - listed {
        _ if known.is_empty() => None,
        0 => Some(format!("{what}: {list}")),
        more => Some(format!("{what}: {list} and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["cuda", "mac-mini", "macbook", "linode"];
        assert_eq!(nearest("cudaa", known), Some("cuda"));
        assert_eq!(nearest("mac-mni", known), Some("mac-mini"));
        assert_eq!(nearest("Linode", known), Some("linode"));
        assert_eq!(nearest("macb", known), Some("macbook"));
        assert_eq!(nearest("toaster", known), None);
        assert_eq!(
            hint("toaster", "known hosts", known).as_deref(),
            Some("known hosts: cuda, mac-mini, macbook, linode")
        );
        assert_eq!(hint("x", "known hosts", []), None);
        let many = vec!["toaster"; 1000];
        let told = hint("cuda", "known hosts", many).unwrap();
        assert!(told.ends_with(", toaster and 940 more"), "{told}");
    }
}
