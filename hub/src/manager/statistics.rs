//! What probes tell of themselves: `GET /v1/stats` of the contract.

use easytier_uptime_store::domain::{ConfigVersion, ManageProblem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A figure of a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Statistic {
    /// Its name, such as `peer>>>7>>>checks>>>healthy`.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// What a hub makes of the figures of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statistics {
    /// The bytes of its checks since its process started, both ways.
    pub bytes: i64,
    /// The configuration that it holds, if it says so.
    pub holds: Option<ConfigVersion>,
}

impl Statistics {
    /// Reads an answer. Of one that was cut, the last figure is left out.
    pub fn read(body: &[u8], is_cut: bool) -> Result<Self, ManageProblem> {
        let foreign = |cause: &str| ManageProblem::Foreign { cause: cause.to_owned() };
        let text = std::str::from_utf8(body).ok();
        let text = text
            .or_else(|| body.rsplitn(2, |byte| *byte == b'}').last().and_then(|rest| std::str::from_utf8(rest).ok()));
        let text = text.ok_or_else(|| foreign("its statistics are no text"))?;
        let whole = match is_cut.then(|| text.rfind("},")).flatten() {
            Some(end) => format!("{}}}]", &text[..end]),
            None => text.to_owned(),
        };
        let figures: Vec<Statistic> =
            serde_json::from_str(&whole).map_err(|_| foreign("its statistics cannot be read"))?;
        Ok(Self::of(&figures))
    }

    /// Of these figures.
    pub fn of(figures: &[Statistic]) -> Self {
        let (mut all, mut of_peers, mut epoch, mut version) = (None::<f64>, 0.0, None, None);
        for Statistic { name, value } in figures {
            let parts: Vec<&str> = name.split(">>>").collect();
            match parts[..] {
                ["inbound", "remote", "traffic", _] => all = Some(all.unwrap_or_default() + value),
                ["peer", _, "traffic", _] => of_peers += value,
                ["probe", "config", "epoch"] => epoch = Some(whole(*value)),
                ["probe", "config", "version"] => version = Some(whole(*value)),
                _ => {}
            }
        }
        let holds = epoch.zip(version).map(|(epoch, version)| ConfigVersion { epoch, version });
        Self { bytes: whole(all.unwrap_or(of_peers)), holds }
    }
}

/// The number without its fraction; what is absurd is cut off.
fn whole(value: f64) -> i64 {
    value.clamp(0.0, i64::MAX as f64) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"[{"name":"peer>>>7>>>checks>>>healthy","value":12},{"name":"peer>>>7>>>traffic>>>downlink","value":100},
        {"name":"probe>>>config>>>epoch","value":3},{"name":"probe>>>config>>>version","value":41},
        {"name":"peer>>>8>>>traffic>>>uplink","value":50.9}]"#;

    #[test]
    fn bytes_are_the_totals_or_else_the_sum_over_peers() {
        let read = Statistics::read(BODY.as_bytes(), false).unwrap();
        assert_eq!(read, Statistics { bytes: 150, holds: Some(ConfigVersion { epoch: 3, version: 41 }) });
        let totals = r#"[{"name":"inbound>>>remote>>>traffic>>>downlink","value":9},{"name":"peer>>>7>>>traffic>>>uplink","value":50},
            {"name":"inbound>>>remote>>>traffic>>>uplink","value":1}]"#;
        assert_eq!(Statistics::read(totals.as_bytes(), false).unwrap(), Statistics { bytes: 10, holds: None });
    }

    #[test]
    fn an_answer_that_was_cut_counts_to_its_last_whole_figure() {
        for end in 60..BODY.len() {
            let read = Statistics::read(&BODY.as_bytes()[..end], true).unwrap();
            assert!(read.bytes <= 100, "{end}");
        }
        assert!(Statistics::read(&BODY.as_bytes()[..60], false).is_err());
    }

    #[test]
    fn absurd_figures_are_bounded_and_other_answers_refused() {
        let absurd = r#"[{"name":"peer>>>7>>>traffic>>>downlink","value":1e300},{"name":"peer>>>7>>>traffic>>>uplink","value":-5}]"#;
        assert_eq!(Statistics::read(absurd.as_bytes(), false).unwrap().bytes, i64::MAX);
        for wrong in ["", "{}", "null", "<html>", r#"[{"name":"x"}]"#] {
            assert!(matches!(Statistics::read(wrong.as_bytes(), false), Err(ManageProblem::Foreign { .. })), "{wrong}");
        }
    }
}
