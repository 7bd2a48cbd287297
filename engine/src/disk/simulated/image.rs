//! [`Image`]: the names and bytes of a disk at one moment.

use super::pages::Pages;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Directory,
    /// A file, by the number of its making.
    File(usize),
}

/// Names and bytes. A copy costs a reference per page.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    names: BTreeMap<PathBuf, Node>,
    /// Those without a name, too: somebody may have them open.
    files: BTreeMap<usize, Pages>,
}

// === impl Image ===

impl Image {
    pub(super) fn names(&self) -> &BTreeMap<PathBuf, Node> {
        &self.names
    }

    pub(super) fn node(&self, path: &Path) -> Option<Node> {
        self.names.get(path).copied()
    }

    /// A number no file has had.
    pub(super) fn next_file(&self) -> usize {
        self.files.last_key_value().map_or(0, |(last, _)| last + 1)
    }

    pub(super) fn content(&self, file: usize) -> &Pages {
        static EMPTY: Pages = Pages::EMPTY;
        self.files.get(&file).unwrap_or(&EMPTY)
    }

    pub(super) fn content_mut(&mut self, file: usize) -> &mut Pages {
        self.files.entry(file).or_default()
    }

    pub(super) fn name(&mut self, path: &Path, node: Node) {
        self.names.insert(path.to_owned(), node);
    }

    /// Takes a name away if it is this file's.
    pub(super) fn forget(&mut self, path: &Path, file: usize) {
        if self.node(path) == Some(Node::File(file)) {
            self.names.remove(path);
        }
    }

    /// Keeps these names, and the bytes that have one; answers whose.
    pub(super) fn retain(&mut self, keep: impl Fn(&Path) -> bool) -> BTreeSet<usize> {
        self.names.retain(|path, _| keep(path));
        let kept: BTreeSet<usize> = (self.names.values())
            .filter_map(|node| match node {
                Node::File(file) => Some(*file),
                Node::Directory => None,
            })
            .collect();
        self.files.retain(|file, _| kept.contains(file));
        for &file in &kept {
            self.files.entry(file).or_default();
        }
        kept
    }
}
