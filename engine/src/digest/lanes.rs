//! SHA-256 of two contents at once, on one core.
//!
//! Of one content, each of the processor's SHA instructions waits for the result of the one before
//! it, and the unit that computes them is idle meanwhile. The instructions of a second content fill
//! these gaps: together they take about as long as one (`docs/benchmarks.md`, "What helped").
//!
//! Invariant: a state behind some blocks is what [`sha2::block_api::compress256`] makes of it.

/// The words of a state, `a` to `h` of FIPS 180-4.
pub(super) type Words = [u32; 8];
/// What is compressed at once, in bytes.
pub(super) type Block = [u8; 64];

/// Whether this processor has such instructions, so that [`compress`] does something.
pub(super) fn has_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has_them = sha_instructions::are_there();
    #[cfg(not(target_arch = "x86_64"))]
    let has_them = false;
    has_them
}

/// Compresses the blocks of two contents into their states, as many as the shorter one has; none where
/// the processor has no such instructions. Returns how many.
pub(super) fn compress(states: [&mut Words; 2], blocks: [&[Block]; 2]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if sha_instructions::are_there() {
        let count = blocks[0].len().min(blocks[1].len());
        sha_instructions::compress_both(states, blocks.map(|blocks| &blocks[..count]));
        return count;
    }
    let _ = (states, blocks); // elsewhere nobody uses them
    0
}

