//! tools/setup installs missing packages, and nothing if none is missing.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

/// Logs its arguments.
const APT_GET: &str = "#!/bin/sh\necho \"$*\" >>\"$CALLS\"\n";
/// Runs the command without changing the user.
const SUDO: &str = "#!/bin/sh\nexec \"$@\"\n";
/// Prints a line, which is a font in the case of fc-list.
const THERE: &str = "#!/bin/sh\necho there\n";

fn program(folder: &Path, name: &str, script: &str) {
    let file = folder.join(name);
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The calls of apt-get on a machine that has only these programs.
fn asked_for(installed: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = env::var_os("PATH").unwrap();
    for name in ["tr", "id"] {
        let real = env::split_paths(&path).map(|place| place.join(name)).find(|file| file.is_file()).unwrap();
        symlink(real, folder.path().join(name)).unwrap();
    }
    program(folder.path(), "apt-get", APT_GET);
    program(folder.path(), "sudo", SUDO);
    installed.iter().for_each(|name| program(folder.path(), name, THERE));
    // The linters, Prometheus's tool and EasyTier are installed.
    let linters = folder.path().join("target/tools/bin");
    fs::create_dir_all(&linters).unwrap();
    ["hadolint", "shellcheck", "zizmor"].iter().for_each(|name| program(&linters, name, THERE));
    let prometheus = folder.path().join("target/tools/prometheus/usr/bin");
    fs::create_dir_all(&prometheus).unwrap();
    program(&prometheus, "promtool", THERE);
    let easytier = folder.path().join("target/easytier-node");
    fs::create_dir(&easytier).unwrap();
    fs::write(easytier.join("finished"), "").unwrap();
    let calls = folder.path().join("calls");
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/setup");
    let ran = Command::new("/bin/sh")
        .arg(setup)
        .env("PATH", folder.path())
        .env("CALLS", &calls)
        .env("CARGO_TARGET_DIR", folder.path().join("target"))
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    fs::read_to_string(calls).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn missing_packages_are_installed_with_one_command() {
    let asked = asked_for(&[]);
    let [update, install] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(update, "update -qq");
    assert!(install.starts_with("install -y --no-install-recommends "), "{install}");
    // PostgreSQL and PgBouncer are also found outside of PATH, so this machine may have them.
    for package in ["iproute2", "util-linux", "python3-venv", "nodejs", "npm", "chromium"] {
        assert!(install.split(' ').any(|word| word == package), "{package} is missing in {install:?}");
    }
}

#[test]
fn installed_programs_are_not_installed_again() {
    let others = [
        "ip",
        "mount",
        "faketime",
        "initdb",
        "pgbouncer",
        "python3",
        "node",
        "npm",
        "chromium",
        "fc-list",
        "systemd-analyze",
        "kill",
        "curl",
        "jq",
        "git",
        "buildah",
        "wget",
        "shasum",
    ];
    let asked = asked_for(&others);
    assert_eq!(asked, ["update -qq", "install -y --no-install-recommends util-linux"]);
    assert!(asked_for(&[&others[..], &["unshare"]].concat()).is_empty());
}
