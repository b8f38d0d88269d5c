//! README and docs: their commands, flags, variables and log messages exist, and the described move from standalone to
//! regions works.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use easytier_probe::Scheme;
use easytier_uptime_config::Setting;

use crate::{
    compose::node::NodeOptions,
    program::{PROGRAM, Usage, assert_command, flags_of},
    read, root,
    services::{Service, wait_until},
};

/// Pages with settings and commands.
const PAGES: [&str; 7] = [
    "docs/check-and-once.md",
    "docs/database.md",
    "docs/distributed.md",
    "docs/high-availability.md",
    "docs/install.md",
    "docs/zh/distributed.md",
    "docs/zh/high-availability.md",
];

/// Pages with commands and without settings.
const OF_COMMANDS: [&str; 10] = [
    "README.md",
    "README.zh.md",
    "docs/alerts.md",
    "docs/kubernetes.md",
    "docs/lists.md",
    "docs/maintenance.md",
    "docs/manager.md",
    "docs/subscriptions.md",
    "docs/upgrading.md",
    "docs/zh/alerts.md",
];

/// Pages with settings and without commands.
const OF_SETTINGS: [&str; 2] = ["docs/checks.md", "docs/configuration.md"];

/// Variables that are not settings.
const OTHERS: [&str; 2] = ["NETWORK_SECRET", "NEW_HUB_KEY"];

/// The lines of fenced blocks, with continued lines joined.
fn commands(page: &str) -> Vec<String> {
    let text = read(page).replace("\\\n", " ");
    let blocks = text.split("\n```").skip(1).step_by(2);
    // The first line is the language.
    blocks.flat_map(|block| block.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Code in running text.
fn spans(text: &str) -> Vec<&str> {
    text.split("\n```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
}

/// The arguments of the program in a line of shell, once for each invocation.
fn invocations(line: &str) -> Vec<Vec<&str>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_program = |word: &str| {
        let word = word.trim_start_matches("$(");
        word == "easytier-uptime" || word.starts_with("easytier-uptime:")
    };
    let starts = words.iter().enumerate().filter(|(at, word)| {
        // Not the name of an image, a package to build or a release of helm, nor a message with a version.
        let is_command = words.get(at + 1).is_none_or(|next| !next.starts_with('…'));
        is_command
            && is_program(word)
            && at.checked_sub(1).is_none_or(|before| !["--tag", "-p", "install", "upgrade"].contains(&words[before]))
    });
    let ends = |word: &&&str| !(["|", "#", ">", "2>>", "&&", "&"].contains(word) || word.starts_with('#'));
    starts
        .map(|(at, _)| words[at + 1..].iter().take_while(ends).map(|word| word.trim_end_matches(')')).collect())
        .collect()
}

#[test]
fn every_command_exists() {
    for page in PAGES.into_iter().chain(OF_COMMANDS) {
        let text = read(page);
        let lines = commands(page);
        let lines = lines.iter().map(String::as_str).chain(spans(&text));
        let found: Vec<Vec<&str>> = lines.flat_map(invocations).collect();
        assert!(found.len() >= 4, "{page}: {found:?}");
        for words in found {
            assert_command(&words);
        }
    }
}

/// Code such as `hub peer export`, and `--fail-on any|all|never`.
#[test]
fn every_flag_and_command_in_the_text_exists() {
    let mut flags = BTreeSet::new();
    let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(command) = waiting.pop() {
        let usage = Usage::of(&command.iter().map(String::as_str).collect::<Vec<_>>());
        waiting.extend(
            usage
                .commands
                .iter()
                .filter(|name| *name != "help")
                .map(|name| [&command[..], std::slice::from_ref(name)].concat()),
        );
        flags.extend(usage.into_flags());
    }
    let top = Usage::of(&[]);
    for page in PAGES.into_iter().chain(OF_COMMANDS) {
        for span in spans(&read(page)) {
            let words: Vec<&str> = span.split_whitespace().collect();
            if words.first().is_some_and(|word| top.commands.contains(*word)) {
                assert_command(&words);
            } else if span.starts_with("--") {
                flags_of(span).iter().for_each(|flag| assert!(flags.contains(flag), "{page}: no command takes {flag}"));
            }
        }
    }
}

#[test]
fn every_variable_is_a_setting() {
    for page in PAGES.into_iter().chain(OF_SETTINGS) {
        let text = read(page);
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let is_variable = |word: &&str| {
            word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        };
        let variables: BTreeSet<&str> = words.filter(is_variable).collect();
        assert!(!variables.is_empty(), "{page}");
        for name in variables {
            assert!(Setting::named(name).is_some() || OTHERS.contains(&name), "{page}: there is no setting {name}");
        }
    }
}

/// All pages, by their paths in the repository.
fn all_pages() -> BTreeSet<String> {
    let markdown = |folder: &str| -> Vec<String> {
        let names = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".md"));
        names.map(|name| Path::new(folder).join(name).to_str().unwrap().to_owned()).collect()
    };
    ["", "docs", "docs/zh"].into_iter().flat_map(markdown).collect()
}

