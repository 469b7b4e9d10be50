//! The folder that scripts look below, and the host's committed generation.

/// Starts the scripts that look below the host's root or the sandbox's.
pub(super) const BEGIN: &str = r#"cd "${DEPLOYCTL_ROOT-}/" || exit 3
S=./var/lib/deployctl
N=0
if [ -r "$S/generation" ]; then IFS= read -r N <"$S/generation" || :; fi
G=$S/generations/$N
"#;
