//! Pages of a list.

/// Which page of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// The number of the page, from 1.
    pub page: u32,
    /// How many items a page has, from 1.
    pub per_page: u32,
}

impl PageRequest {
    /// The `LIMIT` of the page.
    pub(crate) fn limit(self) -> i64 {
        i64::from(self.per_page.max(1))
    }

    /// The `OFFSET` of the page.
    pub(crate) fn offset(self) -> i64 {
        i64::from(self.page.max(1) - 1) * self.limit()
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { page: 1, per_page: 20 }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// How many items all pages have.
    pub total: u64,
}

/// A part of a list, for lists that are joined to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// How many items to leave out.
    pub offset: u64,
    /// How many items to return at most.
    pub limit: u32,
}

impl Slice {
    /// The part of the next list, after one that has `total` items and gave `taken` of them.
    pub fn rest(self, total: u64, taken: usize) -> Self {
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        Self { offset: self.offset.saturating_sub(total), limit: self.limit.saturating_sub(taken) }
    }

    /// `LIMIT` and `OFFSET` of a statement.
    pub(crate) fn bounds(self) -> (i64, i64) {
        (i64::from(self.limit), i64::try_from(self.offset).unwrap_or(i64::MAX))
    }
}

impl From<PageRequest> for Slice {
    fn from(page: PageRequest) -> Self {
        let limit = page.per_page.max(1);
        Self { offset: u64::from(page.page.max(1) - 1) * u64::from(limit), limit }
    }
}
