//! A sandbox with stand-ins: small scripts that keep the contracts of `switch-to-configuration`, `activate`, `nix-env`
//! and `nix-store`, and fail on demand. What a reboot does is done by the test.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use deployctl_core::activation::{Bundle, bundle, command};
use deployctl_core::closure::{Closure, StorePath};
use deployctl_core::inventory::Platform;
use deployctl_core::name::{HostName, UnitName};
use deployctl_core::plan::{ClosureChange, SystemAction};
use deployctl_core::rendered::Rendered;

use crate::sandbox::{Answer, Sandbox, apply_id, empty_plan, meta};

pub(crate) const OLD: &str = "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-old";
pub(crate) const NEW: &str = "/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system-new";
pub(crate) const APPLY: &str = "first-apply";
pub(crate) const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Begins every stand-in: `act WHAT` does what the file `WHAT` beside the root says, once if it says `once`.
const ACT: &str = r#"#!/bin/sh
# A stand-in for tests.
here=$DEPLOYCTL_ROOT/../stand-in
echo "$(basename "$0") $*" >>"$here/calls"
act() {
  [ -e "$here/$1" ] || return 0
  read -r verb argument rest <"$here/$1"
  case $rest in *once*) rm -f "$here/$1" ;; esac
  case $verb in
    kill) read -r group <"$here/group"; kill -9 "-$group"; kill -9 0 ;;
    hang) sleep 600 ;;
    fail) [ ! -e "$here/$1.says" ] || cat "$here/$1.says" >&2; exit "$argument" ;;
  esac
}
"#;

/// `lock`, `test` and `boot` are the points where it can be made to act: before its work and, with `-after`, behind it.
const SWITCH: &str = r#"
toplevel=TOPLEVEL
name=NAME
mkdir -p "$DEPLOYCTL_ROOT/run/nixos"
exec 7>>"$DEPLOYCTL_ROOT/run/nixos/switch-to-configuration.lock"
if ! flock -n 7 || [ -e "$here/$name-lock" ]; then
  echo "Could not acquire lock" >&2
  exit 1
fi
case $1 in
  boot)
    act "$name-boot"
    mkdir -p "$DEPLOYCTL_ROOT/boot/grub"
    menu=$DEPLOYCTL_ROOT/boot/grub/grub.cfg
    if [ ! -e "$here/lying-loader" ]; then
      printf 'set default="0"\nmenuentry "NixOS" {\n  linux /kernel init=%s/init loglevel=4\n}\n' "$toplevel" >"$menu.new" &&
        mv "$menu.new" "$menu" || exit 1
    fi
    act "$name-boot-after"
    ;;
  test)
    act "$name-test"
    ln -sfn "$toplevel" "$DEPLOYCTL_ROOT/run/current-system"
    echo "activating the configuration..."
    act "$name-test-after"
    ;;
  *) echo "usage" >&2; exit 1 ;;
esac
"#;

const ACTIVATE: &str = r#"
act NAME-test
echo "setting up /etc..."
ln -sfn TOPLEVEL "$DEPLOYCTL_ROOT/run/current-system"
act NAME-test-after
"#;

const NIX_ENV: &str = r#"
[ "$1 $3" = "-p --set" ] || exit 64
act profile
last=0
for link in "$2"-*-link; do
  number=${link%-link}
  number=${number##*-}
  case $number in *[!0-9]*) continue ;; esac
  if [ "$number" -gt "$last" ]; then last=$number; fi
done
if [ "$(readlink "$2-$last-link")" != "$4" ]; then
  last=$((last + 1))
  ln -s "$4" "$2-$last-link"
fi
ln -sfn "$(basename "$2")-$last-link" "$2.tmp" && mv -T "$2.tmp" "$2"
act profile-after
"#;

const NIX_STORE: &str = r#"
case $1 in
  --check-validity) [ -e "$DEPLOYCTL_ROOT$2" ] || { echo "error: path '$2' is not valid" >&2; exit 1; } ;;
  --query) printf '%s\n' "$3" /nix/store/2c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-shared ;;
  --verify-path) act verify ;;
esac
"#;