/// The links of a page, in Markdown and in HTML, and the files that they lead to, without those to other sites.
fn links(page: &str) -> Vec<(String, PathBuf)> {
    let text = read(page);
    let folder = Path::new(page).parent().unwrap();
    let prose: String = text.split("\n```").step_by(2).collect();
    let mut found = Vec::new();
    for (before, after) in [("](", ')'), (" src=\"", '"'), (" srcset=\"", '"')] {
        let rest = prose.split(before).skip(1);
        found.extend(rest.map(|rest| rest.split(after).next().unwrap().to_owned()));
    }
    found.retain(|link| !link.contains("://") && !link.starts_with("mailto:"));
    let target = |link: &str| match link.split('#').next().unwrap() {
        "" => PathBuf::from(page),
        file => folder.join(file),
    };
    found.into_iter().map(|link| (link.clone(), target(&link))).collect()
}

#[test]
fn every_link_has_a_target() {
    let mut found = 0;
    for page in all_pages() {
        for (link, target) in links(&page) {
            found += 1;
            assert!(root().join(&target).exists(), "{page}: {link}");
            if let Some((_, heading)) = link.split_once('#') {
                let text = fs::read_to_string(root().join(&target)).unwrap();
                let headings = text.lines().filter(|line| line.starts_with('#')).map(anchor);
                assert!(headings.into_iter().any(|anchor| anchor == heading), "{page}: {link}");
            }
        }
    }
    assert!(found > 300, "{found}");
}

#[test]
fn the_site_has_each_page_of_the_docs_once() {
    let on_site =
        links("docs/SUMMARY.md").into_iter().map(|(_, target)| fs::canonicalize(root().join(target)).unwrap());
    let mut on_site: Vec<PathBuf> = on_site.collect();
    on_site.sort();
    let others = ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/SUMMARY.md"];
    let pages = all_pages().into_iter().filter(|page| !others.contains(&page.as_str()));
    let mut pages: Vec<PathBuf> = pages.map(|page| fs::canonicalize(root().join(page)).unwrap()).collect();
    pages.sort();
    assert_eq!(on_site, pages);
}

/// The anchor that GitHub generates for a heading.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Each row of a table in docs/security.md that ends with the column "shown by" names tests as `file: function`.
#[test]
fn every_test_that_the_page_on_security_names_exists() {
    let text = read("docs/security.md");
    let tables =
        text.split("\n\n").filter(|part| part.lines().next().is_some_and(|head| head.ends_with("| shown by |")));
    let rows: Vec<&str> = tables.flat_map(|table| table.lines().skip(2)).collect();
    assert!(rows.len() > 20, "{rows:?}");
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let tests = spans(tests);
        assert!(!tests.is_empty(), "no test shows: {row}");
        for test in tests {
            let (file, name) = test.split_once(": ").unwrap_or_else(|| panic!("not 'file: function': {test}"));
            let source = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(source.contains(&format!("fn {name}(")), "{file} has no {name}");
        }
    }
}

/// All of our own source code, with string literals that span lines joined.
fn sources() -> String {
    let mut text = String::new();
    let mut waiting: Vec<PathBuf> =
        ["src", "config/src", "store/src", "monitor/src", "hub/src", "scheduler/src", "cli/src"]
            .map(|folder| root().join(folder))
            .into();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            text += &fs::read_to_string(path).unwrap();
        }
    }
    let mut joined = String::new();
    for line in text.lines() {
        match line.strip_suffix('\\') {
            Some(goes_on) if joined.ends_with('\u{0}') => {
                joined.pop();
                joined += goes_on.trim_start();
                joined.push('\u{0}');
            }
            Some(goes_on) => {
                joined += goes_on;
                joined.push('\u{0}');
            }
            None if joined.ends_with('\u{0}') => {
                joined.pop();
                joined += line.trim_start();
                joined.push('\n');
            }
            None => {
                joined += line;
                joined.push('\n');
            }
        }
    }
    joined
}

