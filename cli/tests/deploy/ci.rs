//! The GitHub action, the workflows, and the crontab example.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use easytier_uptime_config::Setting;
use serde_json::{Value, json};

use crate::{
    assert_contains,
    program::{assert_command, assert_setting, flags_of},
    read,
    releases::{Releases, TARGETS},
    root,
    runner::{Ended, Job},
    tool,
};

const WORKFLOWS: [&str; 3] = [".github/workflows/ci.yml", RELEASE, RELEASED];

const RELEASE: &str = ".github/workflows/release.yml";

const RELEASED: &str = ".github/workflows/released.yml";

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

#[test]
fn the_action_runs_an_existing_command() {
    let action = yaml("action.yml");
    let step = action["runs"]["steps"].as_array().unwrap().iter().rfind(|step| step["env"].is_object()).unwrap();
    let script = step["run"].as_str().unwrap();
    let usage = assert_command(&["once"]);
    let flags: Vec<String> = script.lines().flat_map(flags_of).collect();
    assert!(flags.len() > 5, "{flags:?}");
    assert_command(&["once"].into_iter().chain(flags.iter().map(String::as_str)).collect::<Vec<_>>());
    for name in keys(&step["env"]).iter().filter(|name| !name.starts_with("INPUT_")) {
        assert_setting(&usage, name);
    }
    // The used inputs are exactly the declared ones.
    let text = read("action.yml");
    let used = text.split("${{ inputs.").skip(1).map(|rest| rest.split(' ').next().unwrap());
    assert_eq!(keys(&action["inputs"]), used.collect());
}

/// They know the syntax of workflows, the contexts of expressions, which of them strangers can write, and what attackers use.
#[test]
fn linters_find_nothing_in_the_workflows_and_the_action() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
    tool::assert_silent(Command::new(root().join("tools/check-workflows")).env("CARGO_TARGET_DIR", target));
    let folder = tempfile::tempdir().unwrap();
    let mut shellcheck = tool::linter("shellcheck");
    let action = yaml("action.yml");
    let workflows: Vec<Value> = WORKFLOWS.map(yaml).into();
    let jobs = workflows.iter().flat_map(|workflow| workflow["jobs"].as_object().unwrap().values());
    let steps = jobs.map(|job| &job["steps"]).chain([&action["runs"]["steps"]]);
    for (number, script) in
        steps.flat_map(|steps| steps.as_array().unwrap()).filter_map(|step| step["run"].as_str()).enumerate()
    {
        let file = folder.path().join(number.to_string());
        fs::write(&file, format!("#!/bin/bash -e\n{script}")).unwrap();
        shellcheck.arg(file);
    }
    assert!(shellcheck.get_args().count() > 10);
    tool::assert_silent(&mut shellcheck);
}

#[test]
fn ci_runs_everything_that_must_pass() {
    let workflow = yaml(".github/workflows/ci.yml");
    let steps = workflow["jobs"]["ci"]["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["run"].as_str().is_some_and(|run| run.ends_with(" .ci/run"))));
}

#[test]
fn the_example_workflow_uses_existing_inputs() {
    let (action, workflow) = (yaml("action.yml"), yaml("deploy/github-workflow.example.yml"));
    let jobs = workflow["jobs"].as_object().unwrap().values();
    let steps = jobs.flat_map(|job| job["steps"].as_array().unwrap());
    let ours = steps.filter(|step| step["uses"].as_str().unwrap().starts_with("easytier-uptime/"));
    let given: Vec<&str> = ours.flat_map(|step| keys(&step["with"])).collect();
    let outputs = read("deploy/github-workflow.example.yml");
    for output in outputs.split("steps.nodes.outputs.").skip(1).map(|rest| rest.split(' ').next().unwrap()) {
        assert!(keys(&action["outputs"]).contains(output), "the action has no output {output}");
    }
    assert!(given.len() > 5, "{given:?}");
    for input in given {
        assert!(keys(&action["inputs"]).contains(input), "the action has no input {input}");
    }
}

#[test]
fn the_line_for_cron_runs_an_existing_command() {
    let text = read("deploy/crontab.example");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 1);
    let (_, command) = lines[0].split_once(" easytier-uptime ").unwrap();
    assert_command(&command.split_whitespace().take_while(|word| !word.starts_with('>')).collect::<Vec<_>>());
    // The configuration file in its comments.
    for line in text.lines().filter_map(|line| line.strip_prefix("#   ")) {
        let (key, _) = line.split_once(" = ").unwrap();
        assert!(Setting::all().any(|setting| setting.key() == key), "there is no setting {key}");
    }
}

