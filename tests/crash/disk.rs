//! A full disk: the state file can't be written, and that is all.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use hex_token_exporter::fake_hex::{FakeHex, Scenario};
use tokio::{
    net::TcpListener,
    time::{interval, timeout},
};

use crate::exporter::{Exporter, state};

/// A fake Hex and a configuration in this folder, with its state file in another.
async fn stand(home: &Path, disk: &Path) -> FakeHex {
    let scenario = "stacks: [{name: main, tokens: {good: {kind: workspace, value: the-good-value}}}]";
    let stack = Scenario::parse(scenario).unwrap().stacks.into_iter().next().unwrap();
    let hex = FakeHex::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), stack).unwrap();
    fs::write(home.join("good"), "the-good-value").unwrap();
    let yaml = format!(
        "state_file: {}/state.json\nworkspaces: {{main: {{url: '{}'}}}}\ntokens: {{good: {{credentials_file: good}}}}\n",
        disk.display(),
        hex.url()
    );
    fs::write(home.join("config.yaml"), yaml).unwrap();
    hex
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        let mut look_again = interval(Duration::from_millis(50));
        while !holds() {
            look_again.tick().await;
        }
    };
    timeout(Duration::from_mins(1), waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

const REFUSED: &str = "the state file cannot be written";

#[tokio::test(flavor = "multi_thread")]
async fn where_no_file_may_grow_all_but_the_state_file_works() {
    let (home, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _hex = stand(home.path(), disk.path()).await;
    // A write beyond the limit fails as one to a full disk does; its signal is ignored.
    let mut command = Exporter::command("trap '' XFSZ; ulimit -f 0");
    let mut exporter = Exporter::run(command.arg("--config.file").arg(home.path().join("config.yaml")));
    exporter.shows("a verdict", |page| state(page, "good") == "valid").await;
    exporter.says(REFUSED);
    assert_eq!(files(disk.path()), [""; 0], "half a file is left behind");
    exporter.signal("TERM");
    assert!(exporter.ended().success());
}

/// A small disk, mounted for the test. Dropping it unmounts it.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path());
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Self(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What can't be unmounted now is gone with the machine.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_and_is_emptied_again_gets_its_state_file() {
    let home = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount() else {
        eprintln!("!! no tmpfs can be mounted here (it takes root): a really full disk was NOT tried");
        return;
    };
    let (folder, ballast) = (disk.0.path(), disk.0.path().join("ballast"));
    fs::write(&ballast, vec![0; 1024 * 1024]).unwrap_err();
    let _hex = stand(home.path(), folder).await;
    let exporter = Exporter::start(&home.path().join("config.yaml"));
    exporter.shows("a verdict", |page| state(page, "good") == "valid").await;
    exporter.says(REFUSED);
    assert_eq!(files(folder), ["ballast"], "half a file is left behind");
    fs::remove_file(&ballast).unwrap();
    until("a state file", || folder.join("state.json").exists()).await;
}
