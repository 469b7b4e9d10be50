//! Users and groups that what is declared names.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ObserveScope;
use crate::name::AccountName;
use crate::rendered::{Entry, Rendered};

/// Those that exist among the ones asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// Users, with the number of their own group.
    pub users: BTreeMap<AccountName, u32>,
    /// Groups by name.
    pub groups: BTreeMap<AccountName, Group>,
}

/// A group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its number.
    pub gid: u32,
    /// Who is in it beside those whose own group it is.
    pub members: BTreeSet<AccountName>,
}

impl Accounts {
    /// Whether `user` is in `group`: as a member, or because it is the user's own.
    pub fn is_member(&self, user: &AccountName, group: &AccountName) -> bool {
        self.groups.get(group).is_some_and(|found| {
            found.members.contains(user) || self.users.get(user) == Some(&found.gid)
        })
    }
}

/// What a file below `/etc/sysusers.d` declares; see sysusers.d(5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Declared {
    /// A user, with a group of the same name unless another is given.
    User(AccountName),
    /// A group.
    Group(AccountName),
    /// That a user is in a group.
    Member(AccountName, AccountName),
}

/// What the lines of one file declare; of those that name no account of ours nothing is known.
pub(crate) fn declared(text: &str) -> BTreeSet<Declared> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let account = |at: usize| AccountName::new(*words.get(at)?).ok();
        let Some(name) = account(1) else {
            continue;
        };
        match words[0] {
            "u" | "u!" => {
                // `UID:GROUP` takes a group that is there.
                if !words.get(2).is_some_and(|id| id.contains(':')) {
                    found.insert(Declared::Group(name.clone()));
                }
                found.insert(Declared::User(name));
            }
            "g" => {
                found.insert(Declared::Group(name));
            }
            "m" => {
                if let Some(group) = account(2) {
                    found.insert(Declared::Member(name, group));
                }
            }
            _ => {}
        }
    }
    found
}

/// Texts of the rendered files that declare accounts.
pub(crate) fn files(
    rendered: &Rendered,
) -> impl Iterator<Item = (&crate::name::ManagedPath, &str)> {
    rendered
        .entries
        .iter()
        .filter(|(path, _)| path.as_str().starts_with("/etc/sysusers.d/"))
        .filter_map(|(path, managed)| match &managed.entry {
            Entry::File { content, .. } => Some((path, content.as_str())),
            _ => None,
        })
}

/// What asks for owners and groups of files, and for what sysusers.d declares.
pub(super) fn ask(scope: &ObserveScope<'_>) -> String {
    let (mut users, mut groups) = (BTreeSet::new(), BTreeSet::new());
    for managed in scope.rendered.entries.values() {
        if let Entry::File { ownership, .. } | Entry::Directory { ownership } = &managed.entry {
            users.insert(ownership.owner.clone());
            groups.insert(ownership.group.clone());
        }
    }
    for declared in files(scope.rendered).flat_map(|(_, text)| declared(text)) {
        match declared {
            Declared::User(user) => {
                users.insert(user);
            }
            Declared::Group(group) => {
                groups.insert(group);
            }
            Declared::Member(user, group) => {
                users.insert(user);
                groups.insert(group);
            }
        }
    }
    let words = |names: BTreeSet<AccountName>| {
        let names: Vec<_> = names.iter().map(AccountName::as_str).collect();
        names.join(" ")
    };
    // 2 means that a name does not exist.
    format!(
        "getent passwd root {}\n[ $? -le 2 ] || exit 3\necho\ngetent group root {}\n[ $? -le 2 ] || exit 3\n",
        words(users),
        words(groups)
    )
}

/// Reads `getent`'s lines of users, an empty line, and those of groups.
pub(super) fn parse<'a>(mut lines: impl Iterator<Item = &'a str>) -> Accounts {
    let mut accounts = Accounts::default();
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let fields: Vec<_> = line.split(':').collect();
        if let (Some(Ok(name)), Some(Ok(gid))) = (
            fields.first().map(|name| AccountName::new(*name)),
            fields.get(3).map(|gid| gid.parse()),
        ) {
            accounts.users.insert(name, gid);
        }
    }
    for line in lines {
        let fields: Vec<_> = line.split(':').collect();
        if let (Some(Ok(name)), Some(Ok(gid))) = (
            fields.first().map(|name| AccountName::new(*name)),
            fields.get(2).map(|gid| gid.parse()),
        ) {
            let members = fields.get(3).copied().unwrap_or_default();
            let members = members
                .split(',')
                .filter_map(|member| AccountName::new(member.trim()).ok())
                .collect();
            accounts.groups.insert(name, Group { gid, members });
        }
    }
    accounts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> AccountName {
        AccountName::new(text).unwrap()
    }

    #[test]
    fn accounts_are_read_with_their_members() {
        let accounts = parse(
            "root:x:0:0:root:/root:/bin/bash\nbob:x:1001:1001::/home/bob:/bin/sh\nfirst.last:x:9:9::/:/bin/sh\n\n\
              root:x:0:\nbob:x:1001:\ndocker:x:998:ann,bob\n"
                .lines(),
        );
        assert_eq!(accounts.users.len(), 2);
        assert!(accounts.is_member(&name("bob"), &name("docker")));
        assert!(accounts.is_member(&name("bob"), &name("bob")));
        assert!(!accounts.is_member(&name("bob"), &name("root")));
        assert!(!accounts.is_member(&name("bob"), &name("video")));
    }

    #[test]
    fn sysusers_lines_declare_users_groups_and_members() {
        let text = "# managed\nu bob - - /home/bob /bin/sh\nu! web 33:www-data \"Web server\" /var/www\n\
                    g trading -\nm bob trading\nr - 500-900\nu _4711 -\nu\n";
        let told: Vec<_> = declared(text)
            .iter()
            .map(|one| format!("{one:?}"))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        User(AccountName("_4711"))
        User(AccountName("bob"))
        User(AccountName("web"))
        Group(AccountName("_4711"))
        Group(AccountName("bob"))
        Group(AccountName("trading"))
        Member(AccountName("bob"), AccountName("trading"))
        "#);
    }
}
