//! What is on the map of a board: instances and regions, with their labels, states and positions.

use std::collections::{BTreeMap, BTreeSet};

use easytier_uptime_store::domain::{Doubt, Presence, Probe, Region, Role, Verdict};

use super::{
    super::language::{Language, Texts},
    Kind, Mark, label, located,
    position::Position,
};
use crate::board::{Seat, Sight, Snapshot};

/// What is on the map.
pub struct Picture<'a> {
    pub instances: Vec<Instance<'a>>,
    pub regions: Vec<Spot<'a>>,
}

impl<'a> Picture<'a> {
    pub fn of(snapshot: &'a Snapshot) -> Self {
        Self { instances: instances(snapshot), regions: regions(snapshot) }
    }

    /// The marks, each with a link to the row that has its id.
    pub fn marks(&self, language: Language) -> Vec<Mark> {
        let instances = self.instances.iter().map(|one| one.mark(language));
        instances.chain(self.regions.iter().map(|one| one.mark(language))).collect()
    }
}

/// An instance on the map.
pub struct Instance<'a> {
    pub label: String,
    pub seat: &'a Seat,
    position: Option<Position>,
}

/// A region on the map.
pub struct Spot<'a> {
    pub label: String,
    pub region: &'a Region,
    position: Option<Position>,
    pub probes: Vec<&'a Probe>,
    pub doubt: Option<&'a Doubt>,
    pub sight: Sight,
}

fn instances(snapshot: &Snapshot) -> Vec<Instance<'_>> {
    let seats = snapshot.probes.seats.iter().enumerate();
    let instances = seats.map(|(nth, seat)| {
        let position = located::instance(seat, &snapshot.probes);
        Instance { label: label(Kind::Instance, nth), seat, position }
    });
    instances.collect()
}

fn regions(snapshot: &Snapshot) -> Vec<Spot<'_>> {
    let (probes, sights) = (&snapshot.probes, snapshot.sights());
    let mut by_region: BTreeMap<&Region, Vec<&Probe>> = BTreeMap::new();
    for probe in &probes.probes {
        by_region.entry(&probe.region).or_default().push(probe);
    }
    let names: BTreeSet<&Region> = by_region.keys().copied().chain(sights.keys()).collect();
    let regions = names.into_iter().enumerate().map(|(nth, region)| Spot {
        label: label(Kind::Region, nth),
        region,
        position: located::region(region, probes),
        probes: by_region.remove(region).unwrap_or_default(),
        doubt: probes.doubts.get(region),
        sight: sights.get(region).copied().unwrap_or_default(),
    });
    regions.collect()
}

impl Instance<'_> {
    /// The id of its row.
    pub fn id(&self) -> String {
        format!("instance-{}", self.label)
    }

    pub fn state(&self) -> Verdict {
        if self.seat.is_away { Verdict::Down } else { Verdict::Up }
    }

    pub fn state_text(&self, texts: &Texts) -> &'static str {
        if self.seat.is_away { texts.away } else { texts.online }
    }

    fn mark(&self, language: Language) -> Mark {
        let texts = language.texts();
        Mark {
            kind: Kind::Instance,
            label: self.label.clone(),
            name: self.seat.name.clone(),
            position: self.position,
            state: self.state(),
            state_text: self.state_text(texts),
            summary: role(texts, self.seat.role).to_owned(),
            sight: None,
            href: format!("#{}", self.id()),
        }
    }
}

impl Spot<'_> {
    /// The id of its row.
    pub fn id(&self) -> String {
        format!("region-{}", self.label)
    }

    /// How many of its probes are not gone.
    pub fn alive(&self) -> usize {
        self.probes.iter().filter(|probe| probe.presence != Presence::Offline).count()
    }

    /// Whether the region can be relied on: its best probe, unless most of its nodes turned offline at once.
    pub fn state(&self) -> Verdict {
        let has = |presence| self.probes.iter().any(|probe| probe.presence == presence);
        if self.alive() == 0 {
            Verdict::Down
        } else if self.doubt.is_some() || !has(Presence::Online) {
            Verdict::Partial
        } else {
            Verdict::Up
        }
    }

    pub fn state_text(&self, texts: &Texts) -> &'static str {
        match self.state() {
            Verdict::Up => texts.online,
            Verdict::Partial if self.doubt.is_some() => texts.in_doubt,
            Verdict::Partial => texts.degraded,
            _ => texts.offline,
        }
    }

    fn mark(&self, language: Language) -> Mark {
        let texts = language.texts();
        Mark {
            kind: Kind::Region,
            label: self.label.clone(),
            name: self.region.to_string(),
            position: self.position,
            state: self.state(),
            state_text: self.state_text(texts),
            summary: language.sight(self.sight),
            sight: Some([self.sight.online, self.sight.partial, self.sight.offline]),
            href: format!("#{}", self.id()),
        }
    }
}

/// The name of a role.
pub fn role(texts: &Texts, role: Role) -> &'static str {
    match role {
        Role::Primary => texts.role_primary,
        Role::Dependent => texts.role_dependent,
        Role::Standalone => texts.role_standalone,
    }
}
