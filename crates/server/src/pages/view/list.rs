//! A list's view as its address says it: filter, sort, page. The address is stable and can be kept.

use super::words;
use serde::Deserialize;

/// Rows on one page of a list.
pub const ROWS: usize = 50;

/// The query part of a list's address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ListQuery {
    /// Text filter.
    pub q: String,
    /// State filter.
    pub state: String,
    /// Column, `-` in front for descending.
    pub sort: String,
    /// Page, from 1.
    pub page: Option<String>,
}

/// A list as it is shown.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// The page's path.
    pub path: String,
    /// Text filter.
    pub q: String,
    /// State filter.
    pub state: String,
    /// Column it is sorted by.
    pub sort: String,
    /// Largest first.
    pub descending: bool,
    /// Page, from 1.
    pub page: usize,
    /// Rows after filtering.
    pub total: usize,
    /// Rows before filtering.
    pub all: usize,
    /// Every page of it in one, for a file.
    pub whole: bool,
    /// What else its addresses carry.
    pub more: Vec<(&'static str, String)>,
}

impl List {
    /// From the address; `sort` is the column where it names none (`-` in front for descending).
    pub fn new(path: &str, query: &ListQuery, sort: &str) -> Self {
        let wanted = if query.sort.is_empty() {
            sort
        } else {
            &query.sort
        };
        let page = query
            .page
            .as_deref()
            .and_then(|p| p.parse().ok())
            .unwrap_or(1);
        Self {
            path: path.into(),
            q: query.q.trim().chars().take(200).collect(),
            state: query.state.chars().take(40).collect(),
            sort: wanted.trim_start_matches('-').chars().take(40).collect(),
            descending: wanted.starts_with('-'),
            page: usize::max(page, 1),
            total: 0,
            all: 0,
            whole: false,
            more: Vec::new(),
        }
    }
    /// Has all its addresses carry this too; nothing where it is empty.
    pub fn keep(&mut self, name: &'static str, value: &str) {
        self.more.push((name, value.into()));
    }
    /// The same with every page in one.
    #[must_use]
    pub fn in_one(self) -> Self {
        Self {
            whole: true,
            ..self
        }
    }
    /// Filters `rows` by text (any of the words `text` gives contains each word of the filter) and state, sorts them by
    /// `key`, and keeps this page's.
    pub fn apply<T, K: Ord>(
        &mut self,
        mut rows: Vec<T>,
        text: impl Fn(&T) -> String,
        state: impl Fn(&T) -> &'static str,
        key: impl Fn(&T, &str) -> K,
    ) -> Vec<T> {
        self.all = rows.len();
        if !self.q.is_empty() {
            let words: Vec<String> = self.q.split_whitespace().map(str::to_lowercase).collect();
            rows.retain(|row| {
                let text = text(row).to_lowercase();
                words.iter().all(|word| text.contains(word))
            });
        }
        if !self.state.is_empty() {
            rows.retain(|row| state(row) == self.state);
        }
        rows.sort_by_cached_key(|row| key(row, &self.sort));
        if self.descending {
            rows.reverse();
        }
        self.total = rows.len();
        if self.whole {
            return rows;
        }
        self.page = self.page.min(self.pages());
        let first = (self.page - 1) * ROWS;
        rows.drain(..first.min(rows.len()));
        rows.truncate(ROWS);
        rows
    }
    /// Whether it shows rows as they are kept, newest first or last by `column`, so that none but its own need be read.
    pub fn is_stretch(&self, column: &str) -> bool {
        self.q.is_empty() && !self.whole && self.sort == column
    }
    /// The rows on this page of a list that is a stretch: how many newer ones are passed over, and how many are shown.
    /// `all` are kept, `total` in the wanted state. Rows are read newest first; [`List::turned`] puts them in order.
    pub fn stretch(&mut self, all: u64, total: u64) -> (u32, u32) {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        (self.all, self.total) = (number(all), number(total));
        self.page = self.page.min(self.pages());
        let first = (self.page - 1) * ROWS;
        let last = (first + ROWS).min(self.total);
        let skip = if self.descending {
            first
        } else {
            self.total - last
        };
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (number(skip), number(last - first))
    }
    /// Rows read newest first, in the order in which they are shown.
    pub fn turned<T>(&self, mut rows: Vec<T>) -> Vec<T> {
        if !self.descending {
            rows.reverse();
        }
        rows
    }
    /// Pages in all, at least one.
    pub fn pages(&self) -> usize {
        self.total.div_ceil(ROWS).max(1)
    }
    /// Number of the first row shown.
    pub fn first_row(&self) -> usize {
        (self.page - 1) * ROWS + 1
    }
    /// Number of the last row shown.
    pub fn last_row(&self) -> usize {
        (self.page * ROWS).min(self.total)
    }
    /// For `aria-sort`.
    pub fn aria_sort(&self) -> &'static str {
        if self.descending {
            "descending"
        } else {
            "ascending"
        }
    }
    fn href(&self, path: &str, sort: &str, page: usize) -> String {
        let mut parts = Vec::new();
        let mut put = |name: &str, value: &str| {
            if !value.is_empty() {
                let value = percent_encoding::utf8_percent_encode(
                    value,
                    percent_encoding::NON_ALPHANUMERIC,
                );
                parts.push(format!("{name}={value}"));
            }
        };
        put("q", &self.q);
        put("state", &self.state);
        put("sort", sort);
        for (name, value) in &self.more {
            put(name, value);
        }
        if page > 1 {
            put("page", &page.to_string());
        }
        if parts.is_empty() {
            path.into()
        } else {
            format!("{path}?{}", parts.join("&"))
        }
    }
    fn sort_text(&self) -> String {
        format!("{}{}", if self.descending { "-" } else { "" }, self.sort)
    }
    /// Sorted by `key`; the other way round where it already is.
    pub fn sort_href(&self, key: &str) -> String {
        let turned = self.sort == key && !self.descending;
        let sort = format!("{}{key}", if turned { "-" } else { "" });
        self.href(&self.path, &sort, 1)
    }
    /// Another page of the same.
    pub fn page_href(&self, page: usize) -> String {
        self.href(&self.path, &self.sort_text(), page)
    }
    /// The same rows as CSV.
    pub fn csv_href(&self) -> String {
        self.href(&format!("{}.csv", self.path), &self.sort_text(), 1)
    }
    /// What the filter form keeps beside its own fields.
    pub fn kept(&self) -> Vec<(&'static str, String)> {
        let mut kept = self.more.clone();
        kept.push(("sort", self.sort_text()));
        kept
    }
    /// Whether less than all of it is wanted.
    pub fn filtered(&self) -> bool {
        !self.q.is_empty() || !self.state.is_empty()
    }
    /// "12 of 300 machines", "300 machines", "1 machine".
    pub fn count_words(&self, one: &str, many: &str) -> String {
        if self.total == self.all {
            words::count(self.all, one, many)
        } else {
            format!("{} of {}", self.total, words::count(self.all, one, many))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(query: ListQuery, rows: usize) -> (List, Vec<usize>) {
        let mut list = List::new("/x", &query, "n");
        let rows = list.apply(
            (1..=rows).collect(),
            |n| format!("row {n}"),
            |n| if n % 2 == 0 { "even" } else { "odd" },
            |n, _| *n,
        );
        (list, rows)
    }

    #[test]
    fn pages_filters_and_addresses() {
        let (list, rows) = shown(
            ListQuery {
                page: Some("3".into()),
                ..ListQuery::default()
            },
            120,
        );
        assert_eq!((rows.len(), rows[0]), (20, 101));
        assert_eq!(list.page_href(2), "/x?sort=n&page=2");
        assert_eq!(list.sort_href("n"), "/x?sort=%2Dn");
        let (list, rows) = shown(
            ListQuery {
                q: "ROW 2".into(),
                state: "even".into(),
                sort: "-n".into(),
                page: Some("nonsense".into()),
            },
            30,
        );
        assert_eq!(rows[0], 28);
        assert_eq!(list.count_words("row", "rows"), "7 of 30 rows");
        assert_eq!(list.sort_href("n"), "/x?q=ROW%202&state=even&sort=n");
        let (list, rows) = shown(
            ListQuery {
                page: Some("99".into()),
                ..ListQuery::default()
            },
            0,
        );
        assert!(rows.is_empty());
        assert_eq!(list.page, 1);
        let (list, _) = shown(ListQuery::default(), 1);
        assert_eq!(list.count_words("row", "rows"), "1 row");
        let mut file = List::new("/x", &ListQuery::default(), "n").in_one();
        let all = file.apply((1..=250).collect(), |n| n.to_string(), |_| "", |n, _| *n);
        assert_eq!(all.len(), 250);
    }

    #[test]
    fn a_stretch_is_the_page_that_sorting_all_would_show() {
        // As kept: newest first.
        let kept: Vec<usize> = (1..=250).rev().collect();
        for (sort, page) in [
            ("n", "1"),
            ("n", "3"),
            ("-n", "1"),
            ("-n", "2"),
            ("-n", "9"),
        ] {
            let query = ListQuery {
                sort: sort.into(),
                page: Some(page.into()),
                ..ListQuery::default()
            };
            let (sorted, rows) = shown(query.clone(), 250);
            let mut list = List::new("/x", &query, "n");
            assert!(list.is_stretch("n") && !list.is_stretch("m"));
            let (skip, count) = list.stretch(250, 250);
            let read = kept[skip as usize..][..count as usize].to_vec();
            assert_eq!(list.turned(read), rows, "{sort} {page}");
            assert_eq!(list.page, sorted.page);
        }
        let mut none = List::new("/x", &ListQuery::default(), "-n");
        assert_eq!(none.stretch(5, 0), (0, 0));
        assert_eq!(none.count_words("row", "rows"), "0 of 5 rows");
    }
}
