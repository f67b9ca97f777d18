use farrier_sdk::serde_json::json;
use farrier_sdk::testing;
use proptest::prelude::*;

use super::*;

fn read(info: Value) -> Result<IpmiInfo> {
    IpmiInfo::from_map(info.as_object().unwrap())
}

/// Reads `driver_info` with one key beside a good address.
fn with(key: &str, value: Value) -> Result<IpmiInfo> {
    let mut info = json!({"ipmi_address": "192.0.2.7"});
    info.as_object_mut().unwrap().insert(key.to_owned(), value);
    read(info)
}

fn options(table: &Value) -> IpmiOptions {
    IpmiOptions::from_map(table.as_object().unwrap()).unwrap()
}

async fn target_with(key: &str, value: Value) -> Result<Arc<Target>> {
    let mut info = json!({"ipmi_address": "192.0.2.7"});
    info.as_object_mut().unwrap().insert(key.to_owned(), value);
    target(&options(&json!({})), &testing::task(json!({ "driver_info": info })).unwrap()).await
}

#[test]
fn an_address_is_enough() {
    let info = read(json!({"ipmi_address": "192.0.2.7"})).unwrap();

    assert_eq!((info.ipmi_address.as_str(), info.ipmi_port), ("192.0.2.7", 623));
    assert_eq!(info.ipmi_priv_level, Privilege::Administrator);
    assert_eq!((info.ipmi_cipher_suite, info.ipmi_disable_boot_timeout), (None, None));
    assert!(!info.ipmi_force_boot_device);
}

#[test]
fn a_missing_address_is_named() {
    let error = read(json!({"ipmi_username": "admin"})).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::MissingParameter);
    assert_eq!(error.message(), "missing `ipmi_address`");
}

#[test]
fn addresses_are_ip_addresses_and_host_names() {
    for (given, taken) in [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("BMC-7.example.com", "bmc-7.example.com"),
        ("rack1", "rack1"),
    ] {
        assert_eq!(read(json!({ "ipmi_address": given })).unwrap().ipmi_address, taken);
    }
    for wrong in
        ["", "a b", "-bmc", "bmc_7", "256.1.1.1", "1.2.3", "http://bmc", "bmc;reboot", "a..b", "fe80::1%"]
    {
        let error = read(json!({ "ipmi_address": wrong })).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{wrong}");
        assert!(error.message().starts_with("`ipmi_address`: "), "{error}");
    }
    assert!(read(json!({"ipmi_address": 7})).is_err());
}

#[test]
fn ports_are_numbers_or_digits() {
    assert_eq!(with("ipmi_port", json!(6230)).unwrap().ipmi_port, 6230);
    assert_eq!(with("ipmi_port", json!("6230")).unwrap().ipmi_port, 6230);
    for wrong in [json!(0), json!(65_536), json!("sixhundred"), json!(-1), json!(6.5)] {
        let error = with("ipmi_port", wrong).unwrap_err();
        assert!(error.message().contains("`ipmi_port`: "), "{error}");
        assert!(error.message().ends_with("is not a port from 1 to 65535"), "{error}");
    }
}

#[test]
fn user_names_too_long_are_refused_and_never_cut() {
    assert_eq!(with("ipmi_username", json!("sixteen-bytes-16")).unwrap().ipmi_username, "sixteen-bytes-16");
    for wrong in [json!("seventeen-bytes17"), json!("sechzehnbytesöäü"), json!("a\0b"), json!(true)] {
        let error = with("ipmi_username", wrong).unwrap_err();
        assert!(error.message().starts_with("`ipmi_username`: "), "{error}");
    }
}

#[test]
fn levels_are_upper_case() {
    for level in Privilege::ALL {
        assert_eq!(with("ipmi_priv_level", json!(level.as_str())).unwrap().ipmi_priv_level, level);
    }

    let error = with("ipmi_priv_level", json!("operator")).unwrap_err();

    assert_eq!(
        error.message(),
        "`ipmi_priv_level`: \"operator\" is not one of ADMINISTRATOR, OPERATOR, USER, CALLBACK"
    );
}

