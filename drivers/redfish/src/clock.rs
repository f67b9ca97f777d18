//! The clock of a BMC.

use jiff::Timestamp;
use jiff::tz::Offset;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::error::{Failure, Result};
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::resource::manager::Manager;

/// How far two clocks that are set alike may differ, in seconds.
const DIFFERENCE_MAX: i64 = 1;

impl Operation {
    /// Sets the clock of the machine's first BMC, and looks whether it goes by that.
    ///
    /// # Errors
    ///
    /// [`Failure::Unsupported`] without a BMC that has a clock; [`Failure::Failed`] when it shows another time; those
    /// of a PATCH.
    pub async fn set_clock(&self, found: &Found, wanted: Timestamp, offset: Option<Offset>) -> Result<()> {
        let (path, manager) = self.clock(found).await?;
        let shown = manager.date_time.unwrap_or_default();
        let zoned = wanted.to_zoned(offset.unwrap_or(Offset::UTC).to_time_zone());
        // Some BMCs refuse fractions of a second, and take the form they show.
        let form = if shown.contains('.') { "%Y-%m-%dT%H:%M:%S%.3f%:z" } else { "%Y-%m-%dT%H:%M:%S%:z" };
        let mut body = Map::from_iter([("DateTime".to_owned(), json!(zoned.strftime(form).to_string()))]);
        if offset.is_some() || manager.date_time_local_offset.is_some() {
            body.insert("DateTimeLocalOffset".to_owned(), json!(zoned.strftime("%:z").to_string()));
        }
        let begun = tokio::time::Instant::now();
        self.patch(&path, &Value::Object(body)).await?;
        let now: Manager = self.read(&path).await?;
        let passed = i64::try_from(begun.elapsed().as_secs()).unwrap_or(i64::MAX);
        let differs = now.date_time.as_deref().and_then(read).is_none_or(|shown| {
            let ahead = shown.as_second().saturating_sub(wanted.as_second());
            !(-DIFFERENCE_MAX..=passed.saturating_add(DIFFERENCE_MAX)).contains(&ahead)
        });
        if differs {
            let shown = now.date_time.unwrap_or_default();
            let text = format!("the clock of `{path}` was set and shows `{shown}`");
            return Err(self.error(Method::PATCH, &path, Failure::Failed(text)));
        }
        Ok(())
    }

    /// How many seconds the clock of the machine's first BMC is ahead of ours.
    ///
    /// # Errors
    ///
    /// [`Failure::Unsupported`] without a BMC that has a clock; those of reading.
    pub async fn clock_ahead(&self, found: &Found) -> Result<i64> {
        let (path, manager) = self.clock(found).await?;
        let shown = manager.date_time.as_deref().and_then(read);
        let Some(shown) = shown else {
            let reason = "a time that is none".to_owned();
            let request = format!("GET `{path}`");
            return Err(self.error(Method::GET, &path, Failure::Unexpected { request, reason }));
        };
        Ok(shown.as_second().saturating_sub(Timestamp::now().as_second()))
    }

    async fn clock(&self, found: &Found) -> Result<(String, Manager)> {
        for path in self.managers(found).await? {
            let manager: Option<Manager> = self.read_optional(&path).await?;
            if let Some(manager) = manager.filter(|manager| manager.date_time.is_some()) {
                return Ok((path, manager));
            }
        }
        let text = format!("no BMC of `{}` has a clock", found.path);
        Err(self.error(Method::GET, &found.path, Failure::Unsupported(text)))
    }
}

/// Reads a time; some BMCs write offsets without a colon.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_seen() {
        let second = |text| read(text).map(Timestamp::as_second);

        for text in [
            "1994-11-06T08:49:37Z",
            "1994-11-06T02:49:37-06:00",
            "1994-11-06T02:49:37-0600",
            "1994-11-06T08:49:37.250+00:00",
        ] {
            assert_eq!(second(text), Some(784_111_777), "{text}");
        }
        assert_eq!(second("0000-00-00T00:00:00"), None);
        assert_eq!(second(""), None);
    }
}
