//! Files that checks run: uploaded once, complete, and checked before each use.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use deployctl_checks::Shipment;
use deployctl_core::inventory::host::Architecture;
use deployctl_engine::transport::TransportError;
use deployctl_engine::transport::fake::{Call, Reply};
use deployctl_report::Problem;

use crate::ask::Ask;
use crate::world::World;

/// The smallest ELF file that a probe could be: a header without anything else.
fn tiny(machine: u8, more: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes[16] = 2;
    bytes[18] = machine;
    bytes[20] = 1;
    bytes[52] = 64;
    bytes.extend_from_slice(more);
    bytes
}

const X86_64: u8 = 62;
const AARCH64: u8 = 183;

fn probe(label: &str) -> Ask {
    let command = "[ -x \"$shipped\" ] && echo \"good ${shipped##*/}\"";
    Ask::new(label, command).shipping(Shipment::Hostprobe)
}

fn engine(build: &[&str]) -> Ask {
    let command = "echo \"good $shipped_machine $shipped_interpreter $shipped_glibc ${#shipped_sha256}\"; [ \"$(sha256sum <\"$shipped\" | cut -c1-64)\" = \"$shipped_sha256\" ]";
    Ask::new("engine", command).shipping(Shipment::Program {
        artifact: "dist/engine".to_owned(),
        build: build.iter().map(|word| (*word).to_owned()).collect(),
    })
}

fn with_probe(bytes: &[u8]) -> World {
    let mut world = World::new(&["cuda"]);
    world.write("probe", bytes);
    let path = world.path("probe");
    world.hostprobes.insert(Architecture::X86_64, Ok(path));
    world
}

/// Names and modes below a host's cache.
fn cache(world: &World, host: &str) -> String {
    let folder = world.path(host).join("cache");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let mut lines = vec![format!("{:o} .", mode(&folder))];
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        lines.push(format!("{:o} {name}", mode(&path)));
    }
    lines.sort();
    lines.join("\n")
}

#[tokio::test]
async fn the_probe_is_uploaded_where_it_is_absent_and_once_for_all_checks() {
    let world = with_probe(&tiny(X86_64, b"one"));
    let mut told = Vec::new();
    for _ in 0..2 {
        let checks = vec![
            Ask::new("plain", "echo good"),
            probe("ring"),
            probe("locks").needing("ring"),
            probe("jitter").loading(),
        ];
        told.push(world.tell(vec![("cuda", checks)], Vec::new()).await);
        told.push(cache(&world, "cuda"));
    }
    insta::assert_snapshot!(told.join("\n\n"));
}

