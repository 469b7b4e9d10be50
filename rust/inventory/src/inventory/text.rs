//! Words of the inventory that end up in configuration files, each with the characters that it may
//! hold. The patterns are part of the JSON Schema, which [`super::parse`] applies before any of these
//! is made; none lets a control character, a quote or a template through.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::name;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $pattern:literal, $rule:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
            #[serde(transparent)]
            pub struct $name(String);

            impl $name {
                /// The text itself.
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl AsRef<str> for $name {
                fn as_ref(&self) -> &str {
                    &self.0
                }
            }

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.pad(&self.0)
                }
            }

            impl JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "type": "string", "pattern": $pattern })
                }
            }
        )*

        const TEXT_RULES: &[(&str, &str)] = &[$(($pattern, $rule)),*];
        const TEXT_KINDS: &[&str] = &[$(stringify!($name)),*];
    };
}

texts! {
    /// A line for people; it reaches no configuration file except inside a comment.
    Line, r"^[^\x00-\x1f\x7f]{1,300}$", "one line of text, at most 300 characters";
    /// A word of our own: names of links, firewall rules, tags, credentials.
    Label, r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$", "lower-case letters, digits and inner hyphens, at most 63";
    /// Where ssh reaches a host: a DNS name, an alias of ssh's configuration, or an IP address, checked for
    /// real by the cross-references.
    SshAddress, r"^[A-Za-z0-9:_][A-Za-z0-9._:-]{0,252}(%[A-Za-z0-9._-]{1,15})?$", "a DNS name, an alias of ssh's configuration, or an IP address";
    /// Where a service is reached: a DNS name or an IP address.
    Address, r"^[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}$", "a DNS name or an IP address";
    /// An IP address, checked for real by the cross-references.
    IpText, r"^[0-9A-Fa-f.:]{2,45}$", "an IP address such as `10.0.0.1`";
    /// An address with its prefix length, checked for real by the cross-references.
    CidrText, r"^[0-9A-Fa-f.:]{2,45}/[0-9]{1,3}$", "an address with a prefix length such as `10.0.0.1/24`";
    /// Ports from a first to a last one.
    PortRange, r"^([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])-([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$", "a first and a last port such as `32768-60999`";
    /// An Ethernet address.
    MacText, r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$", "a MAC address in lower case such as `a0:36:9f:00:00:01`";
    /// A network interface's name; Linux allows 15 characters.
    InterfaceName, r"^[A-Za-z][A-Za-z0-9_.-]{0,14}$", "letters, digits and `_.-`, at most 15 characters";
    /// A network service as macOS names it.
    NetworkService, r"^[A-Za-z0-9][A-Za-z0-9 ./_-]{0,63}$", "letters, digits, spaces and `./_-`";
    /// A public SSH key in one line.
    PublicKey, r"^(ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}|ecdsa-sha2-nistp(256|384|521) AAAAE2VjZHNhLXNoYTItbmlzdH[A-Za-z0-9+/]{100,}={0,2}|ssh-rsa AAAAB3NzaC1yc2E[A-Za-z0-9+/]{300,}={0,2}|sk-ssh-ed25519@openssh\.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t[A-Za-z0-9+/]{40,}={0,2}|sk-ecdsa-sha2-nistp256@openssh\.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20[A-Za-z0-9+/]{100,}={0,2})( (?=.{1,100}$)[\p{L}\p{N}@._+-]+( [\p{L}\p{N}@._+-]+)*)?$", "a whole public key: `ssh-ed25519 AAAA… comment` (ed25519, ecdsa, rsa of 2048 bits or more, or a security key)";
    /// A public key of age, or of a plugin for it.
    AgeRecipient, r"^age1[a-z0-9]{10,500}$", "a public key of age such as `age1…`, as `age-keygen -y` prints it";
    /// A time zone of the tz database.
    TimeZone, r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$", "a time zone such as `Australia/Sydney`";
    /// The start of a package's name, for unattended-upgrades' list.
    PackagePrefix, r"^[a-z0-9][a-z0-9+.-]{0,127}$", "lower-case letters, digits and `+.-`";
    /// A package's name with `*`.
    PackageGlob, r"^[a-z0-9][a-z0-9+.*-]{0,127}$", "lower-case letters, digits and `+.-*`";
    /// A Debian package's version.
    PackageVersion, r"^([0-9]+:)?[0-9][A-Za-z0-9.+~-]{0,127}$", "a Debian version such as `12.6.3-1`";
    /// A Debian package's version with `*`.
    VersionGlob, r"^([0-9]+:)?[0-9][A-Za-z0-9.+~*-]{0,127}$", "a Debian version, with `*` for any rest, such as `9.5.*`";
    /// Letters and digits, the stem of a unit's or program's name.
    ServiceStem, r"^[A-Za-z0-9][A-Za-z0-9_@.-]{0,127}$", "letters, digits and `_@.-`";
    /// Dotted numbers.
    Version, r"^[0-9]+(\.[0-9]+){0,3}([a-z+.][a-z0-9+.]*)?$", "a version such as `12.6`";
    /// A package of CUDA as nixpkgs names it, with its version.
    NixCudaPackage, r"^cuda[A-Za-z0-9._+-]{1,200}$", "a package of CUDA with its version, as nixpkgs names it, such as `cuda12.6-tensorrt-10.14.1.48`";
    /// A vulnerability by its public name.
    VulnerabilityId, r"^(CVE-[0-9]{4}-[0-9]{4,19}|GHSA(-[0-9a-z]{4}){3})$", "a vulnerability such as `CVE-2026-24188`";
    /// What a kernel setting is set to.
    SysctlValue, r"^[A-Za-z0-9+._:/,-]+( [A-Za-z0-9+._:/,-]+)*$", "letters, digits and `+._:/,-`, separated by single spaces";
    /// One word of the kernel's command line.
    KernelParameter, r"^[A-Za-z0-9][A-Za-z0-9_.,:=/@+-]*$", "letters, digits and `_.,:=/@+-`, no spaces or quotes";
    /// A Kconfig symbol without `CONFIG_`.
    KernelSymbol, r"^[A-Z0-9][A-Z0-9_]{0,95}$", "upper-case letters, digits and `_`, without `CONFIG_`";
    /// An absolute path, `/` included.
    MountPoint, r"^(/|(/(?!\.{1,2}(/|$))[A-Za-z0-9._@+:%=,-]+)+)$", "an absolute path without `.`, `..`, `//` or trailing `/`";
    /// What is mounted.
    MountSource, r"^(UUID=|LABEL=|PARTUUID=|PARTLABEL=|/dev/)[A-Za-z0-9][A-Za-z0-9_./:-]*$", "`UUID=…`, `LABEL=…`, `PARTUUID=…`, `PARTLABEL=…` or a path below `/dev/`";
    /// A whole disk, by a name that stays its own.
    DiskDevice, r"^/dev/disk/by-(id|path)/[A-Za-z0-9][A-Za-z0-9_.:@+-]*$", "a disk such as `/dev/disk/by-id/nvme-…`; names such as `/dev/nvme0n1` move from boot to boot";
    /// A file system's type.
    FsType, r"^[a-z0-9][a-z0-9._-]{0,31}$", "a file system's type such as `ext4`";
    /// One mount option.
    MountOption, r"^[A-Za-z0-9][A-Za-z0-9._=:/+@-]*$", "one option, without comma or space";
    /// A GPU as its driver names it, or an archive's origin.
    ProductName, r"^[A-Za-z0-9][A-Za-z0-9 ._/()+-]{0,95}$", "letters, digits, spaces and `._/()+-`";
    /// A GPU's compute capability.
    ComputeCapability, r"^[1-9][0-9]?\.[0-9]$", "major and minor such as `8.6`";
    /// A model as its hub names it.
    ModelId, r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$", "a model such as `meta-llama/Llama-3.1-8B-Instruct`";
    /// What a model is called in requests.
    ServedName, r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$", "letters, digits and `._-`";
    /// Days of the week.
    Days, r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)((-|,)(Mon|Tue|Wed|Thu|Fri|Sat|Sun))*$", "days such as `Mon-Fri`";
    /// Hours and minutes.
    TimeOfDay, r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "a time such as `16:12`";
    /// `never` or minutes.
    SleepAfter, r"^(never|[1-9][0-9]{0,3})$", "`never` or minutes";
    /// A hash, in lower-case hexadecimal digits.
    Sha256Text, r"^[0-9a-f]{64}$", "64 lower-case hexadecimal digits";
    /// A file's mode.
    FileMode, r"^0[0-7]{3,4}$", "octal digits such as `0644`";
    /// A file below the repository.
    RepositoryPath, r"^(?!\.{1,2}(/|$))[A-Za-z0-9._@+-]+(/(?!\.{1,2}(/|$))[A-Za-z0-9._@+-]+)*$", "a path below the repository, without `.`, `..`, `//` or trailing `/`";
    /// One argument of a command.
    Argument, r"^[A-Za-z0-9._/:=@%+,-]{1,200}$", "letters, digits and `._/:=@%+,-`, at most 200";
    /// A Python module, dotted if it is in a package.
    PythonModule, r"^[A-Za-z_][A-Za-z0-9_]{0,63}(\.[A-Za-z_][A-Za-z0-9_]{0,63}){0,7}$", "a Python module such as `flash_attn`";
    /// A shared library as programs ask for it.
    Soname, r"^lib[A-Za-z0-9_+-]{1,60}\.so(\.[0-9]{1,6}){0,3}$", "a shared library such as `libcudnn.so.9`";
    /// A program without its folder.
    ProgramName, r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$", "a program's name, without its folder";
    /// A metric of Prometheus, or the beginning of several.
    MetricName, r"^[a-zA-Z_:][a-zA-Z0-9_:]{0,127}$", "a metric such as `node_load1`, or the beginning of several";
    /// A folder of a URL.
    UrlPath, r"^/[A-Za-z0-9._~/-]{0,127}$", "a path of a URL such as `/metrics`";
    /// A regular expression.
    Pattern, r"^[^\x00-\x1f\x7f]{1,200}$", "one line of text: a regular expression, at most 200 characters";
    /// What a file holds: the one kind of text that may hold line breaks and tabs.
    Content, r"^[^\x00-\x08\x0b-\x1f\x7f]*$", "text without control characters other than line breaks and tabs";
}

