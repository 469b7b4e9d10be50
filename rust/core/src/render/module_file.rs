//! `module.toml`: which paths, packages and units a concern puts on a host.
//!
//! It is read as TOML before anything is rendered, so a value can never add a key. Strings are
//! templates (in plain syntax); `when`, `each`, `applies` and `content` are expressions.

use serde::Deserialize;
use toml::Spanned;

use super::syntax::Syntax;
use crate::rendered::FollowUp;

/// A template or expression with its place in the file.
pub(super) type Text = Spanned<String>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModuleFile {
    /// When the concern applies; left out: when the host declares the fact of the concern's name.
    pub(super) applies: Option<Text>,
    /// Why a path that the host's facts name from its beginning can be anywhere; left out: it cannot.
    pub(super) facts_choose_paths: Option<Text>,
    /// Regular files.
    #[serde(default)]
    pub(super) file: Vec<FileItem>,
    /// Directories.
    #[serde(default)]
    pub(super) directory: Vec<DirectoryItem>,
    /// Symbolic links.
    #[serde(default)]
    pub(super) symlink: Vec<SymlinkItem>,
    /// Paths where nothing may stand.
    #[serde(default)]
    pub(super) absent: Vec<AbsentItem>,
    /// Content-addressed directories with a `current` link.
    #[serde(default)]
    pub(super) release: Vec<ReleaseItem>,
    /// What is too large for a plan, and is fetched before it.
    #[serde(default)]
    pub(super) artifact: Vec<ArtifactItem>,
    /// Packages.
    #[serde(default)]
    pub(super) package: Vec<PackageItem>,
    /// systemd units.
    #[serde(default)]
    pub(super) unit: Vec<UnitItem>,
}

/// When an item is there, and how often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occurs<'a> {
    pub(super) when: Option<&'a Text>,
    pub(super) each: Option<&'a Text>,
}

macro_rules! item {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            /// Expression; the item is left out where it is false. Seen for every element of `each`.
            pub(super) when: Option<Text>,
            /// Expression giving a list or map; the item is there once for every element, as
            /// `item` and `key` (a list's key is its index).
            pub(super) each: Option<Text>,
            $($(#[$field_doc])* pub(super) $field: $type,)*
        }

        impl $name {
            /// When it is there, and how often.
            pub(super) fn occurs(&self) -> Occurs<'_> {
                Occurs { when: self.when.as_ref(), each: self.each.as_ref() }
            }
        }
    };
}

item! {
    /// A regular file, from a template or from a fact taken literally.
    FileItem {
        /// Where it goes.
        path: Text,
        /// Template below the module's folder; left out: the path itself.
        template: Option<Text>,
        /// Expression giving the bytes, which are never a template; instead of `template`.
        content: Option<Text>,
        /// How values are written into the template.
        syntax: Option<Syntax>,
        /// Octal digits; left out: `0644`.
        mode: Option<Text>,
        /// Left out: `root`.
        owner: Option<Text>,
        /// Left out: `root`.
        group: Option<Text>,
        /// Command that accepts or refuses it over the merged tree; argv.
        validate: Option<Vec<Text>>,
        /// Package whose programs that command runs, and which it needs nothing else of. Where an apply installs it, the
        /// command runs with the downloaded one, before anything is changed.
        validate_with: Option<Text>,
        /// What a change entails beyond what its path says.
        #[serde(default)]
        follow_ups: Vec<FollowUp>,
    }
}

item! {
    /// A directory.
    DirectoryItem {
        /// Where it is.
        path: Text,
        /// Octal digits; left out: `0755`.
        mode: Option<Text>,
        /// Left out: `root`.
        owner: Option<Text>,
        /// Left out: `root`.
        group: Option<Text>,
    }
}

item! {
    /// A symbolic link.
    SymlinkItem {
        /// Where it is.
        path: Text,
        /// What it says.
        target: Text,
        /// What a change entails beyond what its path says.
        #[serde(default)]
        follow_ups: Vec<FollowUp>,
    }
}