/// A job of a release of this version, without what is elsewhere: programs that would use it say in `calls` what they are asked for.
fn run_job(workflow: &str, name: &str, version: &str, prepare: impl FnOnce(&Path)) -> (Ended, String) {
    let tag = format!("v{version}");
    let mut job = Job::on("runner").context("github.token", "of-the-run").variable("GITHUB_REF_NAME", &tag);
    for (name, value) in [("ACTOR", "someone"), ("REPOSITORY", "Some/Repository"), ("SHA", "5a5a5a5a")] {
        job = job.variable(&format!("GITHUB_{name}"), value);
    }
    let say = "#!/bin/sh\necho \"${0##*/} $*\" >> \"$RUNNER_TEMP/calls\"\n";
    let gh = "case \"$1 $2\" in 'run list') cat ci-runs ;; 'release download') cp ../SHA256SUMS . ;; esac\n";
    let buildah = "while [ $# -gt 1 ]; do case $1 in --digestfile) echo sha256:5e5e > \"$2\" ;; esac; shift; done\n";
    for (name, does) in [("gh", gh), ("buildah", buildah), ("skopeo", "")] {
        job = job.program(name, &format!("{say}{does}"));
    }
    prepare(&job.path("workspace"));
    let ended = job.run_job(&yaml(workflow)["jobs"][name]);
    let calls = fs::read_to_string(ended.folder.path().join("temp/calls")).unwrap_or_default();
    (ended, calls)
}

/// The jobs that run code of dependencies can write nothing.
#[test]
fn the_jobs_of_a_release_have_the_permissions_that_they_need() {
    let mut found = Vec::new();
    for workflow in [RELEASE, RELEASED].map(yaml) {
        assert_eq!(workflow["permissions"], json!({}));
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            let writes = job["permissions"].as_object().unwrap().iter().filter(|(_, access)| *access == "write");
            found.push((name.clone(), writes.map(|(scope, _)| scope.as_str()).collect::<Vec<_>>().join(" ")));
        }
    }
    found.sort();
    let expected = [
        ("action", "contents"),
        ("build", ""),
        ("draft", "attestations contents id-token"),
        ("image", "attestations id-token packages"),
        ("image", "packages"),
        ("plan", ""),
        ("verify", ""),
    ];
    assert_eq!(found, expected.map(|(name, scopes)| (name.to_owned(), scopes.to_owned())));
}

#[test]
fn a_release_begins_with_a_commit_that_is_ready_and_is_built_for_each_machine() {
    for (version, changelog, runs, error) in [
        ("0.3.0", "## [0.3.0]", "1", None),
        ("0.3.1", "## [0.3.1]", "1", Some("Cargo.toml has another version than the tag v0.3.1")),
        ("0.3.0", "## [Unreleased]", "1", Some("CHANGELOG.md has no section [0.3.0]")),
        ("0.3.0", "## [0.3.0]", "0", Some("CI has not passed for 5a5a5a5a")),
    ] {
        let (ended, calls) = run_job(RELEASE, "plan", version, |workspace| {
            fs::write(workspace.join("Cargo.toml"), "[workspace.package]\nversion = \"0.3.0\"\n").unwrap();
            fs::write(workspace.join("CHANGELOG.md"), changelog).unwrap();
            fs::write(workspace.join("ci-runs"), runs).unwrap();
        });
        assert_eq!(ended.succeeded, error.is_none(), "{}", ended.log);
        assert_contains(&ended.log, &[error.unwrap_or_default()]);
        if error.is_none() {
            assert_contains(
                &calls,
                &["gh run list --repo Some/Repository --workflow ci.yml --commit 5a5a5a5a --status success"],
            );
        }
    }
    let build = &yaml(RELEASE)["jobs"]["build"];
    let machines = build["strategy"]["matrix"]["include"].as_array().unwrap();
    let mut targets: Vec<&str> = machines.iter().map(|machine| machine["target"].as_str().unwrap()).collect();
    targets.sort();
    assert_eq!(targets, TARGETS);
}