macro_rules! names {
    ($($name:ident, $pattern:literal, $rule:literal;)*) => {
        $(
            impl JsonSchema for name::$name {
                fn inline_schema() -> bool {
                    true
                }
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "type": "string", "pattern": $pattern })
                }
            }
        )*

        const NAME_RULES: &[(&str, &str)] = &[$(($pattern, $rule)),*];
        const NAME_KINDS: &[&str] = &[$(stringify!($name)),*];

        #[cfg(test)]
        const NAME_PATTERNS: &[(&str, fn(&str) -> bool)] =
            &[$(($pattern, |text| name::$name::new(text).is_ok())),*];
    };
}

names! {
    HostName, r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "a host name: lower-case letters, digits and inner hyphens, at most 63";
    AccountName, r"^[a-z_][a-z0-9_-]{0,30}$", "an account: lower-case letters, digits, `-` and `_`, at most 31";
    PackageName, r"^[a-z0-9]([a-z0-9+.:-]{0,126}[a-z0-9+.:])?$", "a Debian package's name";
    SysctlKey, r"^(?=.{1,255}$)[A-Za-z0-9_/-]+(\.[A-Za-z0-9_/-]+)+$", "a dotted sysctl key such as `vm.swappiness`";
    ModuleName, r"^[A-Za-z0-9_-]{1,64}$", "letters, digits, `-` and `_`, at most 64";
    UnitName, r"^(?=.{1,255}$)[A-Za-z0-9:_.@\\-]+\.(service|socket|timer|mount|slice|target|path|swap|automount|device|scope)$", "a unit with its suffix such as `vllm.service`";
    ManagedPath, r"^(?=.{1,1024}$)(/(?!\.{1,2}(/|$))[A-Za-z0-9._@+:%=,-]+)+$", "an absolute path without `.`, `..`, `//` or trailing `/`, of letters, digits and `._-@+:%=,`";
}