#[test]
fn quoted_log_messages_are_in_the_source_code() {
    let sources = sources();
    let tables = [
        ("docs/distributed.md", "\n## Troubleshooting\n"),
        ("docs/database.md", "\n## Messages\n"),
        ("docs/high-availability.md", "\n## Messages\n"),
        ("docs/zh/distributed.md", "\n## 故障排查\n"),
        ("docs/zh/high-availability.md", "\n## 日志信息\n"),
    ];
    let tables = tables.map(|(page, heading)| read(page).split_once(heading).unwrap().1.to_owned());
    let rows = tables.iter().flat_map(|table| table.lines()).filter(|line| line.starts_with("| "));
    let symptoms: Vec<String> = rows.map(|line| line.split(" | ").take(2).collect()).collect();
    let messages = symptoms.iter().flat_map(|cells| spans(cells)).filter(|span| span.contains(' '));
    let mut found = 0;
    for message in messages.filter(|message| !message.contains("files")) {
        // `…` in a quotation stands for a part of the same literal.
        let has_all = |line: &str| {
            let mut rest = line;
            message.split('…').map(str::trim).all(|part| match rest.split_once(part) {
                Some((_, after)) => {
                    rest = after;
                    true
                }
                None => false,
            })
        };
        assert!(sources.lines().any(has_all), "no source file contains '{message}'");
        found += 1;
    }
    assert!(found > 60, "{found}");
}

/// The number of checks of a node, from a service's API.
fn checks(service: &Service, id: i64) -> u64 {
    service.get(&format!("/api/nodes/{id}/health/stats?hours=24"), "")["data"]["total_checks"].as_u64().unwrap_or(0)
}

#[test]
fn a_standalone_becomes_a_probe_and_keeps_its_history() {
    let node = NodeOptions::listening_on(&[Scheme::Tcp]).start(PROGRAM);
    let address = node.url(Scheme::Tcp).to_string();
    let often = ("HEALTH_CHECK_INTERVAL", "1s");
    let standalone = Service::start(&[], &[often]);
    standalone.command(&["hub", "peer", "add", &address, "--name", "moves"]);
    standalone.command(&["hub", "peer", "add", "tcp://127.0.0.1:1", "--name", "stays"]);
    wait_until("the standalone has checked both", || (1..=2).all(|id| checks(&standalone, id) >= 2));
    let before = [1, 2].map(|id| checks(&standalone, id));

    // Another peer comes first at the hub, so that the ids differ.
    let hub = Service::start(&["hub"], &[]);
    hub.command(&["hub", "peer", "add", "tcp://127.0.0.1:2", "--name", "first"]);
    let peers = standalone.folder.path().join("peers.json");
    standalone.command(&["hub", "peer", "export", "--with-secrets", "--output", peers.to_str().unwrap()]);
    let exported = fs::read_to_string(&peers).unwrap();
    let mut exported: Vec<serde_json::Value> = serde_json::from_str(&exported).unwrap();
    exported.retain(|peer| peer["name"] == "moves");
    fs::write(&peers, serde_json::to_string(&exported).unwrap()).unwrap();
    hub.command(&["hub", "peer", "import", peers.to_str().unwrap()]);

    let token = hub.command(&["hub", "token", "create", "--name", "probe-eu", "--region", "eu"]);
    let folder = standalone.stop();
    let settings = [
        ("BACKEND_BASE_URL", hub.url.as_str()),
        ("NODE_TOKEN", &token),
        ("ALLOW_LOCAL_PEERS", "true"),
        often,
        ("STATUS_REPORT_INTERVAL", "1s"),
    ];
    let probe = Service::start_in(folder, &["daemon"], &settings);
    wait_until("its history goes on under the same id", || checks(&probe, 1) > before[0] + 1);
    wait_until("the hub has it under its own id", || checks(&hub, 2) > 0);
    assert!(checks(&hub, 2) <= checks(&probe, 1) - before[0], "the hub got results from before the move");
    let names = |service: &Service| -> Vec<String> {
        let items = service.get("/api/nodes", "")["data"]["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    // Peers that the hub does not list are gone, and the hub's other peer is new.
    assert_eq!(names(&probe), ["moves", "first"]);
}
