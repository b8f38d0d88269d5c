//! The image: the Dockerfile, the files that are sent to its build, and a hub that runs in it.

use std::{process::Command, time::Duration};

use serde_json::Value;

use crate::{
    assert_contains,
    program::{PROGRAM, assert_command, assert_setting, default_port},
    read, root,
    services::Service,
    tool::{assert_silent, linter, output},
    verify::with_tls,
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

/// The arguments of the last instruction with this name in the first stage, on which the images are based.
fn last(name: &str) -> String {
    let all = instructions();
    let stages = all.iter().enumerate().filter(|(_, (name, _))| name == "FROM").map(|(at, _)| at).collect::<Vec<_>>();
    let of_base = &all[..stages[1]];
    of_base.iter().rfind(|(other, _)| other == name).unwrap_or_else(|| panic!("no {name}")).1.clone()
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
    let version = env!("CARGO_PKG_VERSION");
    assert_contains(&last("LABEL"), &[&format!("org.opencontainers.image.version=\"{version}\"")]);
}

/// The program of this build is not static. So it and its libraries are mounted into the image, which is otherwise the one that
/// the Dockerfile makes.
#[test]
fn a_hub_in_the_image_runs_as_its_user_and_writes_only_to_its_volume() {
    let output = output(Command::new(root().join("tools/image")).args(["--check", PROGRAM]));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let (config, rest) = said.split_once('\n').unwrap();
    let config: Value = serde_json::from_str(config).unwrap();
    assert_eq!((&config["User"], &config["Entrypoint"][0]), (&"65532:65532".into(), &"easytier-uptime".into()));
    assert_eq!(config["Healthcheck"], serde_json::json!(["CMD", "easytier-uptime", "health"]));
    assert_eq!(
        rest,
        "in a folder of another user:\n\
         error: cannot use the database '/var/lib/easytier-uptime/uptime.db': Permission denied (os error 13). The user of \
         this process (number 65532) must be able to write to the database and its folder\n\
         in its own folder:\n\
         the hub works\n\
         uptime.db of 65532\n\
         uptime.db.key of 65532\n\
         uptime.db.lock of 65532\n\
         nothing else was written\n"
    );
}

/// Containers of other images, and small systems.
#[tokio::test(flavor = "multi_thread")]
async fn without_certificates_of_the_system_those_of_the_program_are_used() {
    let hub = Service::start(&["hub"], &[]);
    let url = with_tls(&hub, Duration::from_secs(3600), &hub.folder.path().join("certificate.pem")).await;
    let said_with = |variables: &[(&str, &str)]| {
        let mut program = Command::new("unshare");
        program.args(["--mount", "--", "sh", "-c", "mount -t tmpfs none /etc/ssl && exec \"$@\"", "sh", PROGRAM]);
        program.args(["once", "--peers", &url]).env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
        String::from_utf8(output(program.envs(variables.iter().copied())).stderr).unwrap()
    };
    let (without, named) =
        tokio::task::block_in_place(|| (said_with(&[]), said_with(&[("SSL_CERT_FILE", "/nonexistent")])));
    assert_contains(&without, &["invalid peer certificate"]);
    // Who names some trusts no others.
    assert_contains(&named, &["No CA certificates were loaded"]);
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

#[test]
fn the_image_is_built_by_the_compiler_of_the_workspace_and_contains_no_system() {
    let bases: Vec<String> =
        instructions().into_iter().filter(|(name, _)| name == "FROM").map(|(_, base)| base).collect();
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    let build = format!("rust:{version}-slim-bookworm AS build");
    assert_eq!(bases, ["scratch AS base", "base AS release", &build, "base"]);
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
