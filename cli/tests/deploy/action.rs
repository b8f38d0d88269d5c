//! The steps of the GitHub action, with a released program and with one that is built.

use std::{fs, path::Path};

use easytier_probe::Scheme;
use serde_json::Value;

use crate::{
    assert_contains,
    closed_port::ClosedPort,
    compose::node::NodeOptions,
    program::PROGRAM,
    read,
    releases::Releases,
    root,
    runner::{Ended, Job},
    services::Service,
};

/// A checkout of the action, as runners have it: with the checksums of a release, if there is one.
struct Checkout {
    folder: tempfile::TempDir,
    releases: Releases,
}

impl Checkout {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["action.yml", "install.sh"] {
            fs::copy(root().join(name), folder.path().join(name)).unwrap();
        }
        // The sources, of which the action only computes a hash.
        let action = read("action.yml");
        let sources = action.split_once("$(find ").unwrap().1.split(" -type f").next().unwrap();
        for name in sources.split(' ') {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, releases: Releases::serve() }
    }

    fn released() -> Self {
        let checkout = Self::new();
        checkout.releases.publish("0.1.0");
        fs::copy(checkout.releases.folder_of("0.1.0").join("SHA256SUMS"), checkout.path().join("SHA256SUMS")).unwrap();
        checkout
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A job for the nodes of this machine.
    fn job(&self, host: &str) -> Job {
        let job = Job::on(host).variable("EASYTIER_UPTIME_RELEASES", &self.releases.url);
        job.variable("ALLOW_LOCAL_PEERS", "true")
    }

    fn run(&self, host: &str, inputs: &[(&str, &str)]) -> Ended {
        self.job(host).run_action(self.path(), inputs)
    }
}

#[track_caller]
fn assert_outputs(ended: &Ended, code: &str, [online, offline, unknown]: [&str; 3]) {
    assert_eq!(ended.succeeded, code == "0", "{}", ended.log);
    for (name, value) in [("exit-code", code), ("online", online), ("offline", offline), ("unknown", unknown)] {
        assert_eq!(ended.outputs[name], value, "{name}: {}", ended.log);
    }
}

/// The host name of a runner differs in each run, and a token belongs to one id of a probe.
#[test]
fn the_action_reports_to_a_hub_from_one_host_after_another() {
    let node = NodeOptions::listening_on(&[Scheme::Tcp]).start(PROGRAM);
    let closed = ClosedPort::new();
    let hub = Service::start(&["hub"], &[]);
    hub.command(&["hub", "peer", "add", &node.url(Scheme::Tcp).to_string(), "--name", "up"]);
    hub.command(&["hub", "peer", "add", &closed.url("tcp"), "--name", "down"]);
    let action = Checkout::released();
    let with = |token: &'static str, id: &'static str| -> Vec<(&str, &str)> {
        vec![("backend-url", &hub.url), ("node-token", token), ("server-id", id), ("fail-on", "never")]
    };

    let token: &'static str = hub.command(&["hub", "token", "create", "--name", "runners"]).leak();
    for host in ["fv-az1", "fv-az2"] {
        let ended = action.run(host, &with(token, ""));
        assert_outputs(&ended, "0", ["1", "1", "0"]);
        assert_contains(&ended.log, &["installed ", "results: 2 delivered"]);
        assert_contains(&ended.summary, &["### EasyTier nodes"]);
    }
    let token: &'static str = hub.command(&["hub", "token", "create", "--name", "ci", "--server-id", "ci"]).leak();
    assert_outputs(&action.run("fv-az3", &with(token, "ci")), "0", ["1", "1", "0"]);
    // The id is really sent.
    let ended = action.run("fv-az4", &with(token, "another"));
    assert_outputs(&ended, "2", ["1", "1", "0"]);
    assert!(!ended.log.contains(token), "{}", ended.log);
}

