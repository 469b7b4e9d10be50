//! Archives that apt gets or loses: where they are, and which keys count for them.

use super::{Finding, PathChange, PathTarget, Plan};
use crate::name::ManagedPath;
use crate::openpgp::fingerprints;
use crate::rendered::{Entry, PathState, Rendered};

/// Whether apt reads `path` as a list of archives.
fn is_sources(path: &ManagedPath) -> bool {
    let name = path.as_str().strip_prefix("/etc/apt/sources.list.d/");
    let ending = |name: &str| {
        [".sources", ".list"]
            .iter()
            .any(|ending| name.ends_with(ending))
    };
    path.as_str() == "/etc/apt/sources.list" || name.is_some_and(ending)
}

/// The lists of archives that apt is to read anew, with their content: those that change, and those that name a file that
/// does, such as their key.
pub(crate) fn read_anew<'a>(
    plan: &Plan,
    rendered: &'a Rendered,
) -> Vec<(&'a ManagedPath, &'a str)> {
    let changed: Vec<&ManagedPath> = plan
        .paths
        .iter()
        .filter(|change| matches!(change.after, PathTarget::Entry { .. }))
        .map(|change| &change.path)
        .filter(|path| path.as_str().starts_with("/etc/apt/"))
        .collect();
    let lists = rendered.entries.keys().filter(|path| is_sources(path));
    lists
        .filter_map(|path| Some((path, content(rendered, path)?)))
        .filter(|(path, content)| {
            let names = |file: &&ManagedPath| content.contains(file.as_str());
            changed.contains(path) || changed.iter().any(names)
        })
        .collect()
}

/// What is worth knowing of them.
pub(super) fn findings(rendered: &Rendered, plan: &Plan) -> Vec<Finding> {
    let note = |message| Finding::note("archive", message, None);
    let mut findings = Vec::new();
    for (path, content) in read_anew(plan, rendered) {
        let new = |change: &PathChange| change.path == *path && change.before == PathState::Absent;
        let word = if plan.paths.iter().any(new) {
            "new archive"
        } else {
            "changed archive"
        };
        let told = stanzas(content).into_iter();
        findings.extend(told.map(|it| note(format!("{word} {}", it.told(rendered)))));
    }
    let undeclared = plan
        .paths
        .iter()
        .filter(|change| is_sources(&change.path) && change.after == PathTarget::Original);
    findings.extend(undeclared.map(|change| {
        note(format!(
            "`{}` is no longer declared: packages that came from its archives stay",
            change.path
        ))
    }));
    findings
}

fn content<'a>(rendered: &'a Rendered, path: &ManagedPath) -> Option<&'a str> {
    match &rendered.entries.get(path)?.entry {
        Entry::File { content, .. } => Some(content),
        _ => None,
    }
}

/// One paragraph of deb822: an archive.
#[derive(Debug, Default, PartialEq, Eq)]
struct Archive<'a> {
    uris: &'a str,
    suites: &'a str,
    signed_by: &'a str,
}

impl Archive<'_> {
    fn told(&self, rendered: &Rendered) -> String {
        let key = ManagedPath::new(self.signed_by)
            .ok()
            .and_then(|path| fingerprints(content(rendered, &path)?).ok());
        let key = match key {
            Some(fingerprints) => format!("with the key {}", fingerprints.join(" or ")),
            None if self.signed_by.is_empty() => "with the keys that the host trusts".to_owned(),
            None => format!("with the keys of `{}`", self.signed_by),
        };
        format!("`{}` `{}`, {key}", self.uris, self.suites)
    }
}

/// The archives of a file in deb822; one in the older format of lines has no such fields.
fn stanzas(content: &str) -> Vec<Archive<'_>> {
    let mut archives = vec![Archive::default()];
    for line in content.lines().filter(|line| !line.starts_with('#')) {
        if line.trim().is_empty() {
            archives.push(Archive::default());
            continue;
        }
        let (Some((field, value)), Some(archive)) = (line.split_once(':'), archives.last_mut())
        else {
            continue;
        };
        match field.to_ascii_lowercase().as_str() {
            "uris" => archive.uris = value.trim(),
            "suites" => archive.suites = value.trim(),
            "signed-by" => archive.signed_by = value.trim(),
            _ => {}
        }
    }
    archives.retain(|archive| !archive.uris.is_empty());
    archives
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_of_a_file_are_told_apart() {
        let content = "# Ours\nTypes: deb\nURIs: https://a.example/x https://b.example\nSuites: /\n\
            Signed-By: /etc/apt/keyrings/a.asc\n\n\ntypes: deb\nuris: http://c.example\nsuites: noble\n";
        let archives = [
            Archive {
                uris: "https://a.example/x https://b.example",
                suites: "/",
                signed_by: "/etc/apt/keyrings/a.asc",
            },
            Archive {
                uris: "http://c.example",
                suites: "noble",
                signed_by: "",
            },
        ];
        assert_eq!(stanzas(content), archives);
        assert_eq!(stanzas("deb http://c.example noble main\n"), []);
    }

    #[test]
    fn only_what_apt_reads_is_a_list_of_archives() {
        for (path, is) in [
            ("/etc/apt/sources.list", true),
            ("/etc/apt/sources.list.d/a.sources", true),
            ("/etc/apt/sources.list.d/a.list", true),
            ("/etc/apt/sources.list.d/a.list.save", false),
            ("/etc/apt/keyrings/a.asc", false),
        ] {
            assert_eq!(is_sources(&ManagedPath::new(path).unwrap()), is, "{path}");
        }
    }
}
