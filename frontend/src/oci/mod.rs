//! What a pushed manifest is and what it points at: bytes in, [`Links`] out. No I/O in this folder.
//!
//! 1. The bytes are never changed; what is parsed here only decides about them.
//! 2. A known media type must be such a manifest; an unknown one need only be a JSON object, and
//!    its well-formed descriptors in the usual places count as links all the same.
//! 3. Time and memory are bounded by the length of the body, whose limit the caller enforces while
//!    reading; depth and number of links are bounded here ([`limits`]).
//!
//! `media_type` tells the kinds apart, `json` checks the form, `descriptor` and `manifest` read the links.
//!
//! [`Links`]: floundr_engine::descriptor::Links

mod descriptor;
mod json;
pub mod limits;
mod manifest;
pub mod media_type;

pub use limits::Limits;
pub use manifest::{Parsed, parse, too_large};

#[cfg(test)]
mod tests;
