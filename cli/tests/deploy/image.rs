//! The Dockerfile and the files that are sent to its build.

use std::process::Command;

use serde_json::Value;

use crate::{
    program::{PROGRAM, assert_command, assert_setting, default_port},
    read, root,
    services::Service,
    tool::{assert_silent, linter},
};

/// The folder of the image for persistent data.
pub const STATE: &str = "/var/lib/easytier-uptime";

/// The instructions of the Dockerfile: name and arguments.
fn instructions() -> Vec<(String, String)> {
    let text = read("deploy/Dockerfile").replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()))
        .collect()
}

/// The arguments of the last instruction with this name.
fn last(name: &str) -> String {
    instructions().into_iter().rfind(|(other, _)| other == name).unwrap_or_else(|| panic!("no {name}")).1
}

/// The variables of the image.
fn variables() -> Vec<(String, String)> {
    let env = last("ENV");
    let pairs = env.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The words of an instruction in its JSON form.
fn words(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap()
}

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    assert_silent(linter("hadolint").arg(root().join("deploy/Dockerfile")));
}

#[test]
fn the_image_runs_existing_commands_and_not_as_root() {
    assert_eq!(words(&last("ENTRYPOINT")), ["easytier-uptime"]);
    let check = last("HEALTHCHECK");
    let check = words(check.split_once("CMD ").unwrap().1);
    assert_eq!(check[0], "easytier-uptime");
    assert_command(&check[1..].iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(last("EXPOSE"), default_port().to_string());
    let user: u32 = last("USER").split(':').next().unwrap().parse().unwrap();
    assert_ne!(user, 0);
    assert!(read("deploy/Dockerfile").contains(&format!("--chown={user}:{user} ")));
}

#[test]
fn the_image_keeps_its_database_in_its_volume() {
    assert_eq!((last("VOLUME").as_str(), last("WORKDIR").as_str()), (STATE, STATE));
    let usage = assert_command(&["daemon"]);
    for (name, value) in variables() {
        assert_setting(&usage, &name);
        if name == "DATABASE_PATH" {
            assert_eq!(value, format!("{STATE}/uptime.db"));
        }
    }
}

/// A program needs the C library that it was linked with, or a newer one.
#[test]
fn the_image_is_built_by_the_compiler_of_the_workspace_on_the_same_debian() {
    let bases: Vec<String> =
        instructions().into_iter().filter(|(name, _)| name == "FROM").map(|(_, base)| base).collect();
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert_eq!(bases[0], format!("rust:{version}-slim-bookworm AS build"));
    assert!(bases[1].contains("-debian12:"), "{bases:?}");
}

/// Other files stay out, above all databases and keys.
#[test]
fn only_what_a_build_needs_is_sent_to_it() {
    let ignored = read(".dockerignore");
    let lines: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines[0], "*");
    let manifest = read("Cargo.toml");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<String> =
        serde_json::from_str::<Vec<Value>>(members).unwrap().iter().map(|m| m.as_str().unwrap().to_owned()).collect();
    // Cargo requires the tests and benches that manifests declare, although it builds none of them.
    for needed in members.iter().map(String::as_str).chain([
        ".cargo",
        "Cargo.lock",
        "Cargo.toml",
        "benches",
        "src",
        "tests",
        "tools",
    ]) {
        assert!(lines.contains(&format!("!{needed}").as_str()), "{needed} is missing in the build context");
    }
    for secret in ["**/.env", "**/*.db", "**/*.key"] {
        assert!(lines.iter().rposition(|line| *line == secret) > lines.iter().rposition(|line| line.starts_with('!')));
    }
}

/// The action builds from source, and caches the program by the hash of the source.
#[test]
fn the_action_hashes_all_sources_of_the_program() {
    let action = read("action.yml");
    let manifest = read("Cargo.toml");
    let (_, rest) = manifest.split_once("[workspace.dependencies]").unwrap();
    let crates = rest.split("\n[").next().unwrap();
    let paths = crates.lines().filter_map(|line| line.split_once("path = \"")?.1.split('"').next());
    for path in paths.filter(|path| *path != ".").chain(["Cargo.lock", "cli", "src"]) {
        assert!(action.contains(&format!(" {path} ")), "the action does not hash {path}");
    }
}

/// Run as by the container engine, beside a service that listens on all addresses.
#[test]
fn the_health_check_succeeds_only_while_the_service_works() {
    let service = Service::start(&["hub"], &[]);
    let (_, port) = service.url.rsplit_once(':').unwrap();
    let check = || {
        Command::new(PROGRAM)
            .arg("health")
            .env_clear()
            .env("SERVER_HOST", "0.0.0.0")
            .env("SERVER_PORT", port)
            .output()
            .unwrap()
    };
    let said = check();
    assert_eq!((said.status.code(), String::from_utf8_lossy(&said.stdout).trim()), (Some(0), "the hub works"));
    let port = port.to_owned();
    drop(service);
    let said = Command::new(PROGRAM).arg("health").env_clear().env("SERVER_PORT", port).output().unwrap();
    assert_eq!(said.status.code(), Some(1));
}
