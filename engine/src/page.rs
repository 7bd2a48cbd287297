//! Listings by page: where a page begins, and whether more follows.

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