#[test]
fn a_release_is_drafted_with_its_files_and_notes() {
    for (version, kind) in [("0.3.0", ""), ("0.3.0-rc.1", " --prerelease")] {
        let (ended, calls) = run_job(RELEASE, "draft", version, |workspace| {
            fs::create_dir_all(workspace.join("target/release-files")).unwrap();
            fs::create_dir_all(workspace.join("tools")).unwrap();
            fs::write(workspace.join("target/release-files/a.zip"), "").unwrap();
            let notes = format!(
                "# Changelog\n## [Unreleased]\n- c\n## [{version}] - 2027-01-01\n### Added\n- b\n## [0.2.0]\n- a\n"
            );
            fs::write(workspace.join("CHANGELOG.md"), notes).unwrap();
            // Its --sums.
            std::os::unix::fs::symlink("/bin/true", workspace.join("tools/release")).unwrap();
        });
        assert!(ended.succeeded, "{}", ended.log);
        assert!(ended.used.iter().any(|action| action.starts_with("actions/attest@")), "{:?}", ended.used);
        let notes = ended.folder.path().join("temp/notes.md");
        let expected = format!(
            "gh release create v{version} --repo Some/Repository --draft --verify-tag{kind} --title easytier-uptime {version} \
             --notes-file {} target/release-files/a.zip\n",
            notes.display()
        );
        assert_eq!(calls, expected);
        assert_eq!(fs::read_to_string(notes).unwrap(), "### Added\n- b\n");
    }
}

#[test]
fn the_image_has_the_programs_of_the_release() {
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap().trim_matches('"');
    let releases = Releases::serve();
    releases.publish(version);
    let (ended, calls) = run_job(RELEASE, "image", version, |workspace| {
        fs::write(workspace.join("Cargo.toml"), &manifest).unwrap();
        fs::create_dir_all(workspace.join("target/release-files")).unwrap();
        fs::create_dir_all(workspace.join("tools")).unwrap();
        fs::copy(root().join("tools/image"), workspace.join("tools/image")).unwrap();
        for target in TARGETS.iter().filter(|target| target.ends_with("-linux-musl")) {
            let name = format!("easytier-uptime-{version}-{target}.tar.gz");
            fs::copy(releases.folder_of(version).join(&name), workspace.join("target/release-files").join(name))
                .unwrap();
        }
    });
    assert!(ended.succeeded, "{}", ended.log);
    for (architecture, target) in [("amd64", TARGETS[3]), ("arm64", TARGETS[1])] {
        let program = format!("workspace/target/image/linux/{architecture}/easytier-uptime");
        assert_contains(
            &fs::read_to_string(ended.folder.path().join(program)).unwrap(),
            &[&format!("# {version} {target}\n")],
        );
    }
    assert_contains(
        &calls,
        &[
            "buildah build --platform linux/amd64,linux/arm64 --format docker --target release --file deploy/Dockerfile ",
            "buildah login --username someone --password-stdin ghcr.io\n",
            &format!(" docker://ghcr.io/some/repository:{version}\n"),
        ],
    );
    assert!(!calls.contains("of-the-run"), "{calls}");
    assert!(ended.used.iter().any(|action| action.starts_with("actions/attest@")), "{:?}", ended.used);
}

/// `uses: …@v0` is a commit on top of the release's, with the checksums.
#[test]
fn a_published_release_becomes_that_of_the_action_and_of_the_image() {
    let git = |folder: &Path, args: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(folder).args(["-c", "user.name=a", "-c", "user.email=a@example.com"]).args(args);
        let output = tool::output(&mut git);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    let remote = tempfile::tempdir().unwrap();
    git(remote.path(), &["init", "--quiet", "--bare"]);
    for version in ["0.3.0", "0.4.0"] {
        let sums = format!("of {version}");
        let (ended, calls) = run_job(RELEASED, "action", version, |workspace| {
            fs::write(workspace.with_file_name("SHA256SUMS"), &sums).unwrap();
            git(workspace, &["init", "--quiet"]);
            git(workspace, &["commit", "--quiet", "--allow-empty", "--message", version]);
            git(workspace, &["tag", &format!("v{version}")]);
            git(workspace, &["remote", "add", "origin", remote.path().to_str().unwrap()]);
            git(workspace, &["push", "--quiet", "origin", "--tags"]);
        });
        assert!(ended.succeeded, "{}", ended.log);
        assert_contains(
            &calls,
            &[
                "gh attestation verify SHA256SUMS --repo Some/Repository --signer-workflow Some/Repository/.github/workflows/release.yml\n",
            ],
        );
        assert_eq!(git(remote.path(), &["show", "v0:SHA256SUMS"]), sums);
        let released = git(remote.path(), &["rev-parse", &format!("v{version}")]);
        assert_eq!(git(remote.path(), &["rev-parse", "v0^"]), released);
    }

    let (ended, calls) = run_job(RELEASED, "image", "0.4.0", |_| {});
    assert!(ended.succeeded, "{}", ended.log);
    let image = "docker://ghcr.io/some/repository";
    assert_contains(&calls, &[&format!("skopeo copy --all --preserve-digests {image}:0.4.0 {image}:latest\n")]);
}
