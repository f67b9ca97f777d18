//! What an operator says about each node.

use farrier_sdk::http::VerifyCa;
use farrier_sdk::prelude::*;

/// `driver_info` of a node. It is read and checked before each call; the comments are shown to operators.
#[derive(Debug, Properties)]
pub(crate) struct AcmeInfo {
    /// Address of the BMC, as `https://host` or `http://host:port`
    #[property(parse = address, kind = "URL")]
    pub(crate) acme_address: String,
    /// Name of the management account
    #[property(default = "admin")]
    pub(crate) acme_username: String,
    /// Password of the management account
    // A reference: the value stays with the conductor, which puts it into requests.
    #[property(secret)]
    pub(crate) acme_password: SecretRef,
    /// Whose certificates are believed: `true` the system's, `false` anybody's, or the path of a PEM file
    #[property(default)]
    pub(crate) acme_verify_ca: VerifyCa,
}

/// Reads an address. The text of the error says what is expected and never repeats the value.
fn address(value: &Value) -> std::result::Result<String, String> {
    let text = value.as_str().unwrap_or_default();
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    // No user, query or fragment: it is shown in errors.
    if rest.is_empty() || rest.starts_with(['/', ':']) || rest.contains(['@', '?', '#']) {
        return Err("expected `https://host` or `http://host:port`".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;
    use farrier_sdk::testing;

    use super::*;

    fn read(driver_info: &Value) -> Result<DriverTask<AcmeInfo>> {
        testing::task(json!({"driver_info": driver_info}))
    }

    #[test]
    fn all_that_is_missing_is_named() {
        let error = read(&json!({})).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::MissingParameter);
        assert_eq!(error.message(), "missing `acme_address`, `acme_password`");
    }

    #[test]
    fn an_address_is_one_and_is_not_repeated() {
        for wrong in ["bmc", "ftp://bmc", "https://", "https://admin:hunter2@bmc", "http://:80"] {
            let error = read(&json!({"acme_address": wrong, "acme_password": "x"})).unwrap_err();
            assert_eq!(
                error.message(),
                "`acme_address`: expected `https://host` or `http://host:port`",
                "{wrong}"
            );
        }
        assert!(read(&json!({"acme_address": "https://[::1]:8443", "acme_password": "x"})).is_ok());
    }

    #[test]
    fn certificates_are_checked_unless_the_operator_says_otherwise() {
        let verify = |value: Value| {
            let info = json!({"acme_address": "https://bmc", "acme_password": "x", "acme_verify_ca": value});
            read(&info).unwrap().info().acme_verify_ca.clone()
        };

        assert_eq!(verify(Value::Null), VerifyCa::System);
        assert_eq!(verify(json!(false)), VerifyCa::Anybody);
        assert_eq!(verify(json!("/etc/acme.pem")), VerifyCa::File("/etc/acme.pem".to_owned()));
    }
}
