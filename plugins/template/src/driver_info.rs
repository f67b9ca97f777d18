//! What an operator says about each node.

use farrier_sdk::prelude::*;

/// `driver_info` of a node. It is read and checked before each call; the comments are shown to operators.
#[derive(Debug, Properties)]
pub(crate) struct TemplateInfo {
    /// Address and TCP port of the device, as `host:port`
    #[property(parse = address, kind = "host:port")]
    pub(crate) template_address: String,
    /// Password of the device; none when absent
    // A reference: the value stays with the conductor until the driver asks for it.
    #[property(secret)]
    pub(crate) template_password: Option<SecretRef>,
}

/// Reads an address. The text of the error says what is expected and never repeats the value.
fn address(value: &Value) -> std::result::Result<String, String> {
    let text = value.as_str().unwrap_or_default();
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.to_owned()),
        _ => Err("expected `host:port`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;
    use farrier_sdk::testing;

    use super::*;

    fn read(driver_info: &Value) -> Result<DriverTask<TemplateInfo>> {
        testing::task(json!({"driver_info": driver_info}))
    }

    #[test]
    fn an_address_is_required() {
        let error = read(&json!({})).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::MissingParameter);
        assert_eq!(error.message(), "missing `template_address`");
    }

    #[test]
    fn an_address_has_a_port() {
        for wrong in [json!("bmc"), json!("bmc:"), json!(":80"), json!("bmc:http"), json!(80)] {
            let error = read(&json!({"template_address": wrong})).unwrap_err();
            assert_eq!(error.message(), "`template_address`: expected `host:port`", "{wrong}");
        }
        assert!(read(&json!({"template_address": "[::1]:80"})).is_ok());
    }
}
