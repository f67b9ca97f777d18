//! Vendor methods: subscriptions to the events of a BMC.
//!
//! Source: DSP0268, `EventDestination`; Ironic, `RedfishVendorPassthru`.

use farrier_sdk::prelude::*;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::client::error::{Failure, RedfishError};
use crate::client::operation::Operation;
use crate::driver_info::RedfishInfo;
use crate::resource::raw::Raw;
use crate::shared::{READ_LIMIT, Shared, WRITE_LIMIT};
use crate::virtual_media::{MediaKind, tuning};

/// What is subscribed to where nothing else is said.
const EVENT_TYPES: [&str; 1] = ["Alert"];

/// Protocol of a subscription where nothing else is said.
const PROTOCOL: &str = "Redfish";

/// Longest identifier of a subscription.
const ID_SIZE_MAX: usize = 256;

/// What is told of a subscription.
const SHOWN: [&str; 5] = ["Id", "Context", "Protocol", "Destination", "EventTypes"];

/// Vendor methods over Redfish.
///
/// Source: Ironic, redfish vendor.
#[derive(Debug)]
pub struct RedfishVendor {
    shared: Arc<Shared>,
}

impl RedfishVendor {
    /// An implementation with the clients of the plugin.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

#[interface(vendor, name = "redfish")]
impl VendorInterface for RedfishVendor {
    type Info = RedfishInfo;

    async fn validate(
        &self,
        task: &DriverTask<RedfishInfo>,
        method: Option<String>,
        arguments: Map<String, Value>,
    ) -> Result<()> {
        match method.as_deref() {
            Some("create_subscription") => Subscription::read(&arguments).map(drop)?,
            Some("delete_subscription" | "get_subscription") => id_of(&arguments).map(drop)?,
            Some("eject_vmedia") => device_of(&arguments).map(drop)?,
            Some(_) | None => {}
        }
        task.info().validate(task, self.shared.options()).await
    }

    /// Subscribe to the events of the BMC
    #[vendor_method(http_methods = ["POST"], asynchronous = false)]
    pub async fn create_subscription(
        &self,
        task: &DriverTask<RedfishInfo>,
        arguments: Map<String, Value>,
    ) -> Result<Value> {
        let wanted = Subscription::read(&arguments)?;
        let operation = self.shared.operation(task, "create subscription", WRITE_LIMIT).await?;
        Ok(operation.subscribe(&wanted).await?)
    }

    /// Delete a subscription
    #[vendor_method(http_methods = ["DELETE"], asynchronous = false)]
    pub async fn delete_subscription(
        &self,
        task: &DriverTask<RedfishInfo>,
        arguments: Map<String, Value>,
    ) -> Result<()> {
        let id = id_of(&arguments)?;
        let operation = self.shared.operation(task, "delete subscription", WRITE_LIMIT).await?;
        let (place, _) = operation.subscriptions().await?;
        Ok(operation.delete(&joined(&place, &id)).await?)
    }

    /// Show a subscription
    #[vendor_method(http_methods = ["GET"], asynchronous = false, exclusive = false)]
    pub async fn get_subscription(
        &self,
        task: &DriverTask<RedfishInfo>,
        arguments: Map<String, Value>,
    ) -> Result<Value> {
        let id = id_of(&arguments)?;
        let operation = self.shared.operation(task, "get subscription", READ_LIMIT).await?;
        let (place, _) = operation.subscriptions().await?;
        let path = joined(&place, &id);
        Ok(shown(&operation.read::<Raw>(&path).await?, &path))
    }

    /// List all subscriptions
    #[vendor_method(http_methods = ["GET"], asynchronous = false, exclusive = false)]
    pub async fn get_all_subscriptions(
        &self,
        task: &DriverTask<RedfishInfo>,
        _arguments: Map<String, Value>,
    ) -> Result<Value> {
        let operation = self.shared.operation(task, "list subscriptions", READ_LIMIT).await?;
        let (place, _) = operation.subscriptions().await?;
        let members = operation.resources::<Raw>(&place, false).await?;
        Ok(members.iter().map(|(path, subscription)| shown(subscription, path)).collect())
    }

