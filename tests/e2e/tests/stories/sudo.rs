//! The real sudo, set up in many ways, and a password for it: nothing of the password stays on the machine,
//! a wrong one is tried once, and what is said is so.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use deployctl_e2e::{Machine, MachineSpec, Sudo};

use crate::cluster::{Cluster, Run};
use crate::demo;

/// Not the name of the user, so that finding it means something.
const PASSWORD: &str = "poison-4711";

struct Story {
    cluster: Cluster,
    file: PathBuf,
}

impl Story {
    fn boot() -> Result<Self> {
        let cluster = Cluster::boot(&[MachineSpec::new("web").sudo(Sudo::NoPassword)])?;
        let file = cluster.world.scratch().join("password");
        let story = Self { cluster, file };
        story
            .machine()
            .ok(&format!("echo 'operator:{PASSWORD}' | chpasswd"))?;
        story.cluster.adopt_all()?;
        Ok(story)
    }

    fn machine(&self) -> &Machine {
        self.cluster.machine("web")
    }

    /// What sudoers says from now on; `rule` is what comes after `operator ALL=(ALL:ALL)`.
    fn sudoers(&self, rule: &str, defaults: &str) -> Result<()> {
        let text = format!("operator ALL=(ALL:ALL) {rule}\n{defaults}\n");
        self.machine().write("/etc/sudoers.d/operator", text)?;
        self.machine().ok("visudo -qc")?;
        Ok(())
    }

    fn run(&self, arguments: &[&str], password: Option<&str>) -> Result<Run> {
        let mut all = arguments.to_vec();
        let file = self.file.to_string_lossy().into_owned();
        if let Some(password) = password {
            fs::write(&self.file, format!("{password}\n"))?;
            fs::set_permissions(&self.file, fs::Permissions::from_mode(0o600))?;
            all.extend(["--sudo-password-file", &file]);
        }
        self.cluster.deployctl(&all)
    }

    fn plan(&self, password: Option<&str>) -> Result<Run> {
        self.run(&["plan", "web"], password)
    }

    /// How often the journal says that a password was wrong, and of how many tries at a time.
    fn wrong(&self) -> Result<Vec<String>> {
        let lines = self.machine().exec(
            "journalctl -q -o cat _COMM=sudo | grep -o '[0-9]* incorrect password attempts*' || :",
        )?;
        Ok(lines.stdout.lines().map(str::to_owned).collect())
    }

    /// Files of the whole machine in which the password stands.
    fn leaks(&self) -> Result<String> {
        self.machine()
            .ok("sync; grep -rl poison-471[1] /etc /home /opt /root /run /srv /tmp /var 2>/dev/null || :")
    }
}

#[test]
fn a_sudo_password_stays_nowhere_whatever_sudo_logs() -> Result<()> {
    let story = Story::boot()?;
    let logs = "Defaults log_input, log_output, !compress_io\nDefaults iolog_dir=/var/log/sudo-io";
    // sudo does not ask: what it is not asked for would be the input of the command, which it logs.
    story.sudoers("NOPASSWD: ALL", logs)?;
    story.plan(Some(PASSWORD))?.expect(0);
    story
        .run(&["apply", "web", "--yes"], Some(PASSWORD))?
        .expect(0);
    story.machine().ok("test -n \"$(ls /var/log/sudo-io)\"")?;
    assert_eq!(story.leaks()?, "");
    // It asks.
    story.sudoers("ALL", logs)?;
    story.plan(Some(PASSWORD))?.expect(0);
    assert_eq!(story.leaks()?, "");
    // Without asking for some commands only.
    story.sudoers("ALL, NOPASSWD: /bin/sh", logs)?;
    story.plan(Some(PASSWORD))?.expect(0);
    assert_eq!(story.leaks()?, "");
    // The search would have found it.
    story
        .machine()
        .ok("echo poison-4711 >/var/log/sudo-io/found")?;
    assert_eq!(story.leaks()?, "/var/log/sudo-io/found\n");
    Ok(())
}