/// Every kind of text: its name, its pattern, and what that asks for in words.
pub(super) fn kinds() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let names = TEXT_KINDS.iter().chain(NAME_KINDS);
    let rules = TEXT_RULES.iter().chain(NAME_RULES);
    names
        .zip(rules)
        .map(|(name, (pattern, rule))| (*name, *pattern, *rule))
}

/// What a pattern asks for, in words.
pub(super) fn rule_of(pattern: &str) -> Option<&'static str> {
    TEXT_RULES
        .iter()
        .chain(NAME_RULES)
        .find(|(known, _)| *known == pattern)
        .map(|(_, rule)| *rule)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // The schema and the newtypes of `crate::name` must draw the same line.
        #[test]
        fn the_schema_agrees_with_the_names(text in r"[a-zA-Z0-9/._@ +:%=,\\-]{0,12}(\.service|/\.\.|\.x)?") {
            for (pattern, valid) in NAME_PATTERNS {
                let schema = serde_json::json!({ "type": "string", "pattern": pattern });
                let validator = jsonschema::validator_for(&schema).unwrap();
                prop_assert_eq!(
                    validator.is_valid(&text.as_str().into()),
                    valid(&text),
                    "{} {:?}", pattern, &text
                );
            }
        }
    }

    #[test]
    fn no_pattern_lets_through_what_could_break_out_of_its_file() {
        for (pattern, rule) in TEXT_RULES.iter().chain(NAME_RULES) {
            let schema = serde_json::json!({ "type": "string", "pattern": pattern });
            let validator = jsonschema::validator_for(&schema).expect(pattern);
            let for_people = rule.starts_with("one line") || rule.starts_with("text without");
            for bad in [
                "a\0", "a\x1b[2J", "a'b", "a\"b", "a`b", "a$b", "a;b", "a{{b", "a\\\nb", "a\nb",
                "\n", "a#b",
            ] {
                let free = for_people && !bad.contains(['\0', '\x1b']);
                assert!(
                    free || !validator.is_valid(&bad.into()),
                    "{pattern} lets {bad:?} through"
                );
            }
        }
    }
}
