//! `install.sh` against a server with releases.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::{
    assert_contains,
    releases::{Answer, Releases, TARGETS},
    root,
    services::wait_until,
};

/// What the script needs beside a shell, a program that downloads and one that computes checksums.
const TOOLS: [&str; 9] = ["cat", "chmod", "cp", "gzip", "mkdir", "mktemp", "mv", "rm", "tar"];

/// Where the program is without options.
const DEFAULT: &str = "home/.local/bin/easytier-uptime";

const LINUX: &str = "Linux x86_64";

/// A machine with nothing but the tools, and an empty home.
struct Machine(TempDir);

impl Machine {
    /// `system` is what `uname -s -m` says.
    fn new(system: &str, tools: &[&str]) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for folder in ["bin", "home", "tmp"] {
            fs::create_dir(machine.0.path().join(folder)).unwrap();
        }
        let path = std::env::var_os("PATH").unwrap();
        for name in TOOLS.iter().chain(tools) {
            let program =
                std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file());
            symlink(program.unwrap_or_else(|| panic!("there is no {name}")), machine.path("bin").join(name)).unwrap();
        }
        let (name, processor) = system.split_once(' ').unwrap();
        let uname = machine.path("bin/uname");
        fs::write(&uname, format!("#!/bin/sh\n[ $1 = -s ] && echo {name} || echo {processor}\n")).unwrap();
        fs::set_permissions(&uname, fs::Permissions::from_mode(0o755)).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A shell.
    fn command(&self, releases: &Releases) -> Command {
        let mut command = Command::new("/bin/sh");
        command.current_dir(self.0.path()).env_clear().env("EASYTIER_UPTIME_RELEASES", &releases.url);
        command.env("PATH", self.path("bin")).env("HOME", self.path("home")).env("TMPDIR", self.path("tmp"));
        command
    }

    fn install(&self, releases: &Releases, args: &[&str]) -> Output {
        self.command(releases).arg(root().join("install.sh")).args(args).output().unwrap()
    }

    /// All files and folders of the home and for temporary files, with what files contain.
    fn contents(&self) -> BTreeMap<PathBuf, Option<String>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path("home"), self.path("tmp")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path.clone());
                }
                found.insert(path.clone(), fs::read_to_string(path).ok());
            }
        }
        found
    }
}

/// The release and the target of an installed program.
#[track_caller]
fn installed(program: &Path) -> String {
    assert_eq!(fs::metadata(program).unwrap().permissions().mode() & 0o777, 0o755);
    fs::read_to_string(program).unwrap().lines().nth(1).unwrap().replace("# ", "")
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, words: &[&str]) {
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_contains(&said, words);
}

#[test]
fn the_newest_release_is_installed_on_each_system_with_the_tools_that_it_has() {
    let releases = Releases::serve();
    releases.publish("0.1.0");
    releases.publish("0.2.0-rc.1");
    let mut targets = Vec::new();
    for (system, tools) in [
        (LINUX, ["curl", "sha256sum"]),
        ("Linux aarch64", ["wget", "sha256sum"]),
        ("Darwin arm64", ["curl", "shasum"]),
        ("Darwin x86_64", ["curl", "shasum"]),
    ] {
        let machine = Machine::new(system, &tools);
        let output = machine.install(&releases, &[]);
        let words = ["downloading easytier-uptime 0.2.0-rc.1 for ", "/.local/bin/easytier-uptime", "is not in PATH"];
        assert_ends(&output, 0, &words);
        // Nothing else is left.
        assert_eq!(machine.contents().into_values().flatten().count(), 1);
        targets.push(installed(&machine.path(DEFAULT)));
    }
    targets.sort();
    assert_eq!(targets, TARGETS.map(|target| format!("0.2.0-rc.1 {target}")));
}