#[test]
fn only_good_cipher_suites_can_be_pinned() {
    assert_eq!(with("ipmi_cipher_suite", json!("17")).unwrap().ipmi_cipher_suite, Some(CipherSuite::Sha256));
    assert_eq!(with("ipmi_cipher_suite", json!(3)).unwrap().ipmi_cipher_suite, Some(CipherSuite::Sha1));
    assert_eq!(
        with("ipmi_cipher_suite", json!("x")).unwrap_err().message(),
        "`ipmi_cipher_suite`: \"x\" is not a supported cipher suite, use 3 or 17"
    );
}

#[tokio::test]
async fn an_insecure_suite_is_refused_unless_an_operator_asks_twice() {
    for suite in [0, 1, 2, 15, 16] {
        let info = json!({"ipmi_address": "192.0.2.7", "ipmi_cipher_suite": suite});
        let task = testing::task(json!({ "driver_info": info })).unwrap();

        let error = target(&options(&json!({})), &task).await.unwrap_err();
        let allowed = options(&json!({"allow_insecure_cipher_suites": true}));

        assert!(
            error.message().contains(&format!("{suite} is an insecure cipher suite, use 3 or 17")),
            "{error}"
        );
        assert_eq!(target(&allowed, &task).await.unwrap().suite.unwrap().id(), suite);
    }
}

#[tokio::test]
async fn versions_are_numbers_or_text() {
    for (value, version) in [
        (json!(2.0), Version::V2_0),
        (json!("2.0"), Version::V2_0),
        (json!(2), Version::V2_0),
        (json!("1.5"), Version::V1_5),
        (json!(1.5), Version::V1_5),
    ] {
        assert_eq!(target_with("ipmi_protocol_version", value).await.unwrap().version, version);
    }
    let error = with("ipmi_protocol_version", json!("3.0")).unwrap_err();
    assert_eq!(error.message(), "`ipmi_protocol_version`: \"3.0\" is not one of 2.0, 1.5");
}

#[tokio::test]
async fn the_older_version_has_shorter_passwords_and_no_suites() {
    for (key, value) in [("ipmi_password", json!("seventeen-bytes17")), ("ipmi_cipher_suite", json!(3))] {
        let info = json!({"ipmi_address": "192.0.2.7", "ipmi_protocol_version": "1.5", key: value});
        let task = testing::task(json!({ "driver_info": info })).unwrap();

        let error = target(&options(&json!({})), &task).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        assert!(error.message().starts_with(&format!("`{key}`: ")), "{error}");
        assert!(!error.message().contains("seventeen-bytes17"), "{error}");
    }
}

async fn routed(info: Value) -> Result<Arc<Target>> {
    let mut whole = json!({"ipmi_address": "192.0.2.7"});
    whole.as_object_mut().unwrap().extend(info.as_object().unwrap().clone());
    target(&options(&json!({})), &testing::task(json!({ "driver_info": whole }))?).await
}

#[tokio::test]
async fn bridging_leads_over_one_hop_or_two() {
    let single =
        json!({"ipmi_bridging": "single", "ipmi_target_channel": "7", "ipmi_target_address": "0x72"});
    let mut dual = single.clone();
    dual.as_object_mut().unwrap().extend(
        json!({
            "ipmi_bridging": "dual", "ipmi_transit_channel": 0, "ipmi_transit_address": 0x82,
            "ipmi_local_address": "0x24",
        })
        .as_object()
        .unwrap()
        .clone(),
    );
    let target = Hop { channel: 7, address: 0x72 };

    assert_eq!(routed(json!({"ipmi_bridging": "no", "ipmi_target_channel": "7"})).await.unwrap().route, None);
    assert_eq!(
        routed(single).await.unwrap().route,
        Some(Route { local_address: 0x20, target, transit: None })
    );
    assert_eq!(
        routed(dual).await.unwrap().route,
        Some(Route { local_address: 0x24, target, transit: Some(Hop { channel: 0, address: 0x82 }) })
    );
}

