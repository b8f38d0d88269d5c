//! Fair order.

/// Takes the first item of every list, then the second of every list, and so on, so that a result that is cut short keeps
/// items of every list.
pub(super) fn interleave<T>(lists: impl IntoIterator<Item = Vec<T>>) -> Vec<T> {
    let mut ranked: Vec<(usize, T)> = lists.into_iter().flat_map(|list| list.into_iter().enumerate()).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, item)| item).collect()
}
