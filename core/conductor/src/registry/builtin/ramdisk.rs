//! Deployment by booting an image that stays outside of the machine's disks: `instance_info.boot_iso`.
//!
//! It knows no protocol: how the machine is switched and how it gets at the image is up to the node's power, boot,
//! network and storage interfaces, whatever plugin they come from.
//!
//! Source: Ironic's ramdisk deploy.

use farrier_sdk::prelude::*;
use tracing::{info, warn};

use crate::images::{BOOT_ISO, FILE};

/// What a boot interface has to be able to do.
const CAPABILITY: &str = "ramdisk_boot";
/// What it has to be able to do for a config drive.
const CAPABILITY_CONFIG_DRIVE: &str = "ramdisk_boot_configdrive";

/// Longest address of an image. BMCs accept less, and say so.
const ADDRESS_LENGTH_MAX: usize = 2048;

/// Boots the image, and leaves the machine to what is in it.
pub(in crate::registry) struct RamdiskDeploy;

#[interface(deploy, name = "ramdisk")]
impl DeployInterface for RamdiskDeploy {
    type Info = NoInfo;

    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        check_image(task)?;
        let boot = task.boot();
        if !boot.get_capabilities().await?.iter().any(|capability| capability == CAPABILITY) {
            return Err(DriverError::invalid_parameter(format!(
                "the boot interface of this node does not boot images (it lacks the capability `{CAPABILITY}`), \
                 choose one that does, such as `redfish-virtual-media`"
            )));
        }
        boot.validate().await
    }

    /// Boot the image
    #[step(deploy, priority = 100)]
    async fn deploy(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        warn_of_config_drive(task).await?;
        power_off(task).await?;
        task.network().configure_tenant_networks().await?;
        task.boot().prepare_instance().await?;
        power_on(task).await?;
        info!(node = task.node().uuid, "machine boots its image");
        Ok(StepOutcome::Done)
    }

    async fn tear_down(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        power_off(task).await?;
        task.storage().detach_volumes().await?;
        task.network().unconfigure_tenant_networks().await?;
        task.network().remove_provisioning_network().await?;
        Ok(StepOutcome::Done)
    }

    /// Also what a conductor does that takes the node over: the medium of a machine that runs from it stays where it
    /// is.
    async fn prepare(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        match task.node().provision_state.as_str() {
            "deploying" => {
                task.network().validate().await?;
                power_off(task).await?;
                task.storage().attach_volumes().await
            }
            "active" | "unrescuing" if !has_medium(task).await? => task.boot().prepare_instance().await,
            _ => Ok(()),
        }
    }

    /// The machine is off before its medium is taken away. What can be done is done, whatever goes wrong before.
    async fn clean_up(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        let off = match task.node().provision_state.as_str() {
            "deploying" | "deleting" => power_off(task).await,
            _ => Ok(()),
        };
        let boot = task.boot();
        let ramdisk = supported(boot.clean_up_ramdisk().await);
        let instance = boot.clean_up_instance().await;
        instance.and(ramdisk).and(off)
    }

    async fn take_over(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }
}

/// Whether the node has an image that somebody outside of this machine can fetch.
fn check_image(task: &DriverTask<NoInfo>) -> Result<()> {
    let image = match task.node().instance_info.get(BOOT_ISO) {
        None | Some(Value::Null) => "",
        Some(Value::String(image)) => image,
        Some(_) => return Err(invalid("has to be text")),
    };
    if image.is_empty() {
        let text = format!("missing `{BOOT_ISO}` in `instance_info`: the address of the image to boot");
        return Err(DriverError::missing_parameter(text));
    }
    if image.starts_with(FILE) {
        return Err(invalid(
            "names a file that this conductor does not serve: it has to be an existing file below one of the \
             `directories` of table `[image_server]`",
        ));
    }
    if ADDRESS_LENGTH_MAX < image.len() {
        return Err(invalid(&format!("is longer than {ADDRESS_LENGTH_MAX} characters")));
    }
    if image.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Err(invalid("contains spaces or control characters"));
    }
    let host =
        image.split_once("://").map(|(scheme, rest)| (scheme, rest.split('/').next().unwrap_or_default()));
    match host {
        Some((scheme, host)) if ["http", "https", "nfs", "cifs"].contains(&scheme) && !host.is_empty() => {
            Ok(())
        }
        Some(_) | None => Err(invalid(
            "has to be an address with a host: http://, https://, nfs://, cifs:// or, for \
             a file of this conductor, file://",
        )),
    }
}

fn invalid(what: &str) -> DriverError {
    DriverError::invalid_parameter(format!("`{BOOT_ISO}` in `instance_info` {what}"))
}

/// A config drive is not worth a failure: what is in the image may do without.
async fn warn_of_config_drive(task: &DriverTask<NoInfo>) -> Result<()> {
    if task.node().instance_info.get("configdrive").is_none_or(Value::is_null) {
        return Ok(());
    }
    if !task.boot().get_capabilities().await?.iter().any(|capability| capability == CAPABILITY_CONFIG_DRIVE) {
        warn!(node = task.node().uuid, "config drive is ignored, the boot interface can not hand it over");
    }
    Ok(())
}

/// Switches the machine off; one that must not be off stays on.
async fn power_off(task: &DriverTask<NoInfo>) -> Result<()> {
    if task.node().disable_power_off {
        return Ok(());
    }
    task.power().set_power_state(PowerState::Off, None).await
}

/// Lets the machine start from the beginning.
async fn power_on(task: &DriverTask<NoInfo>) -> Result<()> {
    if task.node().disable_power_off {
        return task.power().reboot(None).await;
    }
    task.power().set_power_state(PowerState::On, None).await
}

/// Whether something is in a drive of the machine; no if nobody can say.
async fn has_medium(task: &DriverTask<NoInfo>) -> Result<bool> {
    match task.management().get_virtual_media().await {
        Ok(drives) => Ok(drives.iter().any(|drive| drive.inserted)),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(false),
        Err(error) => Err(error),
    }
}

/// What an interface lacks it has not left behind either.
fn supported(done: Result<()>) -> Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests;