#[tokio::test]
async fn bridging_names_all_it_lacks_and_what_is_wrong() {
    let error = routed(json!({"ipmi_bridging": "dual", "ipmi_target_channel": 7})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingParameter);
    assert_eq!(
        error.message(),
        "dual bridging needs `ipmi_target_address`, `ipmi_transit_channel`, `ipmi_transit_address`"
    );

    for (key, value) in [
        ("ipmi_bridging", json!("triple")),
        ("ipmi_target_channel", json!(16)),
        ("ipmi_target_address", json!("0x172")),
        ("ipmi_local_address", json!(true)),
    ] {
        let error = with(key, value).unwrap_err();
        assert!(error.message().starts_with(&format!("`{key}`: ")), "{error}");
    }
}

#[test]
fn booleans_are_spelled_in_many_ways() {
    for (value, taken) in [
        (json!(true), true),
        (json!("True"), true),
        (json!("on"), true),
        (json!(1), true),
        (json!("0"), false),
        (json!("No"), false),
    ] {
        assert_eq!(with("ipmi_force_boot_device", value).unwrap().ipmi_force_boot_device, taken);
    }
    let error = with("ipmi_disable_boot_timeout", json!("perhaps")).unwrap_err();
    assert!(error.message().contains("`ipmi_disable_boot_timeout`: \"perhaps\" is neither"), "{error}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let error = read(json!({"ipmi_port": 0, "ipmi_priv_level": "ROOT"})).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::MissingParameter);
    for key in ["`ipmi_address`", "`ipmi_port`", "`ipmi_priv_level`"] {
        assert!(error.message().contains(key), "{error}");
    }
}

#[tokio::test]
async fn secrets_are_revealed_and_checked_and_never_shown() {
    let target = target_with("ipmi_password", json!("secret")).await.unwrap();
    assert_eq!(target.credentials.password().expose(), b"secret");
    assert_eq!(target.credentials.bmc_key().map(Secret::expose), None);

    let target = target_with("ipmi_hex_kg_key", json!("00aBff")).await.unwrap();
    assert_eq!(target.credentials.bmc_key().unwrap().expose(), &[0x00, 0xAB, 0xFF]);

    let forty_two_digits = "aa".repeat(21);
    for (key, wrong) in [
        ("ipmi_password", "a-password-beyond-20-b"),
        ("ipmi_hex_kg_key", "abc"),
        ("ipmi_hex_kg_key", "0xab"),
        ("ipmi_hex_kg_key", forty_two_digits.as_str()),
    ] {
        let error = target_with(key, json!(wrong)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        assert!(error.message().starts_with(&format!("`{key}`: ")), "{error}");
        assert!(!error.message().contains(wrong), "{error}");
    }
}

#[tokio::test]
async fn a_number_may_be_a_password() {
    let target = target_with("ipmi_password", json!(1234)).await.unwrap();

    assert_eq!(target.credentials.password().expose(), b"1234");
}

/// Any value an operator's client may send.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[0-9a-fx.:%-]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("[a-z]{1,8}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn no_value_panics_and_every_refusal_names_its_key(index in 0..KEYS.len(), value in any_value()) {
        let key = KEYS[index];
        if let Err(error) = with(key, value) {
            prop_assert!(error.message().contains(&format!("`{key}`")), "{error}");
        }
    }
}

#[test]
fn all_keys_are_known() {
    let described: Vec<farrier_sdk::descriptor::PropertyDescriptor> =
        serde_json::from_str(IpmiInfo::DESCRIPTOR).unwrap();
    let mut described: Vec<_> = described.into_iter().map(|property| property.name).collect();
    let mut known = KEYS.map(str::to_owned).to_vec();
    described.sort();
    known.sort();

    assert_eq!(described, known);
}
