//! The table of what each check must report.

use std::{collections::BTreeMap, fmt};

use easytier_probe::{CheckReport, FailureCode, Scheme, Status};
use serde::Deserialize;

use crate::cell::{Cell, Mode, Role, Session, Version};

/// `expectations.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    outcomes: BTreeMap<String, Outcome>,
    rule: Vec<Rule>,
    missing: Vec<Missing>,
}

/// What the check of a cell must report.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// Decides how much time the check may take.
    pub must: &'a Outcome,
    pub or: Option<Alternative<'a>>,
}

/// Another report that is right as well, because the node does one or the other.
#[derive(Debug, Clone, Copy)]
pub struct Alternative<'a> {
    outcome: &'a Outcome,
    pub why: &'a str,
}

/// What a check reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    pub status: Status,
    pub code: Option<FailureCode>,
    #[serde(default)]
    pub shows: Shows,
    /// Whether the check may take all of its time although it does not fail by its timeout.
    #[serde(default)]
    silent: bool,
}

/// What a report tells of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Shows {
    #[default]
    #[serde(rename = "nothing")]
    Nothing,
    #[serde(rename = "as a guest")]
    AsGuest,
    #[serde(rename = "perhaps as a guest")]
    PerhapsAsGuest,
    #[serde(rename = "as a member")]
    AsMember,
}

/// The outcome of the cells that match.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    version: Option<Values<Version>>,
    mode: Option<Values<Mode>>,
    role: Option<Values<Role>>,
    transport: Option<Values<Scheme>>,
    session: Option<Values<Session>>,
    must: String,
    or: Option<Or>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Or {
    must: String,
    why: String,
}

/// Nodes that do not exist.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Missing {
    version: Values<Version>,
    mode: Values<Mode>,
    why: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values<T> {
    One(T),
    Several(Vec<T>),
}

impl Expectations {
    pub fn read() -> Self {
        toml::from_str(include_str!("expectations.toml")).expect("expectations.toml is valid")
    }

    /// Why there is no such node; `None` if there is one.
    pub fn why_missing(&self, version: Version, mode: Mode) -> Option<&str> {
        let missing = self.missing.iter().find(|missing| missing.version.has(version) && missing.mode.has(mode));
        missing.map(|missing| missing.why.as_str())
    }

    /// What the check of `cell` must report.
    pub fn of(&self, cell: &Cell) -> Result<Expectation<'_>, String> {
        let rule = &self.rule[self.rule_of(cell)?];
        let outcome = |must| self.outcomes.get(must).ok_or_else(|| format!("{cell}: there is no outcome '{must}'"));
        let or = rule.or.as_ref().map(|or| Ok::<_, String>(Alternative { outcome: outcome(&or.must)?, why: &or.why }));
        Ok(Expectation { must: outcome(&rule.must)?, or: or.transpose()? })
    }

    /// The position of the rule that decides.
    pub fn rule_of(&self, cell: &Cell) -> Result<usize, String> {
        let precision = |position: &usize| self.rule[*position].precision(cell);
        let matching = || (0..self.rule.len()).filter(|position| precision(position).is_some());
        let best = matching().max_by_key(precision).ok_or_else(|| format!("{cell}: no expectation"))?;
        match matching().filter(|position| precision(position) == precision(&best)).count() {
            1 => Ok(best),
            several => Err(format!("{cell}: {several} rules are equally precise")),
        }
    }

    pub fn rules(&self) -> usize {
        self.rule.len()
    }
}

impl Rule {
    /// How many dimensions the rule names; `None` if it does not match.
    fn precision(&self, cell: &Cell) -> Option<usize> {
        let named = [
            self.version.as_ref().map(|values| values.has(cell.version)),
            self.mode.as_ref().map(|values| values.has(cell.mode)),
            self.role.as_ref().map(|values| values.has(cell.role)),
            self.transport.as_ref().map(|values| values.has(cell.transport)),
            self.session.as_ref().map(|values| values.has(cell.session)),
        ];
        let named: Vec<bool> = named.into_iter().flatten().collect();
        named.iter().all(|matches| *matches).then_some(named.len())
    }
}

impl<T: PartialEq> Values<T> {
    fn has(&self, value: T) -> bool {
        match self {
            Self::One(one) => *one == value,
            Self::Several(several) => several.contains(&value),
        }
    }
}

impl Expectation<'_> {
    /// How `report` about a node of `version` with the name `hostname` differs; `None` if it does not.
    pub fn difference(&self, report: &CheckReport, version: Version, hostname: &str) -> Option<String> {
        let alternatives = std::iter::once(self.must).chain(self.or.map(|or| or.outcome));
        let differences: Option<Vec<_>> = alternatives.map(|one| one.difference(report, version, hostname)).collect();
        differences.and_then(|found| found.into_iter().next())
    }
}

impl Outcome {
    /// Whether the check ends by its timeout.
    pub fn is_timeout(&self) -> bool {
        self.code.is_some_and(|code| code.as_str().ends_with("_timeout"))
    }

    /// Whether the check must end long before its timeout.
    pub fn is_prompt(&self) -> bool {
        !self.is_timeout() && !self.silent
    }

    fn difference(&self, report: &CheckReport, version: Version, hostname: &str) -> Option<String> {
        let result = &report.result;
        let verdict = (result.status, result.error) == (self.status, self.code);
        let shown = self.shows.matches(report, version, hostname);
        (!verdict || !shown).then(|| {
            let code = result.error.map(|code| format!(" {code}")).unwrap_or_default();
            let message = result.message.as_ref().map(|message| format!(" ({message})")).unwrap_or_default();
            let (seen, name, networks) = (&result.version, &result.hostname, result.network_count);
            format!("{:?}{code}{message}, version {seen:?}, host name {name:?}, networks {networks:?}", result.status)
        })
    }
}

impl Shows {
    fn matches(self, report: &CheckReport, version: Version, hostname: &str) -> bool {
        let result = &report.result;
        let shown = (result.version.as_deref(), result.hostname.as_deref(), result.network_count.is_some());
        let is_version =
            |seen: &str| seen.strip_prefix(&version.to_string()).is_some_and(|rest| !rest.starts_with('.'));
        match (self, shown) {
            (Self::Nothing | Self::PerhapsAsGuest, (None, None, false)) => true,
            (Self::AsGuest | Self::PerhapsAsGuest, (Some(seen), Some(name), false)) => {
                is_version(seen) && name.strip_prefix("PublicServer_") == Some(hostname)
            }
            (Self::AsMember, (Some(seen), Some(name), true)) => is_version(seen) && name == hostname,
            _ => false,
        }
    }
}

/// As the page says it.
impl fmt::Display for Expectation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.must)?;
        self.or.map_or(Ok(()), |or| write!(f, ", or {}: {}", or.outcome, or.why))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.status)?;
        if let Some(code) = self.code {
            write!(f, " `{code}`")?;
        }
        f.write_str(match self.shows {
            Shows::Nothing | Shows::PerhapsAsGuest => "",
            Shows::AsGuest => ", version, `PublicServer_…`",
            Shows::AsMember => ", version, host name, networks",
        })
    }
}
