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
