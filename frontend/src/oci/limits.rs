//! How large a manifest may be, in every direction.

/// The bounds of a manifest. Its depth is bounded at 128 levels by the JSON parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the body. The specification asks for at least 4 MB to be taken.
    pub bytes: u64,
    /// Most descriptors a manifest may point at, all kinds together.
    pub links: usize,
}

// === impl Limits ===

impl Default for Limits {
    /// 4 MiB, and 10,000 links: a hundred times the largest image, and one transaction still.
    fn default() -> Self {
        Self {
            bytes: 4 * 1024 * 1024,
            links: 10_000,
        }
    }
}
