//! One word of `--only` and `--skip`.

use std::collections::BTreeSet;

use deployctl_core::inventory::suggest;
use globset::{Glob, GlobMatcher};

use super::{Offered, SelectionError};
use crate::link;
use crate::{Check, concerns};

/// How many checks a hint lists.
const LISTED: usize = 12;

/// A concern, the beginning of an id, a link, or a glob over them.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    option: &'static str,
    text: String,
    glob: Option<GlobMatcher>,
}

pub(super) fn patterns<S: AsRef<str>>(
    option: &'static str,
    words: &[S],
) -> Result<Vec<Pattern>, SelectionError> {
    words
        .iter()
        .flat_map(|word| word.as_ref().split(','))
        .map(str::trim)
        .map(|text| Pattern::parse(option, text))
        .collect()
}

impl Pattern {
    fn parse(option: &'static str, text: &str) -> Result<Self, SelectionError> {
        if text.is_empty() {
            return Err(SelectionError::Empty { option });
        }
        let glob = if text.contains(['*', '?', '[', '{']) {
            let glob = Glob::new(text).map_err(|error| SelectionError::BadGlob {
                option,
                pattern: text.to_owned(),
                cause: error.kind().to_string(),
            })?;
            Some(glob.compile_matcher())
        } else {
            None
        };
        let text = text.to_owned();
        Ok(Self { option, text, glob })
    }

    /// Whether it means this check, which is one of `link` where it is between hosts.
    pub(super) fn fits(&self, check: &Check, link: Option<&str>) -> bool {
        let on_link = link.is_some();
        self.fits_word(&check.id)
            || self.fits_word(check.concern.as_str())
            || link.is_some_and(|link| self.fits_word(link))
            || (on_link && self.fits_word(&format!("{}/{}", link::CONCERN, check.id)))
    }

    fn fits_word(&self, word: &str) -> bool {
        match &self.glob {
            Some(glob) => glob.is_match(word),
            None => word
                .strip_prefix(self.text.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }

    /// The hint for a pattern that matches nothing.
    pub(super) fn stray(&self, offered: &Offered) -> SelectionError {
        let ids = offered.hosts.iter().flat_map(|(_, all)| all);
        let ids = ids.chain(offered.links.iter().map(|one| &one.check));
        let ids: BTreeSet<&str> = ids.map(|check| check.id.as_str()).collect();
        let words: BTreeSet<&str> = offered
            .hosts
            .iter()
            .flat_map(|(_, all)| all)
            .chain(offered.links.iter().map(|one| &one.check))
            .map(|check| check.concern.as_str())
            .chain(offered.links.iter().map(|one| one.link.as_ref()))
            .collect();
        let elsewhere = concerns().any(|known| known == self.text) && !words.contains(&*self.text);
        let hint = if elsewhere {
            Some(format!("`{}` is not declared there", self.text))
        } else {
            self.meant(&ids)
                .or_else(|| suggest::hint(&self.text, "known concerns and links", words))
        };
        let hosts: Vec<&str> = offered
            .hosts
            .iter()
            .map(|(host, _)| host.as_str())
            .collect();
        SelectionError::NoMatch {
            option: self.option,
            pattern: self.text.clone(),
            hosts: hosts.join(", "),
            hint,
        }
    }

    /// An id near to it, one that ends like it, or those of its concern.
    fn meant(&self, ids: &BTreeSet<&str>) -> Option<String> {
        let last = self.text.rsplit('/').next().unwrap_or_default();
        let near = suggest::nearest(&self.text, ids.iter().copied());
        let near = near.or_else(|| {
            let alike = |id: &&&str| !last.is_empty() && id.rsplit('/').next() == Some(last);
            ids.iter().find(alike).copied()
        });
        if let Some(near) = near {
            return Some(format!("did you mean `{near}`?"));
        }
        let (concern, _) = self.text.split_once('/')?;
        let own: Vec<&str> = ids
            .iter()
            .copied()
            .filter(|id| id.split('/').next() == Some(concern))
            .collect();
        let shown = own
            .iter()
            .take(LISTED)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        match own.len() {
            0 => None,
            many if many > LISTED => {
                Some(format!("known checks: {shown} and {} more", many - LISTED))
            }
            _ => Some(format!("known checks: {shown}")),
        }
    }
}