/// A host whose system Nix built: [`OLD`] runs, [`NEW`] was copied.
pub(crate) struct NixHost {
    pub(crate) sandbox: Sandbox,
    pub(crate) platform: Platform,
    /// Units that had failed before.
    pub(crate) failed: Vec<&'static str>,
    /// What the plan starts anew.
    pub(crate) restarts: Vec<&'static str>,
}

impl NixHost {
    pub(crate) fn new(shell: &'static str, platform: Platform) -> Self {
        Self::on(Sandbox::with_stand_ins(shell), platform)
    }

    pub(crate) fn on(sandbox: Sandbox, platform: Platform) -> Self {
        for directory in [
            "/run",
            "/nix/store",
            "/nix/var/nix/profiles",
            "/nix/var/nix/gcroots/deployctl",
        ] {
            fs::create_dir_all(sandbox.at(directory)).unwrap();
        }
        fs::create_dir_all(sandbox.beside("stand-in")).unwrap();
        let host = Self {
            sandbox,
            platform,
            failed: vec!["bad.service"],
            restarts: Vec::new(),
        };
        host.system(OLD, "old");
        host.system(NEW, "new");
        host.sandbox.program("nix-env", &format!("{ACT}{NIX_ENV}"));
        host.sandbox
            .program("nix-store", &format!("{ACT}{NIX_STORE}"));
        let link = |target: &str, path: &str| symlink(target, host.sandbox.at(path)).unwrap();
        link(OLD, "/run/current-system");
        link(OLD, "/nix/var/nix/profiles/system-41-link");
        link("system-41-link", "/nix/var/nix/profiles/system");
        link(NEW, "/nix/var/nix/gcroots/deployctl/pending");
        host.sandbox.write(BOOT_ID, "one\n", 0o644);
        if platform == Platform::Nixos {
            let installed =
                host.run("\"$DEPLOYCTL_ROOT\"/nix/store/*-old/bin/switch-to-configuration boot");
            assert_eq!(installed.exit, Some(0), "{installed:?}");
        }
        fs::write(host.sandbox.beside("stand-in/calls"), "").unwrap();
        host
    }

    fn system(&self, toplevel: &str, name: &str) {
        let (program, text) = match self.platform {
            Platform::Nixos => ("bin/switch-to-configuration", SWITCH),
            _ => ("activate", ACTIVATE),
        };
        let text = text.replace("TOPLEVEL", toplevel).replace("NAME", name);
        self.sandbox.write(
            &format!("{toplevel}/{program}"),
            &format!("{ACT}{text}"),
            0o755,
        );
    }

    /// Makes the stand-ins do `what` (`kill`, `hang`, `fail N`, each with ` once`) at `point`.
    pub(crate) fn make(&self, point: &str, what: &str) {
        let what = what
            .replace("kill once", "kill - once")
            .replace("hang once", "hang - once");
        fs::write(
            self.sandbox.beside(&format!("stand-in/{point}")),
            what + "\n",
        )
        .unwrap();
    }

    /// What it prints before it fails.
    pub(crate) fn says(&self, point: &str, text: &str) {
        fs::write(self.sandbox.beside(&format!("stand-in/{point}.says")), text).unwrap();
    }

    pub(crate) fn behaves(&self) {
        for entry in fs::read_dir(self.sandbox.beside("stand-in")).unwrap() {
            let path = entry.unwrap().path();
            if !path.ends_with("calls") {
                fs::remove_file(path).unwrap();
            }
        }
    }

    pub(crate) fn calls(&self) -> String {
        fs::read_to_string(self.sandbox.beside("stand-in/calls")).unwrap()
    }

    pub(crate) fn bundle(&self, id: &str) -> Bundle {
        let unit = |name: &&str| UnitName::new(*name).unwrap();
        let mut plan = empty_plan(self.sandbox.generation());
        plan.failed_units = self.failed.iter().map(unit).collect();
        plan.closure = Some(ClosureChange {
            before: Some(StorePath::new(OLD).unwrap()),
            after: Closure {
                platform: self.platform,
                toplevel: StorePath::new(NEW).unwrap(),
            },
            packages: Vec::new(),
            bytes: None,
            units: [(
                SystemAction::Restart,
                self.restarts.iter().map(ToString::to_string).collect(),
            )]
            .into(),
        });
        let rendered = Rendered::empty(HostName::new("box").unwrap());
        bundle(&plan, &rendered, &meta(id, 600))
    }

