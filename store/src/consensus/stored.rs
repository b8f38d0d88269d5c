//! The stored form of a state: arrays instead of objects to keep it small, because every result reads and writes one.
//!
//! Hubs of several versions may read and write it at the same time. An array of regions is version 1 of the form, the only one
//! so far. A newer program may add elements at the end of a region, its turn, or a probe: this program ignores them, and
//! leaves them out when it writes the state, so they must be dispensable. Any other change makes a new version: an object
//! with a field `version`, which this program refuses as newer.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use super::{Evidence, RegionState, State};
use crate::domain::{ProbeId, RegionId, RegionStatus, Timestamp, millis};

/// The version of the form.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Regions(Vec<Region>);

/// Region, status, contradictions, probes; and for a recent change to offline its time and whether it is in doubt.
#[derive(Serialize, Deserialize)]
struct Region(
    RegionId,
    Option<u8>,
    u32,
    Vec<Extensible<Probe>>,
    #[serde(default, skip_serializing_if = "Option::is_none")] Option<Extensible<Turn>>,
);

/// See [`RegionState::turned_at`] and [`RegionState::doubted`].
#[derive(Serialize, Deserialize)]
struct Turn(Option<i64>, bool);

/// Probe, status, time, interval in milliseconds, round trip in microseconds.
#[derive(Serialize, Deserialize)]
struct Probe(ProbeId, u8, i64, i64, Option<i64>);

/// An array that may have more elements at its end than this program knows.
#[derive(Serialize)]
#[serde(transparent)]
struct Extensible<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Extensible<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<T, A::Error> {
                let known = T::deserialize(SeqAccessDeserializer::new(&mut elements))?;
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(known)
            }
        }

        deserializer.deserialize_seq(Elements(PhantomData)).map(Self)
    }
}

impl<'de> Deserialize<'de> for Regions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Versions;

        impl<'de> Visitor<'de> for Versions {
            type Value = Regions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of regions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Regions, A::Error> {
                let mut regions = Vec::new();
                while let Some(Extensible(region)) = elements.next_element()? {
                    regions.push(region);
                }
                Ok(Regions(regions))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Regions, A::Error> {
                while let Some(name) = fields.next_key::<String>()? {
                    if name == "version" {
                        let version: u32 = fields.next_value()?;
                        let newer = format!("it has version {version}, and this program knows version {VERSION}");
                        return Err(Error::custom(newer));
                    }
                    fields.next_value::<IgnoredAny>()?;
                }
                Err(Error::missing_field("version"))
            }
        }

        deserializer.deserialize_any(Versions)
    }
}

fn status(code: u8) -> RegionStatus {
    if code == 0 { RegionStatus::Offline } else { RegionStatus::Online }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let probe = |(id, evidence): (&ProbeId, &Evidence)| {
            let Evidence { status, at, interval, response_us } = *evidence;
            Extensible(Probe(*id, status as u8, at.0, millis(interval), response_us))
        };
        let region = |(id, region): (&RegionId, &RegionState)| {
            let status = region.status.map(|status| status as u8);
            let RegionState { contradictions, turned_at, doubted, .. } = *region;
            let turn = (turned_at.is_some() || doubted).then(|| Extensible(Turn(turned_at.map(|at| at.0), doubted)));
            Region(*id, status, contradictions, region.probes.iter().map(probe).collect(), turn)
        };
        Regions(self.regions.iter().map(region).collect()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let probe = |Extensible(Probe(id, code, at, interval, response_us))| {
            let interval = Duration::from_millis(u64::try_from(interval).unwrap_or(0));
            (id, Evidence { status: status(code), at: Timestamp(at), interval, response_us })
        };
        let region = |Region(id, code, contradictions, probes, turn): Region| {
            let probes = probes.into_iter().map(probe).collect();
            let Turn(turned_at, doubted) = turn.map_or(Turn(None, false), |Extensible(turn)| turn);
            let turned_at = turned_at.map(Timestamp);
            (id, RegionState { status: code.map(status), contradictions, turned_at, doubted, probes })
        };
        let Regions(regions) = Regions::deserialize(deserializer)?;
        Ok(Self { regions: regions.into_iter().map(region).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two regions as version 0.1.0 stored them: one sees the peer online, one has just turned offline and is in doubt.
    const STORED: &str = "[[1,1,0,[[1,1,1800000240000,60000,12000]]],\
                          [2,0,1,[[2,0,1800000240000,60000,null],[3,0,1800000240000,5000,null]],[1800000240000,true]]]";

    #[test]
    fn a_state_is_written_as_it_was_read() {
        let state: State = serde_json::from_str(STORED).unwrap();
        assert_eq!(serde_json::to_string(&state).unwrap(), STORED);
        assert_eq!(serde_json::to_string(&serde_json::from_str::<State>("[]").unwrap()).unwrap(), "[]");
    }

    #[test]
    fn elements_that_a_newer_program_added_at_the_end_are_ignored() {
        let newer = "[[1,1,0,[[1,1,1800000240000,60000,12000,\"tcp\"]],null,[7],{\"a\":1}],\
                     [2,0,1,[[2,0,1800000240000,60000,null,null,[1]],[3,0,1800000240000,5000,null]],\
                     [1800000240000,true,[\"x\"]],9]]";
        let state: State = serde_json::from_str(newer).unwrap();
        assert_eq!(state, serde_json::from_str(STORED).unwrap());
    }

    #[test]
    fn another_version_is_refused_by_its_number_and_other_json_too() {
        let error = |json| serde_json::from_str::<State>(json).unwrap_err().to_string();
        let newer = error(r#"{"regions":[[1]],"version":2}"#);
        assert!(newer.starts_with("it has version 2, and this program knows version 1"), "{newer}");
        for json in ["{}", "7", "[[1,1]]", "[[1,1,0,[[1,1]]]]", "[[1,1,0,[]]] 1"] {
            error(json);
        }
    }
}
