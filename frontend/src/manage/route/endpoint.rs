//! [`Endpoint`]: one line of the management API's table, and `endpoints!`, which makes a subject's
//! enum, its table and its parser of such lines.
//!
//! Invariants:
//! 1. A path is split at `/` first and each segment decoded after: an encoded slash never changes
//!    which endpoint is meant. Only names whose grammar has slashes may hold one: a repository is one
//!    segment, `team%2Fapp`.
//! 2. What stands in a path is a validated value before a handler sees it.
//! 3. `HEAD` goes wherever `GET` goes.

use super::super::{Problem, ProblemCode};
use floundr_engine::digest::Digest;
use floundr_engine::name::{Reference, RepositoryName, Tag};
use floundr_engine::upload::UploadUuid;
use http::Method;
use http::header::{ALLOW, HeaderValue};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::Display;

/// Before every path.
pub(crate) const PREFIX: &str = "/api/v1";

/// The longest path that is looked at: the longest names, all escaped, and some.
const MAX_PATH: usize = 4096;

/// What is known of an endpoint without a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// What it is called in the OpenAPI document: its `operationId`.
    pub operation: &'static str,
    /// What it is called in metrics: the same behind `api_`.
    pub label: &'static str,
    /// The method.
    pub method: &'static str,
    /// The path, with `{name}` for each segment that is a value.
    pub path: &'static str,
}

/// The segments of a path behind [`PREFIX`], decoded.
#[derive(Debug)]
pub(super) struct Segments<'a>(Vec<Cow<'a, str>>);

/// The segments that are values, in their order.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    values: Vec<&'a str>,
    at: Cell<usize>,
}

/// The methods that would have fit.
#[derive(Debug, Default)]
pub(super) struct Methods(Vec<&'static str>);

/// What can stand in a path.
pub(super) trait Segment: Sized {
    /// # Errors
    /// 400 when the text is no such thing.
    fn read(text: &str) -> Result<Self, Problem>;
}

/// A subject's endpoints: `Variant(fields) = "operation" METHOD "path"`, with as many fields as the
/// path has `{values}`, in their order.
macro_rules! endpoints {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$doc:meta])*
            $variant:ident $(($($field:ty),+))? = $operation:literal $method:ident $path:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant $(($($field),+))?,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$crate::manage::Endpoint] = &[
                $($crate::manage::Endpoint {
                    operation: $operation,
                    label: concat!("api_", $operation),
                    method: stringify!($method),
                    path: concat!("/api/v1", $path),
                },)+
            ];

            /// Its line of the table.
            pub const fn endpoint(&self) -> $crate::manage::Endpoint {
                match self {
                    $(Self::$variant { .. } => $crate::manage::Endpoint {
                        operation: $operation,
                        label: concat!("api_", $operation),
                        method: stringify!($method),
                        path: concat!("/api/v1", $path),
                    },)+
                }
            }

            /// The endpoint of this method and path, if it is one of these; else `methods` learns
            /// which methods the path has.
            ///
            /// # Errors
            /// 400 for what stands in the path.
            pub(super) fn find(
                method: &http::Method,
                path: &$crate::manage::route::endpoint::Segments<'_>,
                methods: &mut $crate::manage::route::endpoint::Methods,
            ) -> Result<Option<Self>, $crate::manage::Problem> {
                $(
                    if let Some(fields) = path.fit($path)
                        && methods.fit(stringify!($method), method, &fields)
                    {
                        return Ok(Some(Self::$variant $(($(fields.next::<$field>()?),+))?));
                    }
                )+
                Ok(None)
            }
        }
    };
}

pub(super) use endpoints;

// === impl Segments ===

