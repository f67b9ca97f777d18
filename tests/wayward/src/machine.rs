//! The machine, however it speaks.

use farrier_sdk::prelude::*;

use crate::driver_info::WaywardInfo;
use crate::shared::{Shared, lock};
use crate::{datagram, habits, http};

/// How a machine is spoken to.
pub(crate) enum Way {
    /// By HTTP, at this URL.
    Http(String),
    /// By datagrams, to this address.
    Datagram(String),
}

/// The way to the machine of this node.
pub(crate) fn way(shared: &Shared, task: &DriverTask<WaywardInfo>) -> Result<Way> {
    let info = task.info();
    if let Some(address) = &info.wayward_address {
        return Ok(Way::Datagram(address.clone()));
    }
    let Some(url) = &info.wayward_url else {
        return Err(DriverError::missing_parameter("missing `wayward_url`"));
    };
    if shared.breaks("CON-015") {
        let mut first = lock(&shared.first_urls);
        return Ok(Way::Http(first.entry(task.node().uuid.clone()).or_insert_with(|| url.clone()).clone()));
    }
    if shared.breaks("CON-009") {
        let mut last = lock(&shared.last_url);
        if !habits::is_crowded(shared) || last.is_empty() {
            last.clone_from(url);
        }
        return Ok(Way::Http(last.clone()));
    }
    Ok(Way::Http(url.clone()))
}

/// The URL of a machine that speaks HTTP.
pub(crate) fn url(shared: &Shared, task: &DriverTask<WaywardInfo>) -> Result<String> {
    match way(shared, task)? {
        Way::Http(url) => Ok(url),
        Way::Datagram(_) => Err(DriverError::hardware("this machine has nothing but power")),
    }
}

/// Whether the machine is on.
pub(crate) async fn power(shared: &Shared, task: &DriverTask<WaywardInfo>) -> Result<PowerState> {
    match way(shared, task)? {
        Way::Http(url) => {
            let system: Value = if task.info().wayward_through_host {
                task.http(&url).keep().get(http::SYSTEM).await?.json()?
            } else {
                http::system(shared, task, &url).await?
            };
            match system.get("PowerState").and_then(Value::as_str) {
                Some("On") => Ok(PowerState::On),
                Some(_) => Ok(PowerState::Off),
                None => Err(shared.or_vague("FLT-011", DriverError::protocol("there is no `PowerState`"))),
            }
        }
        Way::Datagram(address) => datagram::ask(shared, task, &address, "power?").await,
    }
}

/// Switches the machine.
pub(crate) async fn switch(shared: &Shared, task: &DriverTask<WaywardInfo>, on: bool) -> Result<()> {
    match way(shared, task)? {
        Way::Http(url) => http::reset(shared, task, &url, if on { "On" } else { "ForceOff" }).await,
        Way::Datagram(address) => {
            datagram::ask(shared, task, &address, if on { "on" } else { "off" }).await.map(drop)
        }
    }
}