#[test]
fn nodes_are_in_a_file_or_in_the_workflow_itself() {
    let node = NodeOptions::listening_on(&[Scheme::Tcp]).start(PROGRAM);
    let closed = ClosedPort::new();
    let (up, down) = (node.url(Scheme::Tcp).to_string(), closed.url("tcp"));
    let action = Checkout::released();
    for (peers, code, counts) in [
        (format!("{up}\n{down}\n"), "1", ["1", "1", "0"]),
        // As 'peers: |' gives one line.
        (format!("{up}\n"), "0", ["1", "0", "0"]),
    ] {
        let ended = action.run("host", &[("peers", &peers), ("format", "json")]);
        assert_outputs(&ended, code, counts);
        let report =
            fs::read_to_string(&ended.outputs["report"]).unwrap_or_else(|error| panic!("{error}: {}", ended.log));
        // It is also in the log.
        assert!(ended.log.contains(&report), "{}", ended.log);
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["peers"].as_array().unwrap().len(), counts.iter().filter(|count| **count == "1").count());
    }

    let job = action.job("host");
    let folder = job.path("workspace");
    fs::write(folder.join("nodes.txt"), format!("{up}\n")).unwrap();
    let inputs = [("peers", "nodes.txt"), ("format", "junit"), ("output", "nodes.xml")];
    let ended = job.run_action(action.path(), &inputs);
    assert_outputs(&ended, "0", ["1", "0", "0"]);
    assert_eq!(ended.outputs["report"], "nodes.xml");
    assert!(!ended.log.contains("<testsuite"), "{}", ended.log);
}

/// Commits that no release made for the action have no checksums, and a release is not for each machine.
#[test]
fn the_program_is_built_from_source_where_none_was_released() {
    let built = format!(
        r#"#!/bin/sh
echo "cargo $*"
while [ "$1" != --root ]; do shift; done
mkdir -p "$2/bin"
ln -s {PROGRAM} "$2/bin/easytier-uptime"
"#
    );
    let closed = ClosedPort::new().url("tcp");
    let inputs = [("peers", closed.as_str()), ("fail-on", "never")];
    let job = |action: &Checkout| action.job("host").program("cargo", &built).program("rustup", "#!/bin/sh\n");
    let elsewhere = Checkout::released();
    let job_elsewhere = job(&elsewhere).program("uname", "#!/bin/sh\n[ $1 = -s ] && echo Linux || echo riscv64\n");
    let unreleased = Checkout::new();
    for (action, job) in [(&elsewhere, job_elsewhere), (&unreleased, job(&unreleased))] {
        let ended = job.run_action(action.path(), &inputs);
        assert_outputs(&ended, "0", ["0", "1", "0"]);
        assert_contains(&ended.log, &["it is built from source", "cargo install --locked --path cli --root "]);
        assert!(ended.used.iter().any(|action| action.starts_with("actions/cache@")), "{:?}", ended.used);
    }

    // The cache has it.
    let job = unreleased.job("host").context("steps.built.outputs.cache-hit", "true");
    let bin = job.path("temp/easytier-uptime/bin");
    fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(PROGRAM, bin.join("easytier-uptime")).unwrap();
    assert_outputs(&job.run_action(unreleased.path(), &inputs), "0", ["0", "1", "0"]);
}

#[test]
fn the_action_fails_for_a_changed_program_and_for_bad_inputs() {
    let action = Checkout::released();
    let bad = [("report-style", "bad-1"), ("timeout", "bad-2"), ("pings", "bad-3"), ("concurrency", "bad-4")];
    let ended = action.run("host", &[&[("peers", "tcp://127.0.0.1:1")], &bad[..]].concat());
    assert_contains(&ended.log, &bad.map(|(_, value)| value));
    assert_outputs(&ended, "2", [""; 3]);

    action.releases.publish("0.1.0-changed");
    let (old, new) = (action.releases.folder_of("0.1.0"), action.releases.folder_of("0.1.0-changed"));
    for file in fs::read_dir(&new).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap().replace("-changed", "");
        fs::copy(file.path(), old.join(name)).unwrap();
    }
    let ended = action.run("host", &[("peers", "tcp://127.0.0.1:1")]);
    assert_contains(&ended.log, &["is not what was released"]);
    assert_eq!((ended.succeeded, ended.outputs["exit-code"].as_str()), (false, ""));
}