    /// Eject virtual media; detaching virtual media does the same
    #[vendor_method(http_methods = ["POST"], asynchronous = false)]
    pub async fn eject_vmedia(
        &self,
        task: &DriverTask<RedfishInfo>,
        arguments: Map<String, Value>,
    ) -> Result<()> {
        let kind = device_of(&arguments)?;
        let operation = self.shared.operation(task, "eject virtual media", WRITE_LIMIT).await?;
        let media = tuning(self.shared.options(), None);
        let kinds = kind.map(|kind| [kind]);
        let kinds = kinds.as_ref().map(<[MediaKind; 1]>::as_slice);
        Ok(operation.eject_media(task.info().system_id(), kinds, &media).await?)
    }
}

/// A subscription that is asked for.
#[derive(Debug, Clone, PartialEq)]
struct Subscription {
    destination: String,
    event_types: Vec<String>,
    context: String,
    protocol: String,
    headers: Vec<Value>,
}

impl Subscription {
    fn read(arguments: &Map<String, Value>) -> Result<Self> {
        let mut wrong = Vec::new();
        for name in arguments.keys() {
            if !["Destination", "EventTypes", "Context", "Protocol", "HttpHeaders"].contains(&name.as_str()) {
                let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                wrong.push(format!("`{name}` is not known"));
            }
        }
        let mut text = |name: &str, default: &str| match arguments.get(name) {
            None | Some(Value::Null) => default.to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => {
                wrong.push(format!("`{name}` is not text"));
                String::new()
            }
        };
        let (destination, context, protocol) =
            (text("Destination", ""), text("Context", ""), text("Protocol", PROTOCOL));
        if arguments.get("Destination").is_none_or(Value::is_null) {
            return Err(DriverError::missing_parameter("missing `Destination`"));
        }
        let url = reqwest::Url::parse(&destination).ok();
        if !url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            wrong.push("`Destination` is not an absolute http or https URL".to_owned());
        }
        let event_types = match arguments.get("EventTypes") {
            None | Some(Value::Null) => Some(EVENT_TYPES.map(str::to_owned).to_vec()),
            Some(Value::Array(list)) => list.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
            Some(_) => None,
        };
        if event_types.is_none() {
            wrong.push("`EventTypes` is not a list of texts".to_owned());
        }
        let headers = match arguments.get("HttpHeaders") {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::Array(list)) if list.iter().all(Value::is_object) => Some(list.clone()),
            Some(_) => None,
        };
        if headers.is_none() {
            wrong.push("`HttpHeaders` is not a list of objects".to_owned());
        }
        if !wrong.is_empty() {
            return Err(DriverError::invalid_parameter(wrong.join("; ")));
        }
        let (event_types, headers) = (event_types.unwrap_or_default(), headers.unwrap_or_default());
        Ok(Self { destination, event_types, context, protocol, headers })
    }

    fn body(&self, with_types: bool) -> Value {
        let mut body =
            json!({"Destination": self.destination, "Context": self.context, "Protocol": self.protocol});
        if let Some(body) = body.as_object_mut() {
            if with_types {
                body.insert("EventTypes".to_owned(), json!(self.event_types));
            }
            if !self.headers.is_empty() {
                body.insert("HttpHeaders".to_owned(), json!(self.headers));
            }
        }
        body
    }
}

impl Operation {
    /// Where subscriptions are, and the service they belong to.
    async fn subscriptions(&self) -> Result<(String, Raw), RedfishError> {
        let root = self.root().await?;
        let missing = || {
            let text = "this BMC takes no subscriptions to its events".to_owned();
            self.error(Method::GET, self.lease().account().address.prefix(), Failure::Unsupported(text))
        };
        let path = root.event_service.as_deref().and_then(|link| self.link(link)).ok_or_else(missing)?;
        let service: Raw = self.read_optional(&path).await?.ok_or_else(missing)?;
        let place = service.link("Subscriptions").and_then(|link| self.link(link)).ok_or_else(missing)?;
        Ok((place, service))
    }

