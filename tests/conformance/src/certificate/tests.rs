use serde_json::json;

use super::*;
use crate::report::{SCHEMA, Subject};
use crate::verdict::Verdict;

/// What `openssl genpkey -algorithm ed25519` wrote, and `openssl pkey -pubout` of it.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIPp5sSs0O0gj7Aqpwevd7LRfOGeQoW82s142/Z9BUZKX
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA9WAetLgnoRB7j9r+GuJAPcGTRBtjFIB91y47TB/1VbY=
-----END PUBLIC KEY-----
";
const OTHER: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAhzuTccpWmF+IhkH4ZVs5z9btN/wZNsFM5uWsi51aSpU=
-----END PUBLIC KEY-----
";

fn report() -> Report {
    Report {
        schema: SCHEMA,
        kit: "0.1.0".to_owned(),
        profile: "acme".to_owned(),
        aim: Verdict::Standard,
        verdict: Verdict::Full,
        missing: Vec::new(),
        untested: Vec::new(),
        filter: Vec::new(),
        // Beyond what a double can hold.
        seed: u64::MAX,
        plugin: Subject { name: "acme \"ä\"\n".to_owned(), ..Subject::default() },
        target: "memory".to_owned(),
        notes: Vec::new(),
        checks: Vec::new(),
        signature: None,
    }
}

/// A signed report as text.
fn signed() -> String {
    let mut report = report();
    SigningKey::from_pem(PRIVATE).unwrap().sign(&mut report).unwrap();
    report.json().unwrap()
}

fn verify(text: &str) -> Result<Report, CertificateError> {
    VerifyingKey::from_pem(PUBLIC).unwrap().verify(text)
}

#[test]
fn a_report_is_what_was_signed_however_it_is_laid_out() {
    let text = signed();
    let compact = serde_json::from_str::<Value>(&text).unwrap().to_string();

    assert_eq!(verify(&text).unwrap().plugin, report().plugin);
    assert!(verify(&compact).is_ok());
}

#[test]
fn every_change_of_a_report_is_noticed() {
    let text = signed();
    let document: Value = serde_json::from_str(&text).unwrap();

    for (pointer, value) in [
        ("/verdict", json!("standard")),
        ("/seed", json!(1)),
        ("/plugin/sha256", json!("00")),
        ("/signature/value", json!("AAAA")),
        ("/signature/value", json!("not base64")),
    ] {
        let mut changed = document.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert_eq!(verify(&changed.to_string()), Err(CertificateError::Changed), "{pointer}");
    }
    let mut longer = document.clone();
    longer["more"] = json!("of what nobody signed");
    assert_eq!(verify(&longer.to_string()), Err(CertificateError::Changed));
    let twice = text.replacen("\"verdict\"", "\"verdict\": \"full\", \"verdict\"", 1);
    assert!(matches!(verify(&twice), Err(CertificateError::NoReport { .. })), "{twice}");
}

#[test]
fn who_signed_matters() {
    let text = signed();

    let other = VerifyingKey::from_pem(OTHER).unwrap().verify(&text).unwrap_err();
    let unsigned = verify(&report().json().unwrap()).unwrap_err();

    assert!(matches!(other, CertificateError::OtherKey { .. }), "{other}");
    assert_eq!(unsigned, CertificateError::Unsigned);
    let newer = text.replace("\"ed25519\"", "\"ed448\"");
    assert_eq!(verify(&newer), Err(CertificateError::Algorithm { algorithm: "ed448".to_owned() }));
}

#[test]
fn a_part_of_the_checks_is_not_signed() {
    let mut report = report();
    report.filter.push("POW".to_owned());

    let signed = SigningKey::from_pem(PRIVATE).unwrap().sign(&mut report);

    assert_eq!(signed, Err(CertificateError::Part));
    assert!(report.signature.is_none());
}

#[test]
fn a_key_of_another_kind_is_refused_without_repeating_it() {
    for (text, which) in [("", "private"), (PUBLIC, "private"), ("", "public"), (PRIVATE, "public")] {
        let error = if which == "private" {
            SigningKey::from_pem(text).map(drop).unwrap_err()
        } else {
            VerifyingKey::from_pem(text).map(drop).unwrap_err()
        };
        assert!(error.to_string().starts_with(&format!("the {which} key is not one")), "{error}");
        assert!(!error.to_string().contains("MC4C"), "{error}");
    }
}

#[test]
fn the_two_halves_of_a_key_have_one_fingerprint() {
    let private = SigningKey::from_pem(PRIVATE).unwrap();

    assert_eq!(private.verifying_key(), VerifyingKey::from_pem(PUBLIC).unwrap());
}

#[test]
fn the_signed_form_is_the_same_everywhere() {
    let document =
        json!({"b": [1, {}, [], null, "\u{7f}ä\n"], "a": {"z": true, "é": 0, "Z": -1}, "signature": 1});

    let bytes = signed_bytes(&document);

    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "farrier-conformance report 1\n{\"a\":{\"Z\":-1,\"z\":true,\"é\":0},\"b\":[1,{},[],null,\"\u{7f}ä\\n\"]}"
    );
}
