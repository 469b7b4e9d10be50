//! Who could become root: accounts of number 0, rules of sudoers, and groups that are as good as root.

use std::collections::{BTreeMap, BTreeSet};

use deployctl_core::observed::{parse_way_in, sudoers_query_text};
use deployctl_core::query::Query;

use super::CONCERN;
use crate::answer::{Answer, Found, Unreadable};
use crate::{Check, Declared};

/// Groups whose members can write to all of the disk, or start containers that can. Sources: the manuals of docker
/// ("docker group grants root-level privileges"), LXD and Incus; `disk` owns the block devices in Debian.
const AS_GOOD_AS_ROOT: [&str; 4] = ["disk", "docker", "incus-admin", "lxd"];

/// Only accounts whose facts say so can become root.
pub(super) fn check(declared: &Declared<'_>) -> Check {
    let query = Query::new(
        "system/root-access",
        format!(
            "getent passwd | awk -F: '{{ print \"user\", $1, $3, $4 }}'
getent group | awk -F: '{{ print \"group\", $1, $3, $4 }}'
{}",
            sudoers_query_text()
        ),
    )
    .with_cap(256 * 1024);
    let entitled = Entitled::of(declared);
    Check::new(
        CONCERN,
        "root-access",
        &query,
        "only those whom facts name can become root".to_owned(),
        move |answer| {
            let accounts = Accounts::parse(answer)?;
            let mut others = accounts.of_number_zero();
            others.extend(accounts.by_groups(&entitled));
            others.extend(accounts.by_sudo(&entitled, answer)?);
            Ok(Found::none_of(&others, "nobody else").or_hint(
                "declare the account as an operator, or its group in `system.users`; or take it out on the host: \
                 `gpasswd --delete USER GROUP`, `userdel USER`, or that line of sudoers",
            ))
        },
    )
}

/// Who may become root by the facts.
pub(in crate::concern) struct Entitled {
    /// By themselves: root, operators, and the account that we come by.
    accounts: BTreeSet<String>,
    /// By a group that is declared for them.
    groups: BTreeMap<String, BTreeSet<String>>,
    /// Files that we render.
    files: BTreeSet<String>,
}

impl Entitled {
    pub(in crate::concern) fn of(declared: &Declared<'_>) -> Self {
        let operators = declared.cluster.operators.keys();
        let own = &declared.host.connection.user;
        let users = declared.host.system.iter().flat_map(|system| &system.users);
        let names = |groups: &BTreeSet<_>| groups.iter().map(ToString::to_string).collect();
        Self {
            accounts: operators
                .chain([own])
                .map(ToString::to_string)
                .chain(["root".to_owned()])
                .collect(),
            groups: users
                .flatten()
                .map(|(name, user)| (name.to_string(), names(&user.groups)))
                .collect(),
            files: declared.managed_paths(),
        }
    }

    /// Whether `account` may become root by being in `group`.
    pub(in crate::concern) fn by_group(&self, account: &str, group: &str) -> bool {
        let declared = self.groups.get(account);
        self.accounts.contains(account) || declared.is_some_and(|groups| groups.contains(group))
    }
}

/// The accounts and groups of a host.
#[derive(Default)]
struct Accounts<'a> {
    /// Number and primary group of each account.
    users: BTreeMap<&'a str, (u32, u32)>,
    /// Number and members of each group.
    groups: BTreeMap<&'a str, (u32, Vec<&'a str>)>,
}

impl<'a> Accounts<'a> {
    fn parse(answer: &Answer<'a>) -> Result<Self, Unreadable> {
        let mut accounts = Self::default();
        for line in answer.lines()? {
            let words: Vec<&str> = line.split(' ').collect();
            let id = |text: &str| {
                text.parse()
                    .map_err(|_| Unreadable(format!("`{text}` is no number of an account")))
            };
            match words[..] {
                ["user", name, uid, gid] => {
                    accounts.users.insert(name, (id(uid)?, id(gid)?));
                }
                ["group", name, gid] => {
                    accounts.groups.insert(name, (id(gid)?, Vec::new()));
                }
                ["group", name, gid, members] => {
                    let members = members.split(',').collect();
                    accounts.groups.insert(name, (id(gid)?, members));
                }
                ["sudoers", ..] => {}
                _ => return Err(Unreadable(format!("`{line}` is no account and no group"))),
            }
        }
        if accounts.users.contains_key("root") {
            Ok(accounts)
        } else {
            Err(Unreadable::new("no account `root` in the answer"))
        }
    }

    fn of_number_zero(&self) -> Vec<String> {
        let others = self.users.iter();
        others
            .filter(|(name, (uid, _))| *uid == 0 && **name != "root")
            .map(|(name, _)| format!("`{name}` (number 0)"))
            .collect()
    }

    /// Who is in `group`, by its list or as the primary group.
    fn members(&self, group: &str) -> BTreeSet<&'a str> {
        let Some((gid, members)) = self.groups.get(group) else {
            return BTreeSet::new();
        };
        let primary = self.users.iter().filter(|(_, (_, of))| of == gid);
        primary
            .map(|(name, _)| *name)
            .chain(members.iter().copied())
            .collect()
    }

    fn by_groups(&self, entitled: &Entitled) -> Vec<String> {
        let pairs = AS_GOOD_AS_ROOT.iter().flat_map(|group| {
            let members = self.members(group).into_iter();
            members.map(move |member| (member, *group))
        });
        pairs
            .filter(|(member, group)| !entitled.by_group(member, group))
            .map(|(member, group)| format!("`{member}` (group `{group}`)"))
            .collect()
    }

    /// By rules of sudoers in files that we do not render. Lists of accounts are not looked into.
    fn by_sudo(&self, entitled: &Entitled, answer: &Answer<'_>) -> Result<Vec<String>, Unreadable> {
        let rules = parse_way_in(answer.text()?.as_bytes()).sudoers;
        let mut others = Vec::new();
        for rule in rules.iter().filter(|rule| rule.grants_something()) {
            let place = rule.place();
            if entitled.files.contains(&place.file) {
                continue;
            }
            match rule.who().strip_prefix('%') {
                Some(group) if !group.starts_with(['#', ':']) => {
                    let members = self.members(group).into_iter();
                    let members = members.filter(|member| !entitled.by_group(member, group));
                    others.extend(
                        members.map(|member| format!("`{member}` (`%{group}` in {place})")),
                    );
                }
                _ if entitled.accounts.contains(rule.who()) => {}
                _ if rule.who() == "ALL" => others.push(format!("everybody ({place})")),
                _ if rule.user().is_some() => others.push(format!("`{}` ({place})", rule.who())),
                _ => others.push(format!("whoever `{}` is ({place})", rule.who())),
            }
        }
        Ok(others)
    }
}