item! {
    /// A path where nothing may stand.
    AbsentItem {
        /// Which.
        path: Text,
        /// What its removal entails beyond what its path says.
        #[serde(default)]
        follow_ups: Vec<FollowUp>,
    }
}

item! {
    /// A folder of templates that becomes `<base>/releases/<hash>/…` and `<base>/current`.
    ReleaseItem {
        /// The directory that holds the releases.
        base: Text,
        /// Folder of templates below the module's folder.
        folder: Text,
        /// How values are written into the templates.
        syntax: Syntax,
        /// Mode of the files, octal digits; left out: `0644`.
        mode: Option<Text>,
        /// Left out: `root`.
        owner: Option<Text>,
        /// Left out: `root`.
        group: Option<Text>,
    }
}

item! {
    /// Files that the host fetches by itself into `<base>/releases/<digest>/…`, and `<base>/current`.
    ArtifactItem {
        /// The directory that holds the releases.
        base: Text,
        /// What it is, in one word.
        kind: Text,
        /// Which one.
        name: Text,
        /// URL or directory below which the files are.
        source: Text,
        /// Expression giving a list of maps with `path`, `size` and `sha256`.
        files: Text,
        /// The file on the host that holds the source's token; left out or empty: none is needed.
        credential: Option<Text>,
        /// Expression giving a list of what staging needs of packages: paths, or names on the search path.
        programs: Option<Text>,
        /// Expression giving a list of managed paths whose changes are applied before it is staged.
        after: Option<Text>,
        /// Expression giving a map of mount points to GiB that must stay free.
        min_free_gib: Option<Text>,
        /// How many releases stay; left out: 2.
        keep: Option<Spanned<Scalar>>,
        /// What the host makes of the files; left out: the files are all of it.
        build: Option<BuildItem>,
    }
}

/// How the host makes an artifact by itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BuildItem {
    /// Folder of the module's that holds the program, beginning with `build.sh`. It is no template.
    pub(super) program: Text,
    /// Expression giving a map of file names to their texts.
    pub(super) inputs: Text,
    /// Expression giving a map of the program's variables to their values.
    pub(super) variables: Option<Text>,
    /// Expression giving a map of what a secret is for to the file on the host that holds it.
    pub(super) secrets: Option<Text>,
}

item! {
    /// A package.
    PackageItem {
        /// Which.
        name: Text,
        /// Exact version; left out or empty: what is installed or the archive offers.
        version: Option<Text>,
        /// Whether it is held against upgrades.
        #[serde(default)]
        hold: bool,
        /// Packages that apt may remove for it.
        #[serde(default)]
        replaces: Vec<Text>,
        /// The file that it is installed from, below the link `current` of an artifact; left out or empty: from an archive.
        file: Option<Text>,
    }
}

item! {
    /// A systemd unit.
    UnitItem {
        /// Its full name.
        name: Text,
        /// Whether it starts at boot; left out or empty: as it is.
        enabled: Option<Spanned<Scalar>>,
        /// Whether it runs now; left out or empty: as it is.
        running: Option<Spanned<Scalar>>,
        /// What to do when a watched path changed (`restart`, `reload`, `nothing`); left out: `restart`.
        on_change: Option<Text>,
        /// Managed paths it reads; an empty one is left out.
        #[serde(default)]
        watch: Vec<Text>,
        /// Expression giving a list of further watched paths.
        watch_each: Option<Text>,
        /// Longest time its start may take; left out: 90.
        start_timeout_seconds: Option<Spanned<Scalar>>,
        /// Whether it is started before the other units: they read what it makes.
        #[serde(default)]
        early: bool,
    }
}

/// A boolean or number, or a template that renders to one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// Digits.
    Number(u32),
    /// A template; what it renders to may be empty, which is the same as leaving the key out.
    Template(String),
}

