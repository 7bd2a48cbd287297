//! From a request to its [`Caller`], and whether that caller may do what the request asks for.
//!
//! `caller` is who it is and what they may. What they may is always computed from the accounts of
//! this moment; a token only narrows it.

mod caller;

pub use caller::Caller;
