//! A host's own kernel, with stand-ins for the tools that build it.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::environment::{Said, TestEnv};

/// What the source's make does: completes a configuration, and builds packages.
const MAKE: &str = r#"#!/bin/sh
for word; do
    case $word in
    O=*) build=${word#O=} ;;
    -*|*=*) ;;
    *) target=$word ;;
    esac
done
case $target in
kernelversion) echo 6.12.1 ;;
olddefconfig)
    if [ -e "$build/drop" ]; then
        grep -v R8169 "$build/.config" >"$build/kept"
        mv "$build/kept" "$build/.config"
    fi
    ;;
localmodconfig) echo 'CONFIG_TRIMMED=y' >>"$build/.config" ;;
bindeb-pkg)
    echo "  CC      init/main.o"
    if [ -e "$build/../break" ]; then
        echo 'init/main.c:1:1: error: unknown type name' >&2
        echo 'make[3]: *** [init/main.o] Error 1' >&2
        exit 2
    fi
    mkdir -p "$build/debian"
    echo image >"$build/../linux-image-6.12.1-deployctl_1_amd64.deb"
    echo changes >"$build/../x.buildinfo"
    echo 'linux-image-6.12.1-deployctl_1_amd64.deb kernel optional' >"$build/debian/files"
    echo 'x.buildinfo kernel optional' >>"$build/debian/files"
    echo libc >"$build/../linux-libc-dev_1_amd64.deb"
    echo 'linux-libc-dev_1_amd64.deb kernel optional' >>"$build/debian/files"
    ;;
esac
"#;

const KCONFIG: &str = "\
config AMD_IOMMU\n\tbool \"a\"\n\
if NET_VENDOR_REALTEK\nconfig R8169\n\ttristate \"b\"\nendif\n\
config NET_VENDOR_REALTEK\n\tbool \"c\"\n";

