//! [`update_both`]: two contents hashed at once on one core.
//!
//! Invariant: each hasher is afterwards as [`Hasher::update`] would have left it, on every processor.

use super::Algorithm;
use super::hasher::Hasher;
use super::lanes::{self, Block, Words};
use sha2::digest::common::hazmat::{SerializableState as _, SerializedState};
use sha2::{Digest as _, Sha256};

/// Bytes of a saved state's words, with which it begins. Behind them is the number of whole blocks.
const WORDS: usize = size_of::<Words>();
/// Where it has the number of bytes behind the last whole block.
const BEHIND: usize = WORDS + size_of::<u64>();

/// Whether contents of this algorithm are hashed faster two at once, on this processor.
pub(crate) fn is_faster(algorithm: Algorithm) -> bool {
    algorithm == Algorithm::Sha256 && lanes::has_instructions()
}

/// Takes in the next bytes of two contents. Where [`is_faster`] holds for both, as much as the shorter
/// one has is taken in at once, in little more time than that of one.
pub(crate) fn update_both(
    (first, mut content): (&mut Hasher, &[u8]),
    (second, mut other): (&mut Hasher, &[u8]),
) {
    if let (Some(first), Some(second)) = (first.sha256(), second.sha256()) {
        (content, other) = blocks_of_both((first, content), (second, other));
    }
    first.update(content);
    second.update(other);
}

/// Takes in what can be taken in at once; returns what is left of the two contents.
fn blocks_of_both<'a>(
    (first, content): (&mut Sha256, &'a [u8]),
    (second, other): (&mut Sha256, &'a [u8]),
) -> (&'a [u8], &'a [u8]) {
    let content = to_whole_block(first, content);
    let other = to_whole_block(second, other);
    let mut words = [words_of(first), words_of(second)];
    let [one, two] = &mut words;
    let count = lanes::compress([one, two], [content.as_chunks().0, other.as_chunks().0]);
    go_on(first, &words[0], count);
    go_on(second, &words[1], count);
    let taken = count * size_of::<Block>();
    (&content[taken..], &other[taken..])
}

/// Takes in what the hasher lacks of a whole block, as far as there is any; returns the rest.
fn to_whole_block<'a>(hasher: &mut Sha256, content: &'a [u8]) -> &'a [u8] {
    let behind = usize::from(hasher.serialize()[BEHIND]);
    let lacks = behind.next_multiple_of(size_of::<Block>()) - behind;
    let (head, rest) = content.split_at(lacks.min(content.len()));
    hasher.update(head);
    rest
}

fn words_of(hasher: &Sha256) -> Words {
    let saved = hasher.serialize();
    let (words, _) = saved[..WORDS].as_chunks();
    std::array::from_fn(|at| u32::from_le_bytes(words[at]))
}

/// Sets what `count` further blocks have made of a hasher; if any, it has taken in whole blocks only.
fn go_on(hasher: &mut Sha256, words: &Words, count: usize) {
    let mut saved: SerializedState<Sha256> = hasher.serialize();
    for (place, word) in saved[..WORDS].as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    let (blocks, _) = saved[WORDS..].as_chunks_mut();
    blocks[0] = (u64::from_le_bytes(blocks[0]) + count as u64).to_le_bytes();
    *hasher = Sha256::deserialize(&saved).expect("it was saved a moment ago");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A hasher that has taken in something, and what it takes in then.
    fn content() -> impl Strategy<Value = (Hasher, Vec<u8>)> {
        let algorithm = prop_oneof![
            4 => Just(Algorithm::Sha256),
            1 => Just(Algorithm::Sha512),
            1 => Just(Algorithm::Blake3),
        ];
        let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
        (algorithm, bytes(200), bytes(2_000)).prop_map(|(algorithm, before, behind)| {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(&before);
            (hasher, behind)
        })
    }

    #[test]
    fn sha256_is_faster_where_there_are_instructions_and_nothing_else_is() {
        let faster = Algorithm::ALL.map(is_faster);
        assert_eq!(faster, [lanes::has_instructions(), false, false]);
    }

    proptest! {
        #[test]
        fn both_hashers_are_as_if_each_were_alone(one in content(), other in content()) {
            let mut together = (one.0.clone(), other.0.clone());
            update_both((&mut together.0, &one.1), (&mut together.1, &other.1));
            let mut alone = (one.0, other.0);
            alone.0.update(&one.1);
            alone.1.update(&other.1);
            prop_assert_eq!(together.0.save(), alone.0.save());
            prop_assert_eq!(together.1.save(), alone.1.save());
            prop_assert_eq!(together.0.finish(), alone.0.finish());
            prop_assert_eq!(together.1.finish(), alone.1.finish());
        }
    }
}
