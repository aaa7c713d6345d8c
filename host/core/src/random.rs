//! Random numbers that follow from a seed and a place, whatever was drawn before.

/// The number at `index`, counted from 0, of the SplitMix64 sequence from `seed` (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014).
pub fn split_mix(seed: u64, index: u64) -> u64 {
    let mut bits = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A seed that follows from `seed` and a name: FNV-1a of the name (Fowler, Noll and Vo, draft-eastlake-fnv), as an index of
/// [`split_mix`].
pub fn named(seed: u64, name: &str) -> u64 {
    split_mix(seed, fnv_1a(name.as_bytes()))
}

fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_hashes_of_the_reference() {
        // From the test vectors of draft-eastlake-fnv.
        assert_eq!(fnv_1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv_1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv_1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_sequence_is_that_of_the_reference() {
        // The first numbers of Vigna's splitmix64.c from the seed 1234567.
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([0, 1, 2].map(|index| split_mix(1_234_567, index)), expected);
    }
}
