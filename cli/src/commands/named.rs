//! [`Named`]: `NAME`, `NAME:TAG` or `NAME@DIGEST`, as a user types it.

use anyhow::{Context as _, Result, bail};
use floundr_engine::digest::Digest;
use floundr_engine::name::{Reference, RepositoryName, Tag};

/// A repository, and maybe a tag or digest in it.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) repository: RepositoryName,
    pub(super) reference: Option<Reference>,
}

// === impl Named ===

impl Named {
    /// Reads it.
    ///
    /// # Errors
    /// What is none of the three.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (name, reference) = match (text.split_once('@'), text.rsplit_once(':')) {
            (Some((name, digest)), _) => (name, Some(digest)),
            (None, Some((name, tag))) => (name, Some(tag)),
            (None, None) => (text, None),
        };
        let about = || format!("{text:?} is no NAME, NAME:TAG or NAME@DIGEST");
        let reference = reference.map(str::parse).transpose();
        Ok(Self {
            repository: name.parse().with_context(about)?,
            reference: reference.with_context(about)?,
        })
    }

    /// Reads `NAME:TAG`.
    ///
    /// # Errors
    /// What is none.
    pub(super) fn tag(text: &str) -> Result<(RepositoryName, Tag)> {
        let named = Self::parse(text)?;
        match named.reference {
            Some(Reference::Tag(tag)) => Ok((named.repository, tag)),
            _ => bail!("{text:?} is no NAME:TAG"),
        }
    }

    /// Reads `NAME@DIGEST`.
    ///
    /// # Errors
    /// What is none.
    pub(super) fn digest(text: &str) -> Result<(RepositoryName, Digest)> {
        let named = Self::parse(text)?;
        match named.reference {
            Some(Reference::Digest(digest)) => Ok((named.repository, digest)),
            _ => bail!("{text:?} is no NAME@DIGEST"),
        }
    }

    /// Reads `NAME:TAG` or `NAME@DIGEST`.
    ///
    /// # Errors
    /// What is neither.
    pub(super) fn manifest(text: &str) -> Result<(RepositoryName, Reference)> {
        let named = Self::parse(text)?;
        match named.reference {
            Some(reference) => Ok((named.repository, reference)),
            None => bail!("{text:?} is no NAME:TAG or NAME@DIGEST"),
        }
    }
}
