//! Tokens: what is asked for, what a token says, how it is signed and checked, and how a client is
//! told where to get one. The distribution specification's "Token Authentication" and RFC 6749.
//!
//! 1. Everything here is a function of its arguments: time, keys and headers are passed in.
//! 2. A token only narrows. What its subject may do is asked of the accounts at every request.
//! 3. What a stranger sends is an error value or is ignored; no credential is in an error or a log.
//!
//! Elsewhere: whose credentials they are, and what a subject may do.

pub(crate) mod challenge;
pub(crate) mod claims;
pub(crate) mod credentials;
mod forwarded;
pub(crate) mod keys;
pub(crate) mod origin;
pub(crate) mod proxies;
pub(crate) mod remembered;
pub(crate) mod request;
pub(crate) mod scope;
pub(crate) mod signer;