    pub(crate) fn put(&self) {
        self.sandbox.put(APPLY, &self.bundle(APPLY));
    }

    /// Stages and starts.
    pub(crate) fn apply(&self) -> Answer {
        self.put();
        self.run(&command::start(&apply_id(APPLY), false))
    }

    pub(crate) fn confirm(&self) -> Answer {
        self.run(&command::confirm(&apply_id(APPLY), crate::sandbox::NONCE))
    }

    pub(crate) fn recover(&self) -> Answer {
        self.run(&command::recover(&apply_id(APPLY)))
    }

    pub(crate) fn rollback(&self) -> Answer {
        self.run(&command::rollback(None, None))
    }

    /// Runs `script`; a stand-in that is made to `kill` ends all of it.
    pub(crate) fn run(&self, script: &str) -> Answer {
        self.sandbox.run(&format!(
            "echo $$ >\"$DEPLOYCTL_ROOT/../stand-in/group\"\n{script}"
        ))
    }

    /// A reboot: what the boot loader (NixOS) or the profile (macOS) says runs, and it is another boot.
    pub(crate) fn reboot(&self) {
        let default = match self.platform {
            Platform::Nixos => self.boot_default(),
            _ => self.profile(),
        };
        let current = self.sandbox.at("/run/current-system");
        fs::remove_file(&current).unwrap();
        symlink(default, current).unwrap();
        let boot = fs::read_to_string(self.sandbox.at(BOOT_ID)).unwrap();
        self.sandbox
            .write(BOOT_ID, &format!("{}+1\n", boot.trim()), 0o644);
    }

    fn link(&self, path: &str) -> String {
        fs::read_link(self.sandbox.at(path))
            .map_or_else(|_| "nothing".to_owned(), |p| p.display().to_string())
    }

    fn boot_default(&self) -> String {
        let text = fs::read_to_string(self.sandbox.at("/boot/grub/grub.cfg")).unwrap_or_default();
        text.split("init=").nth(1).map_or_else(String::new, |rest| {
            rest[..rest.find("/init").unwrap()].to_owned()
        })
    }

    fn profile(&self) -> String {
        let link = self.link("/nix/var/nix/profiles/system");
        self.link(&format!("/nix/var/nix/profiles/{link}"))
    }

    /// What runs, what the profile says, what boots, what is kept; by the names of the systems.
    pub(crate) fn state(&self) -> String {
        let names = |directory: &str| {
            let mut names: Vec<String> = fs::read_dir(self.sandbox.at(directory))
                .unwrap()
                .map(|entry| {
                    let name = entry.unwrap().file_name().into_string().unwrap();
                    let target = self.link(&format!("{directory}/{name}"));
                    format!("{name} -> {target}")
                })
                .collect();
            names.sort();
            names.join(", ")
        };
        let text = format!(
            "runs {}\nprofile {}\nboots {}\n",
            self.link("/run/current-system"),
            names("/nix/var/nix/profiles"),
            self.boot_default(),
        );
        text.replace(OLD, "old").replace(NEW, "new")
    }

    pub(crate) fn roots(&self) -> String {
        let directory = "/nix/var/nix/gcroots/deployctl";
        let mut lines: Vec<String> = fs::read_dir(self.sandbox.at(directory))
            .unwrap()
            .map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                format!("{name} {}\n", self.link(&format!("{directory}/{name}")))
            })
            .collect();
        lines.sort();
        lines.concat().replace(OLD, "old").replace(NEW, "new")
    }

    /// Takes the execute bit from the program of `toplevel`.
    pub(crate) fn lame(&self, toplevel: &str) {
        let program = match self.platform {
            Platform::Nixos => "bin/switch-to-configuration",
            _ => "activate",
        };
        let path = self.sandbox.at(&format!("{toplevel}/{program}"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
}
