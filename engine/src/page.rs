//! Listings by page: where a page begins, and whether more follows.
//!
//! A [`Listing`] is full or the last one. A [`Part`] reads a bounded number of rows, whatever it finds.

/// Which part of an ordered listing is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<K> {
    /// The listing begins behind this key, which need not exist. `None`: at the beginning.
    pub after: Option<K>,
    /// At most this many items.
    pub limit: usize,
}

/// One page of a listing, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// Whether at least one more item followed when the page was read.
    pub more: bool,
}

/// One page of a listing of names, in ascending order, of which not all are wanted. It ends when it
/// is full, or when so many names were looked at that the call would take long: it may be short, even
/// empty, while more follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// Behind which name the next page begins; it need not be among the items. `None`: nothing
    /// followed when the page was read.
    pub next: Option<String>,
}
