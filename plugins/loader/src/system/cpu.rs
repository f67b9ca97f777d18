//! Instructions this machine has, by the names of Rust's target features.

/// Whether this machine has the feature; one we cannot ask for counts as missing.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_feature(name: &str) -> bool {
    use std::arch::is_x86_feature_detected as has;

    match name {
        "sse" | "sse2" => true,
        "sse3" => has!("sse3"),
        "ssse3" => has!("ssse3"),
        "sse4.1" => has!("sse4.1"),
        "sse4.2" => has!("sse4.2"),
        "popcnt" => has!("popcnt"),
        "lzcnt" => has!("lzcnt"),
        "movbe" => has!("movbe"),
        "aes" => has!("aes"),
        "pclmulqdq" => has!("pclmulqdq"),
        "sha" => has!("sha"),
        "adx" => has!("adx"),
        "f16c" => has!("f16c"),
        "fma" => has!("fma"),
        "avx" => has!("avx"),
        "avx2" => has!("avx2"),
        "bmi1" => has!("bmi1"),
        "bmi2" => has!("bmi2"),
        "avx512f" => has!("avx512f"),
        "avx512bw" => has!("avx512bw"),
        "avx512cd" => has!("avx512cd"),
        "avx512dq" => has!("avx512dq"),
        "avx512vl" => has!("avx512vl"),
        _ => false,
    }
}

/// Whether this machine has the feature; one we cannot ask for counts as missing.
#[cfg(target_arch = "aarch64")]
pub(crate) fn has_feature(name: &str) -> bool {
    use std::arch::is_aarch64_feature_detected as has;

    match name {
        "neon" => true,
        "fp16" => has!("fp16"),
        "aes" => has!("aes"),
        "sha2" => has!("sha2"),
        "sha3" => has!("sha3"),
        "crc" => has!("crc"),
        "lse" => has!("lse"),
        "rdm" => has!("rdm"),
        "dotprod" => has!("dotprod"),
        "sve" => has!("sve"),
        "sve2" => has!("sve2"),
        _ => false,
    }
}

/// Whether this machine has the feature: nothing is known of other machines.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn has_feature(_name: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_is_there_and_the_unknown_is_not() {
        assert!(has_feature(if cfg!(target_arch = "x86_64") { "sse2" } else { "neon" }));
        assert!(!has_feature("warp"));
    }
}
