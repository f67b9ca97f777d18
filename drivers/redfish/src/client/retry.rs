//! Which answers are asked for again, and when.
//!
//! A request that changes something is repeated only when the BMC says that it did nothing.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use rand::RngExt;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};

use super::message::{Message, Messages};

/// Longest pause a BMC may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// A growing pause is at most this many times the first.
const GROWTH_MAX: u32 = 8;

/// Share of a pause that is added at random, so that many BMCs are not asked in step.
const JITTER_MAX: f64 = 0.2;

/// Messages that mean "not now": registry (any if none) and identifier.
#[rustfmt::skip]
const NOT_READY: &[(Option<&str>, &str)] = &[
    (None,        "SYS518"),                         // iDRAC after a restart, with 400 or 503
    (None,        "SWC0700"),                        // iDRAC while it initializes
    (Some("iLO"), "InvalidOperationForSystemState"), // iLO during POST
    (None,        "ServiceTemporarilyUnavailable"),  // Base; its first argument is seconds
    (None,        "ResourceInUse"),                  // Base
    (None,        "ServiceInUnknownState"),          // Base
    // next message above this line
];

/// A request that is to be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Again {
    /// How long the BMC wants us to wait, if it said so.
    pub(super) wait: Option<Duration>,
}

/// Judges an answer: `None` when it is final, good or bad.
pub(super) fn judge(
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    messages: &Messages,
) -> Option<Again> {
    let not_ready = messages.list().iter().find(|message| is_not_ready(message));
    let asked = retry_after(headers).or_else(|| not_ready.and_then(seconds_named));
    let read = matches!(*method, Method::GET | Method::HEAD);
    let again = match status.as_u16() {
        400 | 409 => not_ready.is_some(),
        429 | 503 => read || not_ready.is_some() || headers.contains_key(RETRY_AFTER),
        500 | 502 | 504 => read,
        _ => false,
    };
    again.then_some(Again { wait: asked })
}

/// The pause before try number `attempt` (the first repetition is 1) that starts with `first` and doubles.
pub(super) fn growing(first: Duration, attempt: u32) -> Duration {
    let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(GROWTH_MAX).min(GROWTH_MAX);
    jittered(first * factor)
}

/// The pause with a random part added.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 + rand::rng().random_range(0.0..JITTER_MAX))
}

/// `Retry-After` as seconds or as a date, capped; what is neither is ignored.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are as good as the cap.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let until = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()?;
    let wait = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default();
    Some(wait.min(RETRY_AFTER_MAX))
}

fn is_not_ready(message: &Message) -> bool {
    NOT_READY.iter().any(|(registry, id)| {
        message.id.eq_ignore_ascii_case(id)
            && registry.is_none_or(|registry| message.registry.eq_ignore_ascii_case(registry))
    })
}

fn seconds_named(message: &Message) -> Option<Duration> {
    if !message.id.eq_ignore_ascii_case("ServiceTemporarilyUnavailable") {
        return None;
    }
    let seconds = message.args.first()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    fn messages(id: &str, args: &[&str]) -> Messages {
        let body = json!({"error": {"@Message.ExtendedInfo": [{"MessageId": id, "MessageArgs": args}]}});
        Messages::read(body.to_string().as_bytes())
    }

    fn judged(method: &Method, status: u16, id: &str, header: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        }
        judge(method, StatusCode::from_u16(status).unwrap(), &headers, &messages(id, &[])).is_some()
    }

    #[test]
    fn answers_are_repeated_as_the_table_says() {
        #[rustfmt::skip]
        let rows = [
            // status, message, Retry-After, GET again, POST again
            (200, "Base.1.8.Success", None, false, false),
            (400, "Base.1.8.PropertyMissing", None, false, false),
            (400, "IDRAC.2.8.SYS518", None, true, true),
            (400, "IDRAC.2.8.SWC0700", None, true, true),
            (400, "iLO.2.14.InvalidOperationForSystemState", None, true, true),
            (400, "Acme.1.0.InvalidOperationForSystemState", None, false, false),
            (400, "iLO.2.14.UnableToModifyDuringSystemPOST", None, false, false),
            (404, "Base.1.8.ResourceMissingAtURI", None, false, false),
            (409, "Base.1.8.ActionParameterValueConflict", None, false, false),
            (409, "Base.1.12.ResourceInUse", None, true, true),
            (412, "Base.1.8.PreconditionFailed", None, false, false),
            (429, "Base.1.8.GeneralError", None, true, false),
            (429, "Base.1.8.GeneralError", Some("3"), true, true),
            (500, "Base.1.8.InternalError", None, true, false),
            (501, "Base.1.8.GeneralError", None, false, false),
            (502, "Base.1.8.GeneralError", None, true, false),
            (503, "Base.1.8.GeneralError", None, true, false),
            (503, "Base.1.8.GeneralError", Some("1"), true, true),
            (503, "IDRAC.2.8.SYS518", None, true, true),
            (503, "Base.1.13.ServiceInUnknownState", None, true, true),
            (504, "Base.1.8.GeneralError", None, true, false),
        ];
        for (status, id, header, get, post) in rows {
            assert_eq!(judged(&Method::GET, status, id, header), get, "GET {status} {id} {header:?}");
            assert_eq!(judged(&Method::POST, status, id, header), post, "POST {status} {id} {header:?}");
            assert_eq!(judged(&Method::PATCH, status, id, header), post, "PATCH {status} {id} {header:?}");
        }
    }

    fn asked(value: &'static str) -> Option<Duration> {
        retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]))
    }

    #[test]
    fn retry_after_is_read_and_capped() {
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("1000000000"), Some(RETRY_AFTER_MAX));
        assert_eq!(asked("99999999999999999999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(asked("-1"), None);
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("Fri, 06 Nov 2693 08:49:37 GMT"), Some(RETRY_AFTER_MAX));
    }

    #[test]
    fn a_busy_service_names_its_seconds() {
        let messages = messages("Base.1.8.ServiceTemporarilyUnavailable", &["12"]);

        let again = judge(&Method::GET, StatusCode::SERVICE_UNAVAILABLE, &HeaderMap::new(), &messages);

        assert_eq!(again, Some(Again { wait: Some(Duration::from_secs(12)) }));
    }

    proptest! {
        #[test]
        fn pauses_grow_to_eight_times_the_first_and_a_fifth(attempt in 1_u32..100, first in 0_u64..10_000) {
            let first = Duration::from_millis(first);
            let pause = growing(first, attempt);
            prop_assert!(pause >= first && pause <= first * GROWTH_MAX * 6 / 5);
        }
    }
}
