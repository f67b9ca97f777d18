//! What names a resource: UUIDs and MAC addresses.

/// The positions of the hyphens in a UUID.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Whether text is a UUID as the API writes it: 32 digits in five groups, in any case.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if HYPHENS.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// Whether text could be taken for a UUID, with or without hyphens.
pub fn is_uuid_like(text: &str) -> bool {
    is_uuid(text) || (text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A MAC address in the form it is stored: six pairs of lower case digits with colons between them.
///
/// `None` when text is no such address in any case.
pub fn mac_address(text: &str) -> Option<String> {
    let address = text.to_ascii_lowercase();
    let pairs =
        address.split(':').filter(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()));
    (address.len() == 17 && pairs.count() == 6).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_hyphens_in_their_places() {
        assert!(is_uuid("a1b2c3d4-0001-4000-8000-00000000000F"));
        for text in ["", "a1b2c3d4000140008000000000000001", "a1b2c3d4-0001-4000-8000-00000000000g", "é"] {
            assert!(!is_uuid(text), "{text}");
        }
        assert!(is_uuid_like("a1b2c3d4000140008000000000000001"));
    }

    #[test]
    fn mac_addresses_are_stored_in_lower_case() {
        assert_eq!(mac_address("52:54:00:AA:00:02").as_deref(), Some("52:54:00:aa:00:02"));
        for text in
            ["not-a-mac", "52:54:00:aa:00", "52:54:00:aa:00:02:03", "52-54-00-aa-00-02", "52:5:400:aa:00:02"]
        {
            assert_eq!(mac_address(text), None, "{text}");
        }
    }
}
