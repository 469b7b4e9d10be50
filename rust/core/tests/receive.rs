//! The program that stages, run here in each shell: what it takes of what a controller sends, and what it asks for next.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and starts a shell on files of its own"
)]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use deployctl_core::artifact::{STAGE_PROGRAM, Send, StagePhase, StageStatus, parse_stage_status};
use deployctl_core::name::ArtifactPath;
use deployctl_core::rendered::Sha256Hex;

/// Large enough to be hashed while it comes.
const LARGE: usize = 17 << 20;

/// One job below a directory of the test's own, which root need not own.
struct Job {
    shell: &'static str,
    top: PathBuf,
    digest: String,
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Job {
    fn new(
        shell: &'static str,
        top: &Path,
        name: &str,
        files: Vec<(&'static str, Vec<u8>)>,
    ) -> Self {
        let job = Self {
            shell,
            top: top.to_owned(),
            digest: Sha256Hex::of(name.as_bytes()).to_string(),
            files,
        };
        let (program, _) = STAGE_PROGRAM.rsplit_once("\nmain \"$@\"").unwrap();
        let program = format!(
            "{program}\nrunning=$1\nmanager=systemd\ncheck_folders() {{ :; }}\nruns() {{ false; }}\nread_wanted\n\"$running\"\n"
        );
        let total: usize = job.files.iter().map(|(_, bytes)| bytes.len()).sum();
        let mut wanted = format!(
            "kind model\nname tiny\nbase {}\ndigest {}\nupload weights/tiny\ntotal {total}\n",
            job.base().display(),
            job.digest
        );
        for (path, bytes) in &job.files {
            let line = format!("file {} {} {path}\n", Sha256Hex::of(bytes), bytes.len());
            wanted.push_str(&line);
        }
        fs::create_dir_all(job.folder()).unwrap();
        fs::write(job.folder().join("stage.sh"), program).unwrap();
        fs::write(job.folder().join("wanted"), wanted).unwrap();
        job
    }

    fn folder(&self) -> PathBuf {
        self.top.join("state/artifacts").join(&self.digest[..16])
    }

    fn base(&self) -> PathBuf {
        self.top.join("tiny")
    }

    fn release(&self) -> PathBuf {
        self.base().join("releases").join(&self.digest)
    }

    /// The status after a run whose standard input was this, once what it left behind has ended.
    fn run(&self, input: &[u8]) -> StageStatus {
        self.verb("run", input);
        for _ in 0..100 {
            let status = parse_stage_status(&self.verb("status", b"")).unwrap();
            if status.phase != StagePhase::Running {
                return status;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("something holds the lock of the job");
    }

    fn verb(&self, verb: &str, input: &[u8]) -> Vec<u8> {
        let mut child = Command::new(self.shell)
            .arg(self.folder().join("stage.sh"))
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who has read enough ends before its input does.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{verb}");
        output.stdout
    }

    /// What is sent of these.
    fn sent(&self, sends: &[Send]) -> Vec<u8> {
        let mut input = Vec::new();
        for send in sends {
            let file = self.files.iter().find(|it| it.0 == send.path.as_str());
            let from = usize::try_from(send.from).unwrap();
            input.extend_from_slice(send.line().as_bytes());
            input.extend_from_slice(&file.unwrap().1[from..]);
        }
        input
    }

    fn is_whole(&self) -> bool {
        let whole = |(path, bytes): &(&str, Vec<u8>)| {
            fs::read(self.release().join(path)).is_ok_and(|found| found == *bytes)
        };
        self.files.iter().all(whole)
    }
}

fn in_each_shell(story: impl Fn(&'static str, &Path)) {
    for shell in ["dash", "bash"] {
        let folder = tempfile::tempdir().unwrap();
        story(shell, folder.path());
    }
}

fn send(from: usize, bytes: usize, path: &str) -> Send {
    Send {
        from: from.try_into().unwrap(),
        bytes: bytes.try_into().unwrap(),
        path: ArtifactPath::new(path).unwrap(),
    }
}

fn three(large: u8) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a/empty", Vec::new()),
        ("a/small", b"1 2 large\nthree\n".to_vec()),
        ("large", vec![large; LARGE]),
    ]
}

#[test]
fn what_came_stays_and_the_rest_is_asked_for() {
    in_each_shell(|shell, top| {
        let job = Job::new(shell, top, "first", three(7));
        let asked = job.run(b"");
        assert_eq!(asked.phase, StagePhase::Waiting);
        assert_eq!(
            asked.sends,
            [send(0, 16, "a/small"), send(0, LARGE, "large")]
        );
        // Cut in the middle of the large one.
        let all = job.sent(&asked.sends);
        let cut = job.run(&all[..all.len() - 1_000_000]);
        assert_eq!(cut.phase, StagePhase::Waiting);
        assert_eq!(cut.sends, [send(LARGE - 1_000_000, 1_000_000, "large")]);
        assert_eq!(cut.fetched, u64::try_from(16 + LARGE - 1_000_000).unwrap());
        assert!(!job.release().exists());
        let done = job.run(&job.sent(&cut.sends));
        assert_eq!((done.phase, done.fetched), (StagePhase::Done, done.total));
        assert!(job.is_whole());

        // Of the next one, a file is held already.
        let job = Job::new(shell, top, "second", three(8));
        let asked = job.run(b"");
        assert_eq!(asked.sends, [send(0, LARGE, "large")]);
        let done = job.run(&job.sent(&asked.sends));
        assert_eq!(done.phase, StagePhase::Done);
        assert!(job.is_whole());
        let links = fs::metadata(job.release().join("a/small")).unwrap().nlink();
        assert_eq!(links, 2);
    });
}

#[test]
fn what_is_not_declared_is_not_kept() {
    in_each_shell(|shell, top| {
        let job = Job::new(shell, top, "first", three(7));
        let asked = job.run(b"");
        let all = job.sent(&asked.sends);
        // From the first byte on: the sender has other files.
        let mut altered = all.clone();
        altered[20] ^= 1;
        let failed = job.run(&altered);
        assert_eq!(failed.phase, StagePhase::Failed);
        let failure = failed.failure.unwrap();
        assert!(
            failure
                .text
                .starts_with("`weights/tiny/a/small` is not what is declared"),
            "{failure:?}"
        );
        assert_eq!(job.run(b"").sends, asked.sends, "it begins anew");
        // What came before was altered on the host: all of it is asked for once more.
        let cut = job.run(&all[..all.len() - 5]);
        assert_eq!(cut.sends, [send(LARGE - 5, 5, "large")]);
        let part = job
            .base()
            .join(format!("releases/{}.part/large", job.digest));
        let mut found = fs::read(&part).unwrap();
        found[0] ^= 1;
        fs::write(&part, found).unwrap();
        let again = job.run(&job.sent(&cut.sends));
        assert_eq!(again.phase, StagePhase::Waiting);
        assert_eq!(again.sends, [send(0, LARGE, "large")]);
        // Words about another place of the file are not followed.
        let wrong = job.run(b"5 3 large\nabc");
        assert_eq!(wrong.sends, again.sends);
        let done = job.run(&job.sent(&again.sends));
        assert_eq!(done.phase, StagePhase::Done);
        assert!(job.is_whole());
    });
}