impl<'a> Segments<'a> {
    /// The segments of `path`, which is one of this API.
    ///
    /// # Errors
    /// 404 when it is not, 400 when a segment is no text.
    pub(super) fn of(path: &'a str) -> Result<Self, Problem> {
        let rest = path.strip_prefix(PREFIX).unwrap_or_default();
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let Some(rest) = rest.strip_prefix('/') else {
            return Ok(Self(Vec::new()));
        };
        if path.len() > MAX_PATH {
            let detail = format!("path has {} bytes, more than {MAX_PATH}", path.len());
            return Err(Problem::new(ProblemCode::NameInvalid, detail));
        }
        Ok(Self(rest.split('/').map(decode).collect::<Result<_, _>>()?))
    }

    /// The values in a path of this form, if this is one.
    pub(super) fn fit(&self, template: &str) -> Option<Fields<'_>> {
        let form = template.split('/').skip(1);
        if form.clone().count() != self.0.len() {
            return None;
        }
        let mut values = Vec::new();
        for (form, segment) in form.zip(&self.0) {
            if form.starts_with('{') {
                values.push(&**segment);
            } else if form != segment {
                return None;
            }
        }
        let at = Cell::new(0);
        Some(Fields { values, at })
    }
}

fn decode(segment: &str) -> Result<Cow<'_, str>, Problem> {
    percent_decode_str(segment).decode_utf8().map_err(|error| {
        let detail = format!("path segment {:?}: {error}", shortened(segment));
        Problem::new(ProblemCode::NameInvalid, detail)
    })
}

/// As much of a client's text as a refusal shows.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

// === impl Fields ===

impl Fields<'_> {
    /// The next value.
    pub(super) fn next<T: Segment>(&self) -> Result<T, Problem> {
        let at = self.at.replace(self.at.get() + 1);
        T::read(self.values.get(at).copied().unwrap_or_default())
    }
}

// === impl Methods ===

impl Methods {
    /// Whether `wanted` is what an endpoint of this path has; it is noted in any case.
    pub(super) fn fit(
        &mut self,
        method: &'static str,
        wanted: &Method,
        _path: &Fields<'_>,
    ) -> bool {
        self.0.push(method);
        if method == "GET" {
            self.0.push("HEAD");
        }
        let wanted = wanted.as_str();
        wanted == method || (wanted == "HEAD" && method == "GET")
    }

    /// The refusal of a request that none of them fits.
    pub(super) fn refusal(&self, method: &Method, path: &str) -> Problem {
        let path = shortened(path);
        if self.0.is_empty() {
            let detail = format!("there is no endpoint {path:?}");
            return Problem::new(ProblemCode::NoEndpoint, detail);
        }
        let allow = self.0.join(", ");
        let allow = HeaderValue::try_from(allow).expect("methods are a header value");
        let detail = format!("method {method} is not for {path}");
        Problem::new(ProblemCode::Method, detail).with_header(ALLOW, allow)
    }
}

// === impl Segment ===

/// A value of the engine, or the refusal that names it.
pub(super) fn parsed<T>(text: &str, code: ProblemCode) -> Result<T, Problem>
where
    T: std::str::FromStr<Err: Display>,
{
    text.parse()
        .map_err(|error: T::Err| Problem::new(code, format!("{:?}: {error}", shortened(text))))
}

impl Segment for RepositoryName {
    fn read(text: &str) -> Result<Self, Problem> {
        parsed(text, ProblemCode::NameInvalid)
    }
}

impl Segment for Tag {
    fn read(text: &str) -> Result<Self, Problem> {
        parsed(text, ProblemCode::NameInvalid)
    }
}

impl Segment for Reference {
    fn read(text: &str) -> Result<Self, Problem> {
        parsed(text, ProblemCode::NameInvalid)
    }
}

impl Segment for UploadUuid {
    fn read(text: &str) -> Result<Self, Problem> {
        parsed(text, ProblemCode::NameInvalid)
    }
}

impl Segment for Digest {
    fn read(text: &str) -> Result<Self, Problem> {
        parsed(text, ProblemCode::DigestInvalid)
    }
}
