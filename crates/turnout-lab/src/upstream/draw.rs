//! Repeatable chance: a hash of what a thing is, used as its luck. No state, so calls that overlap cannot disturb each other's draws.

/// A number that follows from `seed` and `salt` and looks random (the finaliser of splitmix64).
pub(super) fn draw(seed: u64, salt: u64) -> u64 {
    let mut mixed = seed.wrapping_add(salt.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// The same, from 0 (included) to 1 (excluded).
pub(super) fn fraction(seed: u64, salt: u64) -> f64 {
    (draw(seed, salt) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A seed out of a text (FNV-1a).
pub(super) fn of_text(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}
