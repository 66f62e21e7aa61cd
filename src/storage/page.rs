//! Pages of a list.

/// The most items on one page.
pub const MAX_LIMIT: i64 = 200;

/// Which part of a list: what follows `after`, `limit` items at most.
///
/// Every list is ordered by one unique column, and `after` is its value in the last item of the page before: rows that come
/// or go meanwhile make no item appear twice or be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub after: Option<String>,
    /// Taken as at least 1 and at most [`MAX_LIMIT`].
    pub limit: i64,
}

impl Page {
    /// The first `limit` items.
    pub const fn first(limit: i64) -> Self {
        Self { after: None, limit }
    }

    fn size(&self) -> i64 {
        self.limit.clamp(1, MAX_LIMIT)
    }

    /// What the column must be greater than: every text is greater than none.
    pub(super) fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }

    /// How many rows to fetch: one more than are shown tells whether there is a next page.
    pub(super) fn rows(&self) -> i64 {
        self.size() + 1
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    pub items: Vec<T>,
    /// `after` of the next page; `None` on the last one.
    pub next: Option<String>,
}

impl<T> Listed<T> {
    /// Cuts the rows that [`Page::rows`] asked for; `key` is the column that orders them.
    pub(super) fn cut(mut rows: Vec<T>, page: &Page, key: impl Fn(&T) -> String) -> Self {
        let size = usize::try_from(page.size()).unwrap_or(1);
        let more = rows.len() > size;
        rows.truncate(size);
        let next = if more { rows.last().map(key) } else { None };
        Self { items: rows, next }
    }
}