#[test]
fn what_sudo_says_no_to_is_told_as_it_is() -> Result<()> {
    let story = Story::boot()?;
    for defaults in [
        "",
        "Defaults insults",
        "Defaults lecture=always, use_pty",
        "Defaults passwd_tries=1",
        "Defaults badpass_message=\"Das war nichts.\", passprompt=\"Wie bitte? \"",
    ] {
        story.sudoers("ALL", defaults)?;
        let before = story.wrong()?.len();
        let start = Instant::now();
        let told = story.plan(Some("wrong"))?.expect(9);
        assert!(start.elapsed() < Duration::from_secs(15), "{defaults}");
        let told = told.says("the password that was passed");
        assert!(!told.stdout.contains("--ask-sudo-password"), "{told:?}");
        assert!(!told.stdout.contains("lecture"), "{told:?}");
        let wrong = story.wrong()?;
        assert_eq!(
            &wrong[before..],
            ["1 incorrect password attempt"],
            "{defaults}"
        );
    }
    for account in ["rootpw", "targetpw"] {
        story.sudoers("ALL", &format!("Defaults {account}"))?;
        let told = story.plan(Some(PASSWORD))?.expect(9);
        told.says("sudo wants the password of `root`").says(account);
    }
    story.sudoers("ALL", "Defaults requiretty")?;
    for password in [None, Some(PASSWORD)] {
        story.plan(password)?.expect(9).says("!requiretty");
    }
    story.sudoers("ALL", "")?;
    story.plan(None)?.expect(9).says("--ask-sudo-password");
    // An apply would ask again at each of its gates: it is over at the first.
    let before = story.wrong()?.len();
    story
        .run(&["apply", "web", "--yes"], Some("wrong"))?
        .expect(9);
    assert_eq!(story.wrong()?.len(), before + 1);
    story.machine().ok("mv /usr/bin/sudo /usr/bin/sudo.away")?;
    story.plan(None)?.expect(9).says("install sudo there");
    story
        .plan(Some(PASSWORD))?
        .expect(9)
        .says("install sudo there");
    story.machine().ok("mv /usr/bin/sudo.away /usr/bin/sudo")?;
    story.sudoers("/usr/bin/true", "")?;
    let told = story.plan(Some(PASSWORD))?.expect(9);
    told.says("give this user the right to run `/bin/sh` by sudo");
    ctrl_c_while_it_waits(&story)?;
    from_now_on_it_asks(&story)
}

/// A sudo that says nothing for a long time, as one that asks a server.
fn ctrl_c_while_it_waits(story: &Story) -> Result<()> {
    let machine = story.machine();
    machine.ok("mv /usr/bin/sudo /usr/bin/sudo.away
         printf '#!/bin/sh\\n: >/tmp/sudo.waits; exec sleep 100\\n' >/usr/bin/sudo; chmod +x /usr/bin/sudo; rm -f /tmp/sudo.waits")?;
    let plan = story
        .cluster
        .command(&["plan", "web"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    machine.wait_until(Duration::from_secs(10), "test -e /tmp/sudo.waits")?;
    let start = Instant::now();
    let killed = Command::new("kill")
        .args(["-INT", &plan.id().to_string()])
        .status()?;
    assert!(killed.success());
    let ended = plan.wait_with_output()?;
    let told = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(130), "{told}");
    assert!(
        told.contains("interrupted before anything was changed"),
        "{told}"
    );
    assert!(start.elapsed() < Duration::from_secs(5));
    machine.ok("mv /usr/bin/sudo.away /usr/bin/sudo")?;
    Ok(())
}

/// A password that sudo did not ask for so far: whether it is right shows once the rule is in effect.
fn from_now_on_it_asks(story: &Story) -> Result<()> {
    story.sudoers("NOPASSWD: ALL", "")?;
    story.cluster.redeclare("web", |facts| {
        facts["extra"] = demo::extra();
        let rule = "operator ALL=(ALL:ALL) ALL\n";
        demo::set_file(facts, "/etc/sudoers.d/zz-asks", rule);
    })?;
    story
        .plan(Some("wrong"))?
        .expect(0)
        .says("is not tried before");
    let apply = ["apply", "web", "--yes", "--timeout", "20"];
    story
        .run(&apply, Some("wrong"))?
        .expect(5)
        .says("the password that was passed");
    assert!(!story.machine().exists("/etc/sudoers.d/zz-asks")?);
    story.run(&apply, Some(PASSWORD))?.expect(0);

    // A rollback to the generation in which it asks ends as an apply of it does.
    story
        .cluster
        .redeclare("web", |facts| facts["extra"] = demo::extra())?;
    story.run(&apply, Some(PASSWORD))?.expect(0);
    let back = ["rollback", "web", "--to", "1", "--yes", "--timeout", "20"];
    story.run(&back, None)?.expect(9).says("and none was given");
    story
        .run(&back, Some("wrong"))?
        .expect(5)
        .says("the password that was passed");
    assert!(!story.machine().exists("/etc/sudoers.d/zz-asks")?);
    story.run(&back, Some(PASSWORD))?.expect(0);
    assert!(story.machine().exists("/etc/sudoers.d/zz-asks")?);
    Ok(())
}
