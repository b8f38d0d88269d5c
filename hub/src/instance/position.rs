//! Positions in the results of an instance, as others name them: up to there they have mirrored them.

use easytier_uptime_store::domain::InstanceId;

/// The position `row` in the results of an instance, as text.
pub fn position(of: InstanceId, row: i64) -> String {
    format!("{of}:{row}")
}

/// The row of a position in the results of `own`; `None` for none, or one of another instance.
pub fn row_of(position: Option<&str>, own: InstanceId) -> Option<i64> {
    let (of, row) = position?.split_once(':')?;
    (of.parse() == Ok(own)).then(|| row.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_position_counts_for_the_instance_whose_results_it_is_in() {
        let (own, other) = (InstanceId(Uuid::from_u128(1)), InstanceId(Uuid::from_u128(2)));
        let text = position(own, 7);
        assert_eq!(row_of(Some(&text), own), Some(7));
        assert_eq!(row_of(Some(&text), other), None);
        assert_eq!(row_of(Some("7"), own), None);
        assert_eq!(row_of(None, own), None);
    }
}