impl ModuleFile {
    /// The paths of every item, as they are written.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Text> {
        let files = self.file.iter().map(|it| &it.path);
        let directories = self.directory.iter().map(|it| &it.path);
        let symlinks = self.symlink.iter().map(|it| &it.path);
        let absent = self.absent.iter().map(|it| &it.path);
        let releases = self.release.iter().map(|it| &it.base);
        let artifacts = self.artifact.iter().map(|it| &it.base);
        files
            .chain(directories)
            .chain(symlinks)
            .chain(absent)
            .chain(releases)
            .chain(artifacts)
    }

    /// Every string that is a template, with its offset.
    pub(super) fn templates(&self) -> Vec<(usize, &str)> {
        let mut texts: Vec<&Text> = Vec::new();
        for item in &self.file {
            texts.push(&item.path);
            texts.extend([&item.mode, &item.owner, &item.group].into_iter().flatten());
            texts.extend(item.validate.iter().flatten());
            texts.extend(&item.validate_with);
        }
        for item in &self.directory {
            texts.push(&item.path);
            texts.extend([&item.mode, &item.owner, &item.group].into_iter().flatten());
        }
        for item in &self.symlink {
            texts.extend([&item.path, &item.target]);
        }
        texts.extend(self.absent.iter().map(|item| &item.path));
        for item in &self.release {
            texts.push(&item.base);
            texts.extend([&item.mode, &item.owner, &item.group].into_iter().flatten());
        }
        let mut scalars = Vec::new();
        for item in &self.artifact {
            texts.extend([&item.base, &item.kind, &item.name, &item.source]);
            texts.extend(&item.credential);
            scalars.extend(&item.keep);
        }
        for item in &self.package {
            texts.push(&item.name);
            texts.extend([&item.version, &item.file].into_iter().flatten());
            texts.extend(&item.replaces);
        }
        for item in &self.unit {
            texts.push(&item.name);
            texts.extend(&item.on_change);
            texts.extend(&item.watch);
            let all = [&item.enabled, &item.running, &item.start_timeout_seconds];
            scalars.extend(all.into_iter().flatten());
        }
        let texts = texts
            .into_iter()
            .map(|text| (text.span().start, text.get_ref().as_str()));
        let scalars = scalars
            .into_iter()
            .filter_map(|scalar| match scalar.get_ref() {
                Scalar::Template(text) => Some((scalar.span().start, text.as_str())),
                Scalar::Bool(_) | Scalar::Number(_) => None,
            });
        texts.chain(scalars).collect()
    }

    /// Every string that is an expression.
    pub(super) fn expressions(&self) -> Vec<&Text> {
        let mut texts: Vec<&Text> = self.applies.iter().collect();
        let occurs = (self.file.iter().map(FileItem::occurs))
            .chain(self.directory.iter().map(DirectoryItem::occurs))
            .chain(self.symlink.iter().map(SymlinkItem::occurs))
            .chain(self.absent.iter().map(AbsentItem::occurs))
            .chain(self.release.iter().map(ReleaseItem::occurs))
            .chain(self.artifact.iter().map(ArtifactItem::occurs))
            .chain(self.package.iter().map(PackageItem::occurs))
            .chain(self.unit.iter().map(UnitItem::occurs));
        for Occurs { when, each } in occurs {
            texts.extend([when, each].into_iter().flatten());
        }
        texts.extend(self.file.iter().filter_map(|item| item.content.as_ref()));
        for item in &self.artifact {
            texts.push(&item.files);
            texts.extend(&item.min_free_gib);
            if let Some(build) = &item.build {
                texts.push(&build.inputs);
                texts.extend(build.variables.iter().chain(&build.secrets));
            }
        }
        texts.extend(self.unit.iter().filter_map(|item| item.watch_each.as_ref()));
        texts
    }
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Template(text) => write!(f, "{}", text.escape_debug()),
        }
    }
}
