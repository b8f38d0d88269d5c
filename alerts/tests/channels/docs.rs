//! The tables in docs/alerts.md are those of the code.

use std::{fs, path::Path};

use easytier_uptime_alerts::{ChannelKind, Field, Format, Guarantee};

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/alerts.md")).unwrap()
}

fn row(field: &Field) -> String {
    let notes: Vec<&str> =
        [(field.required, "required"), (field.secret, "secret"), (field.format == Format::Lines, "several lines")]
            .into_iter()
            .filter_map(|(holds, note)| holds.then_some(note))
            .collect();
    format!("| `--{}` | {} | {} |", field.name.replace('_', "-"), field.english, notes.join(", "))
}

/// The table of a kind, as the page has it below its heading.
fn table(kind: ChannelKind) -> String {
    let rows: Vec<String> = kind.fields().iter().map(row).collect();
    let repeats = match kind.guarantee() {
        Guarantee::AtLeastOnce => "at least once",
        Guarantee::AtMostOnce => "at most once",
    };
    format!("Sent {repeats}.\n\n| setting | what it is | |\n|---|---|---|\n{}\n", rows.join("\n"))
}

/// The part of the page below the heading of a kind.
fn section(page: &str, kind: ChannelKind) -> String {
    let heading = format!("\n### `{}`", kind.name());
    let start = page.find(&heading).unwrap_or_else(|| panic!("docs/alerts.md has no heading {heading}"));
    let rest = &page[start + 1..];
    rest[..rest.find("\n### ").or_else(|| rest.find("\n## ")).unwrap_or(rest.len())].to_owned()
}

#[test]
fn the_page_has_the_settings_of_every_kind() {
    let page = page();
    for kind in ChannelKind::ALL {
        let (section, table) = (section(&page, kind), table(kind));
        assert!(section.contains(&table), "docs/alerts.md has not this table for {}:\n{table}", kind.name());
    }
}

#[test]
fn the_page_has_an_example_for_every_kind_with_settings_that_exist() {
    let page = page();
    for kind in ChannelKind::ALL {
        let section = section(&page, kind);
        let example = section.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
        let given: Vec<&str> = example.split_whitespace().filter_map(|word| word.strip_prefix("--")).collect();
        for name in &given {
            let known = kind.fields().iter().any(|field| field.name.replace('_', "-") == *name);
            assert!(known, "{}: --{name}", kind.name());
        }
        for field in kind.fields().iter().filter(|field| field.required) {
            assert!(given.contains(&field.name.replace('_', "-").as_str()), "{}: no --{}", kind.name(), field.name);
        }
    }
}