#[tokio::test]
async fn what_was_changed_there_is_uploaded_anew_and_what_is_older_goes() {
    let world = with_probe(&tiny(X86_64, b"one"));
    let _ = world
        .tell(vec![("cuda", vec![probe("a")])], Vec::new())
        .await;
    let folder = world.path("cuda").join("cache");
    let first = std::fs::read_dir(&folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::write(&first, "something else").unwrap();
    let again = world
        .tell(vec![("cuda", vec![probe("a")])], Vec::new())
        .await;
    assert!(again.contains("put "), "{again}");
    assert_eq!(std::fs::read(&first).unwrap(), tiny(X86_64, b"one"));

    std::fs::set_permissions(&first, std::fs::Permissions::from_mode(0o777)).unwrap();
    let open = world
        .tell(vec![("cuda", vec![probe("a")])], Vec::new())
        .await;
    assert!(open.contains("put "), "{open}");

    world.write("probe", tiny(X86_64, b"two"));
    world.write("cuda/cache/other-thing", "stays");
    // One was left by an upload that was cut off, another is under way.
    for (name, age) in [("old", 2 * 60 * 60), ("new", 60)] {
        let folder = folder.join(format!(".incoming-{name}"));
        std::fs::create_dir(&folder).unwrap();
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
        let folder = std::fs::File::open(folder).unwrap();
        folder.set_modified(then).unwrap();
    }
    let newer = world
        .tell(vec![("cuda", vec![probe("a")])], Vec::new())
        .await;
    assert!(newer.contains("a pass"), "{newer}");
    assert!(!first.exists());
    insta::assert_snapshot!(cache(&world, "cuda"), @"
    644 other-thing
    755 .
    755 .incoming-new
    755 hostprobe-fa05bff4e8a836a4
    ");
}

#[tokio::test]
async fn an_upload_that_fails_costs_the_checks_that_need_it_alone() {
    let mut pages = String::new();
    for (story, at, reply) in [
        ("full", "put", "no space left"),
        ("cut", "ask shipment", ""),
    ] {
        let mut world = World::new(&[]);
        world.write("probe", tiny(X86_64, b"one"));
        let path = world.path("probe");
        world.hostprobes.insert(Architecture::X86_64, Ok(path));
        let mut asked_before = false;
        world.host("cuda", move |asked| {
            let now = asked.starts_with(at) && (at == "put" || asked_before);
            asked_before |= asked.starts_with(at);
            now.then(|| {
                Reply::Fail(match reply {
                    "" => TransportError::Lost {
                        address: "op@cuda:22".to_owned(),
                        cause: "it is gone".to_owned(),
                    },
                    cause => TransportError::Put {
                        address: "op@cuda:22".to_owned(),
                        directory: "/var/cache/deployctl".to_owned(),
                        cause: cause.to_owned(),
                    },
                })
            })
        });
        let checks = vec![
            Ask::new("plain", "echo good"),
            probe("ring"),
            probe("after").needing("ring"),
            Ask::new("load", "echo good").loading(),
        ];
        let told = world.tell(vec![("cuda", checks)], Vec::new()).await;
        let _ = writeln!(pages, "-- {story}\n{told}");
    }
    insta::assert_snapshot!(pages, @r#"
    -- full
       0s cuda: ask plain lease
       0s cuda: ask shipment
       0s cuda: put 2 KiB into /var/cache/deployctl/.incoming-…
       0s cuda: reconnect
       0s cuda: ask shipment
       0s cuda ! Measuring("load")
       0s cuda: ask load
    => cuda
       plain pass, asked 1×
          good
       ring error, asked 0×
          `op@cuda:22` could not unpack files into `/var/cache/deployctl`: no space left; look for a full or read-only file system there
       after skip, asked 0×
          not asked: `ring` did not pass
       load pass, asked 1×
          good
    -- cut
       0s cuda: ask plain lease
       0s cuda: ask shipment
       0s cuda: put 2 KiB into /var/cache/deployctl/.incoming-…
       0s cuda: ask shipment
       0s cuda ! Measuring("load")
       0s cuda: reconnect
       0s cuda: ask load
    => cuda
       plain pass, asked 1×
          good
       ring error, asked 0×
          the connection to `op@cuda:22` was lost: it is gone
       after skip, asked 0×
          not asked: `ring` did not pass
       load pass, asked 1×
          good
    "#);
}

#[tokio::test]
async fn a_full_disk_is_not_filled_further() {
    let mut world = World::new(&[]);
    world.write("probe", tiny(X86_64, b"one"));
    let path = world.path("probe");
    world.hostprobes.insert(Architecture::X86_64, Ok(path));
    let fake = world.host("cuda", |asked| {
        asked.starts_with("put").then(|| {
            Reply::Fail(TransportError::Put {
                address: "op@cuda:22".to_owned(),
                directory: "/var/cache/deployctl".to_owned(),
                cause: "no space left".to_owned(),
            })
        })
    });
    let told = world.tell(vec![("cuda", vec![probe("a")])], Vec::new());
    assert!(told.await.contains("no space left"));
    let calls = fake.calls();
    let part = calls.iter().find_map(|call| match call {
        Call::Put { directory, .. } => directory.rsplit('/').next(),
        _ => None,
    });
    let removes = format!("rm -rf -- \"$d/{}\"", part.unwrap());
    let Some(Call::Run(last)) = calls.last() else {
        panic!("{calls:?}");
    };
    // As it travels: in single quotes.
    assert!(last.contains(&removes), "{last}");
}

#[tokio::test]
async fn a_cache_that_others_may_write_to_is_not_believed() {
    let world = with_probe(&tiny(X86_64, b"one"));
    let first = world.tell(vec![("cuda", vec![probe("a")])], Vec::new());
    assert!(first.await.contains("put "));
    let folder = world.path("cuda").join("cache");
    for mode in [0o775, 0o757] {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
        let again = world.tell(vec![("cuda", vec![probe("a")])], Vec::new());
        let again = again.await;
        assert!(
            again.contains("put ") && again.contains("a pass"),
            "{again}"
        );
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
}

#[tokio::test]
async fn a_cache_that_is_not_ours_is_not_used() {
    let world = with_probe(&tiny(X86_64, b"one"));
    let elsewhere = world.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, world.path("cuda/cache")).unwrap();
    let told = world
        .tell(vec![("cuda", vec![probe("a")])], Vec::new())
        .await;
    insta::assert_snapshot!(told, @"
       0s cuda: ask shipment
       0s cuda: put 2 KiB into /var/cache/deployctl/.incoming-…
       0s cuda: ask shipment
       0s cuda: ask shipment
    => cuda
       a error, asked 0×
          hostprobe-917ffac3aff9eb1d could not be put into /var/cache/deployctl: DIR/cuda/cache is not ours
    ");
}

#[tokio::test]
async fn a_probe_that_is_not_there_or_for_another_machine_is_an_error_with_a_way_out() {
    let mut world = World::new(&["cuda"]);
    let missing = Problem {
        message: "there is no static hostprobe for x86_64".to_owned(),
        hint: Some("build it: `nix build .#hostprobe`".to_owned()),
    };
    world.hostprobes.insert(Architecture::X86_64, Err(missing));
    let mut told = vec![
        world
            .tell(vec![("cuda", vec![probe("a")])], Vec::new())
            .await,
    ];
    for bytes in [
        tiny(AARCH64, b""),
        b"#!/bin/sh\n".to_vec(),
        tiny(X86_64, b"")[..40].to_vec(),
    ] {
        let world = with_probe(&bytes);
        told.push(
            world
                .tell(vec![("cuda", vec![probe("a")])], Vec::new())
                .await,
        );
    }
    let world = with_probe(b"");
    std::fs::remove_file(world.path("probe")).unwrap();
    told.push(
        world
            .tell(vec![("cuda", vec![probe("a")])], Vec::new())
            .await,
    );
    told.push(
        World::new(&["cuda"])
            .tell(vec![("cuda", vec![probe("a")])], Vec::new())
            .await,
    );
    insta::assert_snapshot!(told.join("\n"), @"

    => cuda
       a error, asked 0×
          there is no static hostprobe for x86_64; build it: `nix build .#hostprobe`

    => cuda
       a error, asked 0×
          `DIR/probe` is a build of hostprobe for aarch64, and the host is x86_64

    => cuda
       a error, asked 0×
          `DIR/probe` is no build of hostprobe: it is a script

    => cuda
       a error, asked 0×
          `DIR/probe` is no build of hostprobe: its ELF cannot be read: Invalid ELF header size or alignment

    => cuda
       a error, asked 0×
          cannot read hostprobe: `DIR/probe`: No such file or directory (os error 2)

    => cuda
       a error, asked 0×
          there is no build of hostprobe for x86_64
    ");
}

#[tokio::test]
async fn the_engine_is_built_once_shipped_and_described() {
    let world = World::new(&["cuda", "linode"]);
    world.write("repo/bin/program", std::fs::read("/bin/sh").unwrap());
    let script =
        "#!/bin/sh\necho building >&2\necho >>builds\nmkdir -p dist\ncp bin/program dist/engine\n";
    world.write("repo/make.sh", script);
    let path = world.path("repo/make.sh");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let asked = || engine(&["./make.sh", "all"]);
    let hosts = vec![("cuda", vec![asked()]), ("linode", vec![asked()])];
    let report = world.report(hosts, Vec::new()).await;
    for host in &report.hosts {
        let result = &host.checks[0];
        assert_eq!(result.status.word(), "pass", "{result:?}");
        let words: Vec<&str> = result.evidence.split(' ').collect();
        assert_eq!(words[1], std::env::consts::ARCH, "{result:?}");
        assert!(words[2].contains("/ld-"), "{result:?}");
        assert!(words[3].starts_with("2."), "{result:?}");
        assert_eq!(words[4], "64", "{result:?}");
    }
    assert_eq!(std::fs::read(world.path("repo/builds")).unwrap(), b"\n");
}

#[tokio::test]
async fn an_engine_that_is_not_there_fails_and_says_where_it_should_be() {
    let world = World::new(&["cuda"]);
    world.write("repo/hosts", "");
    let tell = async |build: &[&str]| {
        let told = world.tell(vec![("cuda", vec![engine(build)])], Vec::new());
        told.await
    };
    let mut told = vec![
        tell(&[]).await,
        tell(&["true"]).await,
        tell(&["no-such-program-anywhere"]).await,
        tell(&["sh", "-c", "echo one; exit 3"]).await,
        tell(&[
            "sh",
            "-c",
            "for n in 1 2 3 4 5 6 7; do echo line $n >&2; done; exit 1",
        ])
        .await,
    ];
    world.write("repo/dist/engine", b"\xcf\xfa\xed\xfe of a Mac");
    told.push(tell(&[]).await);
    insta::assert_snapshot!(told.join("\n"));
}