/// A source with only the right file names, a base, and stand-ins for all tools.
fn env() -> (TestEnv, String) {
    let env = TestEnv::new();
    let write = |path: &str, text: &str, mode| {
        let path = env.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write("source/Kconfig", KCONFIG, 0o644);
    write("source/Makefile", "", 0o644);
    let merge = "shift 2; cat \"$1\" \"$2\" >merged; mv merged \"$1\"\n";
    write("source/scripts/kconfig/merge_config.sh", merge, 0o644);
    write("base", "CONFIG_OLD=y\n", 0o644);
    write("bin/make", MAKE, 0o755);
    for tool in [
        "gcc",
        "flex",
        "bison",
        "pahole",
        "bc",
        "cpio",
        "depmod",
        "dh",
        "dpkg-buildpackage",
        "openssl",
        "perl",
        "python3",
        "rsync",
        "tar",
        "xz",
    ] {
        write(&format!("bin/{tool}"), "#!/bin/sh\n", 0o755);
    }
    let path = format!("{}:/usr/bin:/bin", env.path("bin").display());
    (env, path)
}

fn kernel(env: &TestEnv, path: &str, words: &[&str]) -> Said {
    let text = |name: &str| env.path(name).to_str().unwrap().to_owned();
    let (inventory, source, base, out) = (
        text("inventory.json"),
        text("source"),
        text("base"),
        text("out"),
    );
    let mut all = vec!["--inventory", &inventory, "kernel"];
    all.extend(words);
    all.extend(["--source", &source, "--config", &base, "--out", &out]);
    env.with_programs(path, &all)
}

#[test]
fn a_fragment_is_data() {
    let env = TestEnv::new();
    let said = env.run(&["kernel", "fragment", "cuda"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.contains("\n# CONFIG_PREEMPT_RT is not set\n"),
        "{}",
        said.out
    );
    assert!(said.out.contains("\nCONFIG_IXGBE=m\n"), "{}", said.out);
    let json: Value =
        serde_json::from_str(&env.run(&["kernel", "fragment", "cuda", "--json"]).out).unwrap();
    assert_eq!(json["IXGBE"], "m");
    let none = env.run(&["kernel", "fragment", "mac-mini"]);
    assert_eq!(none.code, 2);
    assert!(
        none.err.contains("`mac-mini` declares no kernel"),
        "{}",
        none.err
    );
}

#[test]
fn packages_are_built_and_told() {
    let (env, path) = env();
    let said = kernel(&env, &path, &["build", "cuda", "--trim"]);
    assert_eq!(said.code, 0, "{}", said.err);
    insta::assert_snapshot!(said.all(), @"
    exit code: 0
    --- stdout
    cuda: 6.12.1-deployctl: all 42 symbols as declared
      DIR/out/build/.config
      254eddf15d9534e3b20c55469077aa2f24f167aa4b897a36381d3e251e4829c2  linux-image-6.12.1-deployctl_1_amd64.deb
      39470f46972e69a6b5e531099219d6d09215dbf10de15d669cbe53213f1320e7  linux-libc-dev_1_amd64.deb
    --- stderr
    leaving out modules that are not loaded here
    merging the symbols over `DIR/base`
    building; what is said goes to `DIR/out/build.log`
    cuda: hosts/cuda/default.nix:205: `KASAN` is off, for this source has no such symbol
    cuda: hosts/cuda/default.nix:206: `MODULE_SIG_FORCE` is off, for this source has no such symbol
    cuda: hosts/cuda/default.nix:172: `PREEMPT_RT` is off, for this source has no such symbol
    cuda: hosts/cuda/default.nix:177: `RT_GROUP_SCHED` is off, for this source has no such symbol
    cuda: hosts/cuda/default.nix:204: `TRIM_UNUSED_KSYMS` is off, for this source has no such symbol
    ");
    let report = std::fs::read_to_string(env.path("out/kernel.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["release"], "6.12.1-deployctl");
    assert_eq!(report["packages"].as_array().unwrap().len(), 2);
    let declared = std::fs::read_to_string(env.path("out/packages.json")).unwrap();
    insta::assert_snapshot!(declared, @r#"
    {
      "packages": [
        {
          "name": "linux-image-6.12.1-deployctl",
          "version": "1",
          "architecture": "amd64",
          "path": "linux-image-6.12.1-deployctl_1_amd64.deb",
          "size": 6,
          "sha256": "254eddf15d9534e3b20c55469077aa2f24f167aa4b897a36381d3e251e4829c2"
        }
      ]
    }
    "#);
    let config = std::fs::read_to_string(env.path("out/build/.config")).unwrap();
    assert!(
        config.starts_with("CONFIG_OLD=y\nCONFIG_TRIMMED=y\n"),
        "{config}"
    );
    assert!(config.contains("\nCONFIG_DEBUG_INFO_BTF=y\n"), "{config}");
    let log = std::fs::read_to_string(env.path("out/build.log")).unwrap();
    assert!(log.contains("CC      init/main.o"), "{log}");
}

#[test]
fn what_kconfig_drops_fails_the_build_with_where_and_why() {
    let (env, path) = env();
    env.edit(
        "/hosts/cuda/kernel/symbols",
        json!({"AMD_IOMMU": "y", "R8169": "m", "AMD_IOMU": "n"}),
    );
    std::fs::create_dir_all(env.path("out/build")).unwrap();
    std::fs::write(env.path("out/build/drop"), "").unwrap();
    let said = kernel(&env, &path, &["build", "cuda"]);
    assert_eq!(said.code, 7, "{}", said.all());
    insta::assert_snapshot!(said.all(), @"
    exit code: 7
    --- stdout
    --- stderr
    merging the symbols over `DIR/base`
    error: cuda: 1 of 9 symbols would not be as declared
      cause: hosts/cuda/default.nix:194: `R8169` is to be m and would be n
        depends on `NET_VENDOR_REALTEK`, which is n (Kconfig:4)
      cause: `AMD_IOMU` is off, for this source has no such symbol; did you mean `AMD_IOMMU`?
      hint: declare what they depend on as well, start from another `--config`, or leave them out of `kernel.symbols`
    ");
    assert!(!env.path("out/build/debian").exists());
}

#[test]
fn a_failed_build_shows_its_last_words() {
    let (env, path) = env();
    std::fs::create_dir_all(env.path("out")).unwrap();
    std::fs::write(env.path("out/break"), "").unwrap();
    let said = kernel(&env, &path, &["build", "cuda"]);
    assert_eq!(said.code, 7, "{}", said.all());
    insta::assert_snapshot!(said.all(), @"
    exit code: 7
    --- stdout
    --- stderr
    merging the symbols over `DIR/base`
    building; what is said goes to `DIR/out/build.log`
    error: cuda: `make bindeb-pkg` failed
      cause: init/main.c:1:1: error: unknown type name
        make[3]: *** [init/main.o] Error 1
    ");
}

#[test]
fn what_cannot_be_built_from_is_said_at_once() {
    let (env, path) = env();
    let mut text = String::new();
    let mut add = |what: &str, said: &Said| {
        let _ = write!(text, "## {what}\nexit code: {}\n{}", said.code, said.err);
        assert_ne!(said.code, 0, "{what}");
    };
    let nothing = env.path("nothing");
    let nothing = nothing.to_str().unwrap();
    add("no tools", &kernel(&env, nothing, &["build", "cuda"]));
    add(
        "no tools for a configuration",
        &kernel(&env, nothing, &["config", "cuda"]),
    );
    add("a stock kernel", &kernel(&env, &path, &["build", "linode"]));
    add("two hosts", &kernel(&env, &path, &["build", "[cl]*"]));
    std::fs::write(env.path("base"), "nothing\n").unwrap();
    add("no configuration", &kernel(&env, &path, &["build", "cuda"]));
    std::fs::remove_file(env.path("base")).unwrap();
    add("no base", &kernel(&env, &path, &["build", "cuda"]));
    std::fs::remove_file(env.path("source/Kconfig")).unwrap();
    add("no source", &kernel(&env, &path, &["build", "cuda"]));
    env.edit("/hosts/cuda/architecture", json!("aarch64"));
    add("another machine", &kernel(&env, &path, &["build", "cuda"]));
    insta::assert_snapshot!(text, @r#"
    ## no tools
    exit code: 2
    error: cuda: missing: `make`, `gcc`, `flex`, `bison`, `pahole`, `bc`, `cpio`, `depmod`, `dh`, `dpkg-buildpackage`, `openssl`, `perl`, `python3`, `rsync`, `tar`, `xz`
      hint: apt-get install bc bison cpio debhelper dpkg-dev dwarves flex gcc kmod make openssl perl python3 rsync tar xz-utils
    ## no tools for a configuration
    exit code: 2
    error: cuda: missing: `make`, `gcc`, `flex`, `bison`, `pahole`
      hint: apt-get install bison dwarves flex gcc make
    ## a stock kernel
    exit code: 2
    error: `linode` runs its distribution's kernel
      hint: declare `kernel.flavour = "custom"` to build one; `deployctl kernel config` only compares
    ## two hosts
    exit code: 2
    error: `[cl]*` is more than one host
      hint: this command is about one host at a time
    ## no configuration
    exit code: 2
    error: cuda: `DIR/base` is no kernel configuration
      hint: name the configuration of a kernel that boots the host: `--config FILE`, such as its `/boot/config-RELEASE`
    ## no base
    exit code: 2
    error: cuda: no configuration to start from: `DIR/base` does not exist
      hint: name the configuration of a kernel that boots the host: `--config FILE`, such as its `/boot/config-RELEASE`
    ## no source
    exit code: 2
    error: cuda: `DIR/source` is no source of a Linux kernel: it has no `Kconfig`
      hint: name an unpacked source or its tarball, such as `/usr/src/linux-source-6.8.0.tar.bz2` of package linux-source
    ## another machine
    exit code: 9
    error: cuda: this machine is `x86_64`; the host is `aarch64`
      hint: build it on the host itself, or on a machine of its kind
    "#);
}