/// By the SHA extensions of x86-64, with AVX: its forms of the other instructions need fewer moves, and
/// whoever has the former has the latter, but for small processors. A state is in two registers, as the
/// instructions want it: words `a b e f` and `c d g h`, the first one in the highest place.
#[cfg(target_arch = "x86_64")]
mod sha_instructions {
    use super::{Block, Words};
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
        _mm_setzero_si128, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
        _mm_shuffle_epi8, _mm_shuffle_epi32,
    };
    use std::array;

    /// The constants of the 64 rounds: FIPS 180-4, section 4.2.2.
    const K: [u32; 64] = [
        0x428a_2f98,
        0x7137_4491,
        0xb5c0_fbcf,
        0xe9b5_dba5,
        0x3956_c25b,
        0x59f1_11f1,
        0x923f_82a4,
        0xab1c_5ed5,
        0xd807_aa98,
        0x1283_5b01,
        0x2431_85be,
        0x550c_7dc3,
        0x72be_5d74,
        0x80de_b1fe,
        0x9bdc_06a7,
        0xc19b_f174,
        0xe49b_69c1,
        0xefbe_4786,
        0x0fc1_9dc6,
        0x240c_a1cc,
        0x2de9_2c6f,
        0x4a74_84aa,
        0x5cb0_a9dc,
        0x76f9_88da,
        0x983e_5152,
        0xa831_c66d,
        0xb003_27c8,
        0xbf59_7fc7,
        0xc6e0_0bf3,
        0xd5a7_9147,
        0x06ca_6351,
        0x1429_2967,
        0x27b7_0a85,
        0x2e1b_2138,
        0x4d2c_6dfc,
        0x5338_0d13,
        0x650a_7354,
        0x766a_0abb,
        0x81c2_c92e,
        0x9272_2c85,
        0xa2bf_e8a1,
        0xa81a_664b,
        0xc24b_8b70,
        0xc76c_51a3,
        0xd192_e819,
        0xd699_0624,
        0xf40e_3585,
        0x106a_a070,
        0x19a4_c116,
        0x1e37_6c08,
        0x2748_774c,
        0x34b0_bcb5,
        0x391c_0cb3,
        0x4ed8_aa4a,
        0x5b9c_ca4f,
        0x682e_6ff3,
        0x748f_82ee,
        0x78a5_636f,
        0x84c8_7814,
        0x8cc7_0208,
        0x90be_fffa,
        0xa450_6ceb,
        0xbef9_a3f7,
        0xc671_78f2,
    ];

    /// What one content is hashed with.
    struct Lane {
        abef: __m128i,
        cdgh: __m128i,
        /// The words of the next 16 rounds, four in each.
        schedule: [__m128i; 4],
    }

    pub(super) fn are_there() -> bool {
        is_x86_feature_detected!("sha") && is_x86_feature_detected!("avx")
    }

    #[expect(
        unsafe_code,
        reason = "the instructions are there: asked before each call"
    )]
    pub(super) fn compress_both(states: [&mut Words; 2], blocks: [&[Block]; 2]) {
        assert!(are_there(), "asked by the caller");
        // SAFETY: the processor has what `compress` is compiled for, see the line above.
        unsafe { compress(states, blocks) }
    }

    #[target_feature(enable = "sha,avx")]
    fn compress(states: [&mut Words; 2], blocks: [&[Block]; 2]) {
        let mut lanes = states.each_ref().map(|state| Lane {
            abef: packed([state[0], state[1], state[4], state[5]]),
            cdgh: packed([state[2], state[3], state[6], state[7]]),
            schedule: [_mm_setzero_si128(); 4],
        });
        for (first, second) in blocks[0].iter().zip(blocks[1]) {
            compress_block(&mut lanes, [first, second]);
        }
        for (lane, state) in lanes.iter().zip(states) {
            [state[0], state[1], state[4], state[5]] = unpacked(lane.abef);
            [state[2], state[3], state[6], state[7]] = unpacked(lane.cdgh);
        }
    }

    /// FIPS 180-4, section 6.2.2.
    #[inline]
    #[target_feature(enable = "sha,avx")]
    fn compress_block(lanes: &mut [Lane; 2], blocks: [&Block; 2]) {
        let before = lanes.each_ref().map(|lane| (lane.abef, lane.cdgh));
        for (lane, block) in lanes.iter_mut().zip(blocks) {
            lane.schedule = array::from_fn(|part| load(block, part));
        }
        let ([first, second, third, last], _) = K.as_chunks::<16>() else {
            unreachable!("64 are four times 16");
        };
        for k in [first, second, third] {
            four_rounds::<0>(lanes, k);
            schedule::<0>(lanes);
            four_rounds::<1>(lanes, k);
            schedule::<1>(lanes);
            four_rounds::<2>(lanes, k);
            schedule::<2>(lanes);
            four_rounds::<3>(lanes, k);
            schedule::<3>(lanes);
        }
        four_rounds::<0>(lanes, last);
        four_rounds::<1>(lanes, last);
        four_rounds::<2>(lanes, last);
        four_rounds::<3>(lanes, last);
        for (lane, (abef, cdgh)) in lanes.iter_mut().zip(before) {
            lane.abef = _mm_add_epi32(lane.abef, abef);
            lane.cdgh = _mm_add_epi32(lane.cdgh, cdgh);
        }
    }

    /// The rounds of part `P` of the schedule.
    #[inline]
    #[target_feature(enable = "sha,avx")]
    fn four_rounds<const P: usize>(lanes: &mut [Lane; 2], k: &[u32; 16]) {
        let k = packed([k[4 * P + 3], k[4 * P + 2], k[4 * P + 1], k[4 * P]]);
        for lane in lanes {
            let words = _mm_add_epi32(lane.schedule[P], k);
            lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, words);
            let words = _mm_shuffle_epi32::<0b00_00_11_10>(words);
            lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, words);
        }
    }

    /// Puts in part `P`, which was used, what comes 16 rounds later.
    #[inline]
    #[target_feature(enable = "sha,avx")]
    fn schedule<const P: usize>(lanes: &mut [Lane; 2]) {
        for Lane { schedule, .. } in lanes {
            let [w0, w1, w2, w3] = [0, 1, 2, 3].map(|on| schedule[(P + on) % 4]);
            let seven_back = _mm_alignr_epi8::<4>(w3, w2);
            let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), seven_back);
            schedule[P] = _mm_sha256msg2_epu32(sum, w3);
        }
    }

    /// Four words of a block, which are big-endian.
    #[inline]
    #[target_feature(enable = "sha,avx")]
    fn load(block: &Block, part: usize) -> __m128i {
        let (halves, _) = block.as_chunks::<8>();
        let [low, high] = [2 * part, 2 * part + 1].map(|at| i64::from_le_bytes(halves[at]));
        let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        _mm_shuffle_epi8(_mm_set_epi64x(high, low), swap)
    }

    /// Four words in a register, the first one in the highest place.
    #[inline]
    #[target_feature(enable = "sha,avx")]
    fn packed(words: [u32; 4]) -> __m128i {
        let [first, second, third, fourth] = words.map(u32::cast_signed);
        _mm_set_epi32(first, second, third, fourth)
    }

    /// The opposite of [`packed`].
    #[inline]
    #[target_feature(enable = "sha,avx")]
    fn unpacked(words: __m128i) -> [u32; 4] {
        [
            _mm_extract_epi32::<3>(words),
            _mm_extract_epi32::<2>(words),
            _mm_extract_epi32::<1>(words),
            _mm_extract_epi32::<0>(words),
        ]
        .map(i32::cast_unsigned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::block_api::compress256;

    fn blocks() -> impl Strategy<Value = Vec<Block>> {
        prop::collection::vec(any::<[u8; 64]>(), 0..9)
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_processor_with_sha_instructions_uses_them() {
        let has_them = is_x86_feature_detected!("sha") && is_x86_feature_detected!("avx");
        assert_eq!(has_instructions(), has_them);
    }

    proptest! {
        #[test]
        fn both_states_are_those_of_each_alone(
            states in any::<[Words; 2]>(), first in blocks(), second in blocks(),
        ) {
            let mut together = states;
            let [one, other] = &mut together;
            let count = compress([one, other], [&first, &second]);
            let shorter = first.len().min(second.len());
            prop_assert_eq!(count, if has_instructions() { shorter } else { 0 });
            let mut alone = states;
            compress256(&mut alone[0], &first[..count]);
            compress256(&mut alone[1], &second[..count]);
            prop_assert_eq!(together, alone);
        }
    }
}
