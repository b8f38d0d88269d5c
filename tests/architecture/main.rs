//! The rules of ARCHITECTURE.md: dependencies between crates, imports between modules, and the maximum file length.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod crates;
mod modules;
mod sources;

use std::{fs, path::PathBuf};

use self::{crates::Workspace, modules::Crate};

/// The repository's folder.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn assert_none(findings: &[String], rule: &str) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// The crates that each crate of the workspace may depend on, except in tests and benches.
const CRATES: [(&str, &[&str]); 10] = [
    ("easytier-probe", &[]),
    ("easytier-uptime-alerts", &["easytier-probe"]),
    ("easytier-uptime-config", &["easytier-probe"]),
    ("easytier-uptime-store", &["easytier-probe"]),
    ("easytier-uptime-telemetry", &["easytier-probe"]),
    ("easytier-uptime-monitor", &["easytier-probe", "easytier-uptime-store", "easytier-uptime-telemetry"]),
    (
        "easytier-uptime-scheduler",
        &["easytier-probe", "easytier-uptime-config", "easytier-uptime-monitor", "easytier-uptime-store"],
    ),
    (
        "easytier-uptime-hub",
        &[
            "easytier-probe",
            "easytier-uptime-alerts",
            "easytier-uptime-config",
            "easytier-uptime-monitor",
            "easytier-uptime-store",
        ],
    ),
    ("easytier-uptime-lambda", &["easytier-probe", "easytier-uptime-config"]),
    (
        "easytier-uptime",
        &[
            "easytier-probe",
            "easytier-uptime-alerts",
            "easytier-uptime-config",
            "easytier-uptime-hub",
            "easytier-uptime-monitor",
            "easytier-uptime-scheduler",
            "easytier-uptime-store",
            "easytier-uptime-telemetry",
        ],
    ),
];

/// Third-party crates, and the only crates of the workspace that may use them.
const PLACES: [(&str, &[&str]); 8] = [
    // Only for real nodes: the library implements the protocol itself.
    ("easytier", &["easytier-uptime"]),
    ("sqlx", &["easytier-uptime-store"]),
    // A daemon that watches nodes has no passwords.
    ("argon2", &["easytier-uptime-hub"]),
    ("aws-config", &["easytier-uptime-lambda"]),
    ("clap", &["easytier-uptime", "easytier-uptime-config"]),
    ("lettre", &["easytier-uptime-alerts"]),
    ("minijinja", &["easytier-uptime-alerts"]),
    ("opentelemetry", &["easytier-uptime-telemetry"]),
];

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let workspace = Workspace::load();
    let names: Vec<&str> = workspace.packages().collect();
    let mut findings: Vec<String> = CRATES
        .iter()
        .filter(|(name, _)| !names.contains(name))
        .map(|(name, _)| format!("there is no crate {name}"))
        .collect();
    for name in &names {
        let Some((_, allowed)) = CRATES.iter().find(|(of, _)| of == name) else {
            findings.push(format!("{name} has no rule in this test"));
            continue;
        };
        let dependencies = workspace.dependencies(name).filter(|dependency| names.contains(dependency));
        findings.extend(
            dependencies.filter(|other| !allowed.contains(other)).map(|other| format!("{name} depends on {other}")),
        );
    }
    assert_none(&findings, "dependencies between crates that ARCHITECTURE.md does not draw");
}

#[test]
fn dependencies_stay_in_the_crates_that_need_them() {
    let workspace = Workspace::load();
    let mut findings = Vec::new();
    for name in workspace.packages() {
        for dependency in workspace.dependencies(name) {
            let place = PLACES.iter().find(|(of, _)| *of == dependency);
            if place.is_some_and(|(_, allowed)| !allowed.contains(&name)) {
                findings.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    assert_none(&findings, "dependencies in the wrong crate");
}

/// The folder of a crate, a module of it ("" for the whole crate), and the paths that the module must not use.
const FORBIDDEN: [(&str, &str, &[&str]); 10] = [
    ("", "", &["std::env", "dotenvy", "easytier"]),
    ("alerts", "channel", &["crate::send", "tokio"]),
    ("alerts", "layout", &["crate::channel", "crate::send"]),
    ("store", "domain", &["sqlx", "crate::consensus", "crate::ring", "crate::store"]),
    ("store", "consensus", &["sqlx", "crate::store"]),
    ("store", "ring", &["sqlx", "crate::store"]),
    ("hub", "service", &["crate::web", "crate::api", "crate::pages"]),
    ("hub", "web", &["crate::api", "crate::pages"]),
    ("hub", "api", &["crate::pages"]),
    ("hub", "pages", &["crate::api"]),
];

/// What a module may use although it is forbidden to its crate. OpenSSL's variables say which certificates are trusted: rustls reads
/// them, and `tls` has to know whether they are set.
const PERMITTED: [&str; 1] = ["src: tls uses std::env"];

#[test]
fn modules_import_only_what_lies_below_them() {
    let mut findings = Vec::new();
    for (folder, module, forbidden) in FORBIDDEN {
        for krate in Crate::all_in(&root().join(folder)) {
            if !module.is_empty() && !krate.has(module) {
                findings.push(format!("{folder}: there is no module {module}"));
            }
            findings.extend(krate.uses(module, forbidden));
        }
    }
    findings.retain(|finding| !PERMITTED.contains(&finding.as_str()));
    assert_none(&findings, "imports that point upwards");
}

#[test]
fn only_the_router_knows_both_the_api_and_the_pages() {
    let mut findings = Vec::new();
    for krate in Crate::all_in(&root().join("hub")) {
        for module in krate.children("").filter(|module| !["api", "pages", "router"].contains(&module.as_str())) {
            findings.extend(krate.uses(&module, &["crate::api", "crate::pages"]));
        }
    }
    assert_none(&findings, "imports of the hub's API or pages outside its router");
}

#[test]
fn sibling_modules_do_not_import_each_other() {
    let mut findings = Vec::new();
    for folder in Workspace::load().folders() {
        for krate in Crate::all_in(&folder) {
            findings.extend(krate.cycles());
        }
    }
    assert_none(&findings, "sibling modules that import each other, directly or in a cycle");
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    const LONGEST: usize = 500;
    // CloudFormation wants it in one file.
    let template = root().join("template.yaml");
    let mut findings = Vec::new();
    for file in sources::outside_tests(&root()).into_iter().filter(|file| *file != template) {
        let lines = fs::read_to_string(&file).map(|text| text.lines().count()).unwrap_or_default();
        if lines > LONGEST {
            findings.push(format!("{}: {lines} lines", file.strip_prefix(root()).unwrap().display()));
        }
    }
    assert_none(&findings, "files that are too long");
}
