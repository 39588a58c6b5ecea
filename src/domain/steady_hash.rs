//! A hash that is the same on every machine and in every version, since shards and restarts rely on it: no secret,
//! and no guard against names that were made to collide.

/// FNV-1a, in 64 bits.
pub fn steady_hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_others_call_fnv_1a() {
        // The published test vectors of the function.
        assert_eq!(steady_hash([]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(steady_hash(*b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(steady_hash(*b"foobar"), 0x8594_4171_f739_67e8);
    }
}
