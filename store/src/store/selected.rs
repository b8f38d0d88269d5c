//! Which peers and submissions a [`NodeFilter`] selects.

use easytier_probe::Relay;

use super::rows;
use crate::{
    db::{Value, args},
    domain::NodeFilter,
};

/// The condition that a peer `p` is selected: `$1` is the search pattern, `$2` whether the node is active, `$3` a pattern of the
/// URL, `$4` whether any tag will do, `$5` the list of tags, `$6` a verdict of tests of relaying. States are read only when `$2` is set: they change with every
/// result, so reading those of all peers would take longer than reading the page.
macro_rules! is_selected {
    ($engine:ident) => {
        concat!(
            $crate::store::rows::matches_search!($engine),
            " AND ($2 IS NULL OR (SELECT verdict >= 2 FROM peer_states WHERE peer_id = p.id) = $2) \
             AND ($3 IS NULL OR p.url LIKE $3) \
             AND ($6 IS NULL OR (SELECT verdict FROM relay_verdicts WHERE peer_id = p.id) = $6) \
             AND ($4 OR EXISTS (SELECT 1 FROM peer_tags t WHERE t.peer_id = p.id AND t.tag ",
            $crate::db::in_list!($engine 5),
            "))"
        )
    };
}
pub(super) use is_selected;

/// The same for a submission `p`, which is checked by nobody and so never active or tested, and has its tags joined with commas.
macro_rules! is_selected_submission {
    (sqlite) => {
        concat!(
            $crate::store::rows::matches_search!(sqlite),
            " AND ($2 IS NULL OR NOT $2) AND ($3 IS NULL OR p.url LIKE $3) AND $6 IS NULL \
             AND ($4 OR EXISTS (SELECT 1 FROM json_each($5) t WHERE instr(',' || p.tags || ',', ',' || t.value || ',') > 0))"
        )
    };
    (postgres) => {
        concat!(
            $crate::store::rows::matches_search!(postgres),
            " AND ($2 IS NULL OR NOT $2) AND ($3 IS NULL OR p.url LIKE $3) AND $6 IS NULL \
             AND ($4 OR string_to_array(p.tags, ',') && $5)"
        )
    };
}
pub(super) use is_selected_submission;

/// The parameters `$1` to `$6`.
pub(super) fn wanted(filter: &NodeFilter) -> Vec<Value> {
    let tags: Vec<String> = filter.tags.iter().map(|tag| tag.as_str().to_owned()).collect();
    args![
        filter.search.as_deref().map(rows::contains),
        filter.is_active,
        filter.protocol.map(|protocol| format!("{protocol}://%")),
        tags.is_empty(),
        tags,
        filter.relay_measured.map(Relay::name),
    ]
}
