//! The OCI distribution specification on raw hyper over [`floundr_engine`].
//!
//! [`Server`] listens; [`Registry`] is the same pipeline as a service for another server, see
//! `examples/mount_in_axum.rs`. Both answer from a [`Context`], which holds an open engine.
//! [`manage`] is the API for the operator, on a socket beside them or in a process of its own.

mod access;
pub mod accounts;
mod activity;
pub mod audit;
mod body;
mod config;
mod connection;
mod context;
mod deeds;
mod error;
pub mod events;
#[cfg(any(test, feature = "test-util"))]
#[doc(hidden)]
pub mod fuzzing;
mod handlers;
mod listener;
mod log;
pub mod manage;
mod metrics;
pub mod oci;
pub mod page;
pub mod quota;
pub mod range;
mod request;
mod response;
pub mod route;
mod server;
mod service;
mod services;
mod stream;
mod tls;

pub use access::{Access, AccessOptions, Caller};
pub use body::{Body, BodyError, BoxError, RequestBody, RequestBodyError, Transport};
pub use config::{Config, ConfigError, Limits, Listen, Missing, Timeouts, TlsListen};
pub use context::Context;
pub use error::{ApiError, ErrorCode};
pub use listener::raise_open_file_limit;
pub use log::{Answer, TARGET as ACCESS_TARGET};
pub use metrics::Metrics;
pub use route::Route;
pub use server::{BindError, Server};
pub use service::{Handler, Peer, Registry};
pub use services::Services;
pub use tls::CertificateError;