    async fn subscribe(&self, wanted: &Subscription) -> Result<Value, RedfishError> {
        let (place, service) = self.subscriptions().await?;
        if let Some(known) = service.value("EventTypesForSubscription").and_then(Value::as_array) {
            let unknown: Vec<_> = wanted
                .event_types
                .iter()
                .filter(|kind| !known.iter().any(|known| known.as_str() == Some(kind)))
                .map(|kind| format!("`{kind}`"))
                .collect();
            if !known.is_empty() && !unknown.is_empty() {
                let text = format!("this BMC has no events of the types {}", unknown.join(", "));
                return Err(self.error(Method::POST, &place, Failure::Invalid(text)));
            }
        }
        let answer = match self.act(&place, &wanted.body(true)).await {
            // Newer BMCs do not know types of events any more.
            Err(error) if refuses_types(&error) => self.act(&place, &wanted.body(false)).await?,
            other => other?,
        };
        let created: Raw = crate::resource::read(&answer.body).unwrap_or_default();
        let named = answer.headers.get(reqwest::header::LOCATION).and_then(|value| value.to_str().ok());
        let path = named.or_else(|| created.link("@odata.id")).and_then(|link| self.link(link));
        match path {
            Some(path) if created.text("Destination").is_none() => {
                Ok(shown(&self.read::<Raw>(&path).await?, &path))
            }
            path => Ok(shown(&created, path.as_deref().unwrap_or(&place))),
        }
    }
}

fn refuses_types(error: &RedfishError) -> bool {
    error.status() == Some(StatusCode::BAD_REQUEST)
        && error.messages().is_some_and(|messages| {
            let named = |text: &String| text.contains("EventTypes");
            messages.mentions("EventTypes")
                || messages
                    .list()
                    .iter()
                    .any(|message| message.args.iter().chain(&message.related).any(named))
        })
}

/// What is told of a subscription; it can hold headers with secrets, which are not.
fn shown(subscription: &Raw, path: &str) -> Value {
    let member = |name: &str| subscription.value(name).cloned().unwrap_or_default();
    let mut members: Map<String, Value> =
        SHOWN.map(|name| (name.to_owned(), member(name))).into_iter().collect();
    members.insert("Id".to_owned(), Value::from(subscription.id(path)));
    Value::Object(members)
}

/// The path of a subscription: exactly one slash between the two.
fn joined(place: &str, id: &str) -> String {
    format!("{}/{id}", place.trim_end_matches('/'))
}

fn id_of(arguments: &Map<String, Value>) -> Result<String> {
    let id = match arguments.get("id") {
        None | Some(Value::Null) => return Err(DriverError::missing_parameter("missing `id`")),
        Some(Value::String(id)) => id.clone(),
        Some(other) => other.to_string(),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~%:@".contains(c);
    if id.is_empty() || id.len() > ID_SIZE_MAX || !id.chars().all(plain) || id.chars().all(|c| c == '.') {
        return Err(DriverError::invalid_parameter("`id`: is not the identifier of a subscription"));
    }
    Ok(id)
}

fn device_of(arguments: &Map<String, Value>) -> Result<Option<MediaKind>> {
    match arguments.get("boot_device") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => {
            MediaKind::from_name(name).map(Some).map_err(DriverError::invalid_parameter)
        }
        Some(_) => Err(DriverError::invalid_parameter("`boot_device`: expected text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn subscriptions_are_checked_before_anything_is_sent() {
        let read = |value: Value| Subscription::read(&arguments(value));

        let good = read(json!({"Destination": "https://h/x"})).unwrap();
        assert_eq!((good.event_types, good.protocol.as_str()), (vec!["Alert".to_owned()], "Redfish"));
        assert_eq!(read(json!({})).unwrap_err().kind(), ErrorKind::MissingParameter);
        for bad in [
            json!({"Destination": "h/x"}),
            json!({"Destination": "ftp://h"}),
            json!({"Destination": 7}),
            json!({"Destination": "http://h", "EventTypes": "Alert"}),
            json!({"Destination": "http://h", "HttpHeaders": {"a": "b"}}),
            json!({"Destination": "http://h", "Context": 1}),
            json!({"Destination": "http://h", "Other": 1}),
        ] {
            assert_eq!(read(bad.clone()).unwrap_err().kind(), ErrorKind::InvalidParameter, "{bad}");
        }
    }

    #[test]
    fn identifiers_cannot_leave_their_collection() {
        let id = |value: Value| id_of(&arguments(json!({"id": value})));

        assert_eq!(id(json!("7")).unwrap(), "7");
        assert_eq!(id(json!(7)).unwrap(), "7");
        for bad in ["", "..", "a/b", "a?b", "a b", "a#b"] {
            assert_eq!(id(json!(bad)).unwrap_err().kind(), ErrorKind::InvalidParameter, "{bad}");
        }
        assert_eq!(joined("/redfish/v1/S/", "7"), "/redfish/v1/S/7");
    }
}
