//! The path of a value in the inventory: `hosts.cuda.network.sysctl."vm.swappiness"`.

use std::fmt;

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Into an attribute set.
    Key(String),
    /// Into a list, from 0.
    Index(usize),
}

/// A dotted path from the inventory's root. Keys that could be taken for a path or an index are
/// quoted as JSON strings, the same way as in `hosts/default.nix`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactPath(Vec<Segment>);

impl FactPath {
    /// The path of a host: `hosts.NAME`.
    pub fn host(name: impl AsRef<str>) -> Self {
        Self::default().key("hosts").key(name)
    }

    /// Reads a dotted path; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut segments = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let after = if rest.starts_with('"') {
                let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                segments.push(Segment::Key(stream.next()?.ok()?));
                &rest[stream.byte_offset()..]
            } else {
                let end = rest.find('.').unwrap_or(rest.len());
                let word = &rest[..end];
                segments.push(match word.parse() {
                    Ok(index) => Segment::Index(index),
                    Err(_) if is_plain(word) => Segment::Key(word.to_owned()),
                    Err(_) => return None,
                });
                &rest[end..]
            };
            rest = match after.strip_prefix('.') {
                Some("") => return None,
                Some(next) => next,
                None if after.is_empty() => after,
                None => return None,
            };
        }
        Some(Self(segments))
    }

    /// One step into an attribute set.
    #[must_use]
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        self.0.push(Segment::Key(key.as_ref().to_owned()));
        self
    }

    /// Several steps into attribute sets, by a dotted path of plain keys.
    #[must_use]
    pub fn keys(self, dotted: &str) -> Self {
        dotted.split('.').fold(self, Self::key)
    }

    /// The steps of another path below this one; this one where it is no path.
    #[must_use]
    pub fn join(self, below: &str) -> Self {
        match Self::parse(below) {
            Some(below) => self.below(&below),
            None => self,
        }
    }

    /// The steps of `path` below this one.
    #[must_use]
    pub fn below(mut self, path: &Self) -> Self {
        self.0.extend(path.0.iter().cloned());
        self
    }

    /// One step into a list.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    /// One step up; `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        Some(Self(above.to_vec()))
    }

    /// The steps.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The key `depth` steps below the root.
    pub fn key_at(&self, depth: usize) -> Option<&str> {
        match self.0.get(depth)? {
            Segment::Key(key) => Some(key),
            Segment::Index(_) => None,
        }
    }

    /// What is left after `count` steps.
    #[must_use]
    pub fn skip(&self, count: usize) -> Self {
        Self(self.0.iter().skip(count).cloned().collect())
    }
}

fn is_plain(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl fmt::Display for FactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            match segment {
                Segment::Key(key) if is_plain(key) => f.write_str(key)?,
                Segment::Key(key) => write!(f, "{}", serde_json::Value::from(key.as_str()))?,
                Segment::Index(index) => write!(f, "{index}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_as_it_was_written() {
        let path = FactPath::host("mac-mini")
            .keys("network.sysctl")
            .key("net.core.rmem_max")
            .index(3)
            .key("7")
            .key("a\"b");
        let text = path.to_string();
        assert_eq!(
            text,
            r#"hosts.mac-mini.network.sysctl."net.core.rmem_max".3."7"."a\"b""#
        );
        assert_eq!(FactPath::parse(&text), Some(path));
    }

    #[test]
    fn what_is_no_path_is_none() {
        for bad in ["a..b", "a.", ".a", "a b", "a.\"b", "\"a\"b"] {
            assert_eq!(FactPath::parse(bad), None, "{bad}");
        }
    }
}
