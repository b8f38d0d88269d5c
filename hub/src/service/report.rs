//! The report of a month: each node and each tag against a target.

use std::{
    collections::{BTreeMap, HashMap},
    io,
};

use easytier_probe::peer_list::as_text;
use easytier_uptime_store::domain::{Month, MonthFigures, Node, PeerId, Timestamp};

/// The target when the reader chooses none, in percent.
pub const DEFAULT_TARGET: Target = Target(99.0);

/// The availability that a node should have, in percent from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target(f64);

impl Target {
    /// The target of so many percent; `None` for what is no percentage.
    pub fn new(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then_some(Self(percent))
    }

    /// In percent.
    pub fn percent(self) -> f64 {
        self.0
    }

    /// Whether the figures reach it, outside maintenance; `None` without a verdict.
    pub fn is_met(self, figures: &MonthFigures) -> Option<bool> {
        figures.uptime.percentage().map(|percentage| percentage >= self.0)
    }
}

/// The month of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The node.
    pub id: PeerId,
    /// Its name.
    pub name: String,
    /// Its tags, in their order.
    pub tags: Vec<String>,
    /// Its figures.
    pub figures: MonthFigures,
    /// Whether it reaches the target; `None` without a verdict.
    pub is_met: Option<bool>,
}

/// The month of several nodes together: each counts by the time for which it had a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Group {
    /// How many nodes it has.
    pub nodes: u64,
    /// How many of them reach the target.
    pub met: u64,
    /// How many had no verdict outside maintenance.
    pub unknown: u64,
    /// The sums over the nodes.
    pub figures: MonthFigures,
}

impl Group {
    fn add(&mut self, line: &Line) {
        self.nodes += 1;
        self.met += u64::from(line.is_met == Some(true));
        self.unknown += u64::from(line.is_met.is_none());
        self.figures += line.figures;
    }
}

/// The report of a month.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The month, in UTC.
    pub month: Month,
    /// Until when it is reported: its end, or now.
    pub until: Timestamp,
    /// Since when the outages are complete, if that is after the beginning of the month.
    pub outages_since: Option<Timestamp>,
    /// What nodes should reach.
    pub target: Target,
    /// All nodes of the report together.
    pub total: Group,
    /// The nodes with each tag; a node with several tags is in several groups.
    pub tags: BTreeMap<String, Group>,
    /// The nodes, the least available first and those without a verdict last.
    pub lines: Vec<Line>,
}

impl Report {
    /// The report of nodes that have a `tag`, or of all `nodes`.
    pub fn new<'a>(
        (month, until, outages_since): (Month, Timestamp, Timestamp),
        nodes: impl Iterator<Item = &'a Node>,
        figures: &HashMap<PeerId, MonthFigures>,
        tag: Option<&str>,
        target: Target,
    ) -> Self {
        let is_chosen = |node: &&Node| tag.is_none_or(|tag| node.tags.iter().any(|known| known.as_str() == tag));
        let line = |node: &Node| {
            let figures = figures.get(&node.id).copied().unwrap_or_default();
            let (name, tags) = (node.name.clone(), node.tags.iter().map(ToString::to_string).collect());
            Line { id: node.id, name, tags, figures, is_met: target.is_met(&figures) }
        };
        let mut lines: Vec<Line> = nodes.filter(is_chosen).map(line).collect();
        let share = |line: &Line| line.figures.uptime.percentage().unwrap_or(f64::INFINITY);
        lines.sort_by(|a, b| share(a).total_cmp(&share(b)).then_with(|| a.name.cmp(&b.name)).then(a.id.cmp(&b.id)));
        let (mut total, mut tags) = (Group::default(), BTreeMap::<String, Group>::new());
        for line in &lines {
            total.add(line);
            for tag in &line.tags {
                tags.entry(tag.clone()).or_default().add(line);
            }
        }
        let outages_since = Some(outages_since).filter(|since| *since > month.begins_at());
        Self { month, until, outages_since, target, total, tags, lines }
    }

    /// The nodes as a table: times in seconds, shares in percent. No cell begins a formula.
    ///
    /// # Errors
    ///
    /// Never in practice: the table is written to memory.
    pub fn csv(&self) -> io::Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record([
            "month",
            "id",
            "name",
            "tags",
            "availability",
            "availability_with_maintenance",
            "target",
            "target_met",
            "up_seconds",
            "partial_seconds",
            "down_seconds",
            "maintenance_seconds",
            "outages",
            "longest_outage_seconds",
            "mean_time_to_recover_seconds",
        ])?;
        let month = self.month.to_string();
        let target = self.target.percent().to_string();
        for Line { id, name, tags, figures: MonthFigures { uptime, outages }, is_met } in &self.lines {
            let share = |percent: Option<f64>| percent.map(|percent| exact(percent).to_string()).unwrap_or_default();
            let seconds = |time: std::time::Duration| time.as_secs().to_string();
            writer.write_record([
                month.clone(),
                id.to_string(),
                as_text(name),
                as_text(&tags.join(",")),
                share(uptime.percentage()),
                share(uptime.percentage_with_maintenance()),
                target.clone(),
                is_met.map(|met| met.to_string()).unwrap_or_default(),
                seconds(uptime.counted.up),
                seconds(uptime.counted.partial),
                seconds(uptime.counted.down),
                seconds(uptime.maintenance.known()),
                outages.number.to_string(),
                seconds(outages.longest),
                outages.mean_time_to_recover().map(seconds).unwrap_or_default(),
            ])?;
        }
        writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
    }
}

/// A percentage with four digits after the point, cut so that it never becomes 100 or reaches a target by rounding.
pub fn exact(percent: f64) -> f64 {
    (percent * 10_000.0).floor() / 10_000.0
}
