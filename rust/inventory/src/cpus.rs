//! Sets of CPUs as the kernel writes them: `0-3,8-11`.

use std::collections::BTreeSet;

/// More CPUs than any host has: a hostile range must not be expanded without end.
const MOST: u32 = 8192;

/// Why a text is no list of CPUs: a lower-case fragment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a list of CPUs")]
pub struct NoCpuList(String);

/// Reads a list such as `4-7,12-15`; empty text is the empty set.
///
/// # Errors
/// When it is something else, or names a CPU above 8191.
pub fn parse(text: &str) -> Result<BTreeSet<u32>, NoCpuList> {
    let wrong = || NoCpuList(text.trim().to_owned());
    let mut cpus = BTreeSet::new();
    for part in text
        .trim()
        .split([',', ' '])
        .filter(|part| !part.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.parse().map_err(|_| wrong())?;
        let last: u32 = last.parse().map_err(|_| wrong())?;
        if first > last || last >= MOST {
            return Err(wrong());
        }
        cpus.extend(first..=last);
    }
    Ok(cpus)
}

/// Writes a set as the kernel would; `none` for the empty set.
pub fn show(cpus: &BTreeSet<u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &cpu in cpus {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => runs.push((cpu, cpu)),
        }
    }
    if runs.is_empty() {
        return "none".to_owned();
    }
    runs.iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_survives_reading_and_writing() {
        for text in ["0", "4-7,12-15", "0-3,8"] {
            assert_eq!(show(&parse(text).unwrap()), text);
        }
        assert_eq!(show(&parse("\n").unwrap()), "none");
        for bad in ["x", "7-4", "0-99999999", "1-", "-"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
