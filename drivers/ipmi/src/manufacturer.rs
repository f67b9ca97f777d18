//! Who makes a BMC.

/// Manufacturer IDs as in Get Device ID, and the names vendors go by in `properties.vendor`.
///
/// Source: IANA private enterprise numbers.
#[rustfmt::skip]
const NAMES: &[(u32, &str)] = &[
    (2,     "ibm"),
    (9,     "cisco"),
    (11,    "hp"),
    (343,   "intel"),
    (674,   "dell"),
    (2623,  "asus"),
    (5771,  "cisco"),
    (7244,  "quanta"),
    (10368, "fujitsu"),
    (10876, "supermicro"),
    (15000, "kontron"),
    (19046, "lenovo"),
    (20301, "ibm"),
    (37945, "inspur"),
    (42817, "ibm"),
    (47196, "hpe"),
    (49622, "asrockrack"),
    // next manufacturer above this line
];

/// A manufacturer ID has 20 bits; the rest is reserved.
const ID_MASK: u32 = 0x000F_FFFF;

/// The name of a manufacturer, or its number where there is none.
pub(crate) fn name(id: u32) -> String {
    let id = id & ID_MASK;
    let known = NAMES.iter().find(|(known, _)| *known == id);
    known.map_or_else(|| format!("unknown (0x{id:04X})"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makers_have_short_names_and_strangers_numbers() {
        assert_eq!(name(674), "dell");
        assert_eq!(name(10876), "supermicro");
        assert_eq!(name(0x00F0_0000 | 11), "hp");
        assert_eq!(name(0x1291), "unknown (0x1291)");
    }
}