#[test]
fn a_version_or_its_checksums_can_be_pinned() {
    let releases = Releases::serve();
    releases.publish("0.1.0");
    let pinned = releases.folder_of("0.1.0").join("SHA256SUMS");
    releases.publish("0.2.0");
    let machine = Machine::new(LINUX, &["curl", "sha256sum"]);
    // Piped into a shell, as from the site.
    let mut piped = machine.command(&releases);
    piped.args(["-s", "--", "--version", "v0.1.0", "--prefix", "home/own"]);
    piped.stdin(fs::File::open(root().join("install.sh")).unwrap());
    assert_ends(&piped.output().unwrap(), 0, &["installed home/own/bin/easytier-uptime"]);
    assert_eq!(installed(&machine.path("home/own/bin/easytier-uptime")), format!("0.1.0 {}", TARGETS[3]));

    // The pinned checksums are trusted, and not those of the server.
    let args = ["--sums", machine.path("SHA256SUMS").to_str().unwrap()].map(str::to_owned);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    fs::rename(pinned, args[1]).unwrap();
    assert_ends(&machine.install(&releases, &args), 0, &["easytier-uptime 0.1.0 for"]);
    let before = machine.contents();
    releases.pack("0.1.0", TARGETS[3], "#!/bin/sh\nanother program\n");
    releases.sum("0.1.0");
    assert_ends(&machine.install(&releases, &args), 1, &["is not what was released: its SHA-256 is "]);
    assert_eq!(machine.contents(), before);
}

#[test]
fn a_failure_says_why_and_changes_nothing() {
    let releases = Releases::serve();
    let archive = |version| format!("easytier-uptime-{version}-{}.tar.gz", TARGETS[3]);
    let curl = Machine::new(LINUX, &["curl", "sha256sum"]);
    assert_ends(&curl.install(&releases, &[]), 1, &["cannot download http://", "/latest/download/SHA256SUMS"]);
    assert!(curl.contents().is_empty());
    releases.publish("0.1.0");
    assert_ends(&curl.install(&releases, &[]), 0, &[]);
    let before = curl.contents();

    releases.publish("0.2.0");
    releases.answer(&archive("0.2.0"), Answer::CutOff);
    let cut_off = curl.install(&releases, &[]);
    releases.publish("0.3.0");
    fs::remove_file(releases.folder_of("0.3.0").join(archive("0.3.0"))).unwrap();
    let missing = curl.install(&releases, &[]);
    releases.publish("0.4.0");
    releases.pack("0.4.0", TARGETS[3], "#!/bin/sh\nexit 127\n");
    let changed = curl.install(&releases, &[]);
    releases.sum("0.4.0");
    let broken = curl.install(&releases, &[]);
    for (output, words) in [
        (cut_off, ["cannot download http://", "v0.2.0"]),
        (missing, ["cannot download http://", "v0.3.0"]),
        (changed, ["0.4.0", "is not what was released: its SHA-256 is "]),
        (broken, ["downloading", "the program does not start here"]),
        (curl.install(&releases, &["--version", "0.9.0"]), ["cannot download http://", "v0.9.0/SHA256SUMS"]),
        (curl.install(&releases, &["--prefix", "bin/tar", "--version", "0.1.0"]), ["downloading", "bin/tar"]),
    ] {
        assert_ends(&output, 1, &words);
        assert_eq!(curl.contents(), before, "{words:?}");
    }
    for args in [&["--version"] as &[&str], &["--all"], &["--version", "1", "--sums", "a"]] {
        assert_ends(&curl.install(&releases, args), 2, &["error: "]);
    }

    // Stopped during the download.
    releases.publish("0.5.0");
    releases.answer(&archive("0.5.0"), Answer::Stalled);
    let mut command = curl.command(&releases);
    command.arg(root().join("install.sh")).process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_until("half of the archive arrived", || releases.has_answered());
    kill_process_group(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(curl.contents(), before);

    // On other machines.
    for (system, tools, code, words) in [
        ("FreeBSD amd64", &["curl"] as &[&str], 3, "no released program for FreeBSD on x86_64"),
        ("Linux riscv64", &["curl"], 3, "no released program for Linux on riscv64"),
        (LINUX, &["sha256sum"], 1, "there is neither curl nor wget"),
        (LINUX, &["wget"], 1, "there is neither sha256sum nor shasum"),
    ] {
        let machine = Machine::new(system, tools);
        assert_ends(&machine.install(&releases, &["--version", "0.1.0"]), code, &[words]);
        assert!(machine.contents().is_empty());
    }
}
