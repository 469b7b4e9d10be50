//! Shared libraries beside the toolkit: found by programs, from a package, at its pinned version.

use std::collections::BTreeMap;

use deployctl_core::inventory::cuda::Cuda;
use deployctl_core::inventory::host::Architecture;
use deployctl_core::query::{Query, quote};

use super::CONCERN;
use crate::answer::{Answer, Found, Holds, Unreadable, value};
use crate::{Check, Declared};

pub(super) fn checks(facts: &Cuda, declared: &Declared<'_>) -> Vec<Check> {
    let Some(libraries) = facts.libraries.as_ref().filter(|names| !names.is_empty()) else {
        return Vec::new();
    };
    let words: Vec<String> = libraries.iter().map(|name| quote(name.as_str())).collect();
    let words = words.join(" ");
    let nixos = declared.is_nixos();
    let command = if nixos {
        format!(
            "set -- {words}\necho cache=none\nfor name do\n  real=$(readlink -e \"/run/current-system/sw/lib/$name\") || real=missing\n  printf '%s=%s\\n' \"$name\" \"$real\"\ndone"
        )
    } else {
        of_the_loader(&words, declared.host.architecture)
    };
    let query = Query::new("cuda/libraries", command);
    libraries
        .iter()
        .map(|library| {
            let name = library.to_string();
            let wants = Wants::new(facts);
            let expected = if nixos {
                format!("{name} is part of the system")
            } else {
                format!("the loader finds {name}, of a package at its pinned version")
            };
            let what = format!("library/{name}");
            Check::new(CONCERN, &what, &query, expected, move |answer| {
                judge(answer, &name, &wants, nixos)
            })
        })
        .collect()
}

/// What the dynamic loader's cache holds for this architecture, the file behind it, and whose that is.
fn of_the_loader(words: &str, architecture: Architecture) -> String {
    let architecture = match architecture {
        Architecture::X86_64 => "x86-64",
        Architecture::Aarch64 => "AArch64",
    };
    format!(
        r#"set -- {words}
cache=$(ldconfig -p) || exit
printf 'cache=%s\n' "$(printf '%s\n' "$cache" | head -n 1)"
for name do
  path=$(printf '%s\n' "$cache" | awk -v n="$name" '$1 == n && index($2 $3, "{architecture}") {{ print $NF; exit }}')
  if [ -z "$path" ]; then echo "$name=missing"; continue; fi
  real=$(readlink -e "$path") || {{ echo "$name=gone $path"; continue; }}
  package=$(dpkg -S "$real" 2>/dev/null | sed 's/:.*//;q')
  version=$(dpkg-query -W -f='${{Version}}' "${{package:-none}}" 2>/dev/null)
  echo "$name=$real ${{package:-unowned}} $version"
done"#
    )
}

/// Which version the package of a library must have.
struct Wants {
    exact: BTreeMap<String, String>,
    pins: Vec<(Vec<String>, String)>,
}

impl Wants {
    fn new(facts: &Cuda) -> Self {
        Self {
            exact: facts
                .packages
                .iter()
                .map(|(name, version)| (name.to_string(), version.to_string()))
                .collect(),
            pins: facts
                .pins
                .iter()
                .map(|pin| {
                    let names = pin.packages.iter().map(ToString::to_string).collect();
                    (names, pin.version.to_string())
                })
                .collect(),
        }
    }

    /// The declared version of `package`, a glob where only a pin names it.
    fn of(&self, package: &str) -> Option<&str> {
        let pinned = || {
            let fits = |names: &Vec<String>| names.iter().any(|name| matches(name, package));
            self.pins.iter().find(|(names, _)| fits(names))
        };
        self.exact
            .get(package)
            .or_else(|| pinned().map(|(_, version)| version))
            .map(String::as_str)
    }
}

/// Whether `text` matches `glob`, where `*` matches any text.
fn matches(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn judge(answer: &Answer<'_>, name: &str, wants: &Wants, nixos: bool) -> Result<Found, Unreadable> {
    let pairs = answer.pairs('=')?;
    value(&pairs, "cache")?;
    let words: Vec<&str> = value(&pairs, name)?.split_whitespace().collect();
    Ok(match words[..] {
        ["missing"] if nixos => Found {
            evidence: "not in /run/current-system/sw/lib".to_owned(),
            holds: Holds::PassedOver(
                "programs of NixOS find libraries by their own references".to_owned(),
            ),
            measured: Vec::new(),
        },
        ["missing"] => Found::when(false, "the loader does not know it")
            .or_hint("its package is not installed, or ldconfig did not run since"),
        ["gone", path] => Found::when(
            false,
            format!("{path} is in the loader's cache and is no more"),
        )
        .or_hint("ldconfig; then see which package should bring it"),
        [path] if nixos && path.starts_with('/') => Found::when(true, path),
        [path, "unowned"] => Found::when(false, format!("{path} is of no package")).or_hint(
            "a copy by hand goes before the package's and never moves with it: take it away",
        ),
        [path, package, version] => match wants.of(package) {
            Some(wanted) => Found::when(
                matches(wanted, version),
                format!("{path}, {package} {version}"),
            )
            .or_hint(format!(
                "`{wanted}` is declared: apt-cache policy {package}"
            )),
            None => Found::when(false, format!("{path}, {package} {version}"))
                .or_hint("neither a package nor a pin of `cuda` names that package"),
        },
        _ => return Err(Unreadable(format!("`{}` is no library", words.join(" ")))),
    })
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_anything() {
        for (glob, text) in [
            ("libcudnn9*", "libcudnn9-cuda-12"),
            ("9.5.*", "9.5.0.50-1"),
            ("a*c*e", "abcde"),
            ("x", "x"),
            ("*", ""),
        ] {
            assert!(matches(glob, text), "{glob} {text}");
        }
        for (glob, text) in [
            ("9.5.*", "9.6.0"),
            ("a*c*e", "abde"),
            ("x", "xy"),
            ("a*b", "a"),
        ] {
            assert!(!matches(glob, text), "{glob} {text}");
        }
    }
}
