//! A BLAKE3 hasher whose state can be saved: the library's own cannot.
//!
//! The input is cut into groups of 64 KiB, each a complete subtree of BLAKE3's tree. A full group
//! is reduced to its chaining value once a byte after it is known to exist (the last group may be
//! the root, which is computed differently). Invariants:
//! 1. `stack` holds one chaining value per set bit of `groups`, largest subtree first: the binary
//!    counter of the BLAKE3 paper, section 5.1.2.
//! 2. `tail` holds the bytes after `groups` full groups, at most [`GROUP`], and is empty only when
//!    nothing was taken in.

use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root,
};

/// Bytes per group: large enough for the widest vector units, small enough to be saved.
const GROUP: usize = 64 * 1024;

/// The resumable state (see the module's invariants).
#[derive(Clone, Default)]
pub(super) struct Blake3State {
    groups: u64,
    stack: Vec<ChainingValue>,
    tail: Vec<u8>,
}

// === impl Blake3State ===

impl Blake3State {
    pub(super) fn update(&mut self, mut content: &[u8]) {
        while !content.is_empty() {
            if self.tail.len() == GROUP {
                let tail = std::mem::take(&mut self.tail);
                self.push_group(&tail);
                self.tail = tail;
                self.tail.clear();
            }
            // Whole groups are hashed where they lie, as long as something follows them.
            while self.tail.is_empty() && content.len() > GROUP {
                let (group, rest) = content.split_at(GROUP);
                self.push_group(group);
                content = rest;
            }
            let taken = content.len().min(GROUP - self.tail.len());
            self.tail.extend_from_slice(&content[..taken]);
            content = &content[taken..];
        }
    }

    pub(super) fn finish(self) -> [u8; 32] {
        let Some((first, larger)) = self.stack.split_last() else {
            return *blake3::hash(&self.tail).as_bytes();
        };
        let mut right = chaining_value(self.groups, &self.tail);
        let mut left = *first;
        for next in larger.iter().rev() {
            right = merge_subtrees_non_root(&left, &right, Mode::Hash);
            left = *next;
        }
        *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
    }

    /// Appends the group count, the chaining values and the tail.
    pub(super) fn save(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.groups.to_le_bytes());
        self.stack
            .iter()
            .for_each(|value| into.extend_from_slice(value));
        into.extend_from_slice(&self.tail);
    }

    /// How many bytes a saved state says it took in.
    pub(super) fn taken(saved: &[u8]) -> Option<u64> {
        let (groups, rest) = saved.split_first_chunk::<8>()?;
        let groups = u64::from_le_bytes(*groups);
        let depth = usize::try_from(groups.count_ones()).ok()?;
        let tail = rest.len().checked_sub(depth * size_of::<ChainingValue>())?;
        let tail = u64::try_from(tail).ok()?;
        groups.checked_mul(GROUP as u64)?.checked_add(tail)
    }

    /// What `save` appended, or nothing if the invariants do not hold for it.
    pub(super) fn restore(saved: &[u8]) -> Option<Self> {
        let (groups, rest) = saved.split_first_chunk::<8>()?;
        let groups = u64::from_le_bytes(*groups);
        let depth = usize::try_from(groups.count_ones()).ok()?;
        let (values, tail) = rest.split_at_checked(depth * size_of::<ChainingValue>())?;
        if tail.len() > GROUP || (groups > 0 && tail.is_empty()) {
            return None;
        }
        let stack = values
            .chunks_exact(size_of::<ChainingValue>())
            .map(ChainingValue::try_from)
            .collect::<Result<_, _>>();
        Some(Self {
            groups,
            stack: stack.ok()?,
            tail: tail.to_vec(),
        })
    }

    fn push_group(&mut self, group: &[u8]) {
        let mut value = chaining_value(self.groups, group);
        self.groups += 1;
        for _ in 0..self.groups.trailing_zeros() {
            let left = self
                .stack
                .pop()
                .expect("one value per set bit of the group count");
            value = merge_subtrees_non_root(&left, &value, Mode::Hash);
        }
        self.stack.push(value);
    }
}

fn chaining_value(group: u64, content: &[u8]) -> ChainingValue {
    blake3::Hasher::new()
        .set_input_offset(group * GROUP as u64)
        .update(content)
        .finalize_non_root()
}
