//! Virtual media: images that a BMC shows the machine as a disc.

use farrier_model::node::NodeName;
use farrier_sdk::interface::management::VirtualMedia;

use super::management::{failed, start};
use super::{Conductor, abandon};
use crate::error::ConductorError;
use crate::task::{Acquire, ExclusiveTask, Job, JobError, RequestContext};

impl Conductor {
    /// The virtual media devices of a machine and what is in them. Takes no lock.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`; what the driver answers.
    pub async fn virtual_media(
        &self,
        context: RequestContext,
        name: &NodeName,
    ) -> Result<Vec<VirtualMedia>, ConductorError> {
        let node = self.node(name).await?;
        let acquire = Acquire { context, ..Acquire::new("getting virtual media") };
        let mut task = self.tasks.acquire_shared(&node, acquire).await?;
        let management = task.management()?;
        management.validate().await.map_err(management.0.failed("validate"))?;
        management.get_virtual_media().await.map_err(management.0.failed("get_virtual_media"))
    }

    /// Starts to insert an image into a virtual media device; what goes wrong later stays on the node.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`, what the driver says of its settings, `NoFreeConductorWorker`.
    pub async fn attach_virtual_media(
        &self,
        context: RequestContext,
        name: &NodeName,
        device_type: String,
        image_url: String,
    ) -> Result<(), ConductorError> {
        let job = Job::new("attach_virtual_media", move |task| {
            Box::pin(async move { attach(task, device_type, image_url).await.map_err(JobError::from) })
        });
        self.change_media(context, name, "attaching virtual media", job).await
    }

    /// Starts to eject what is in the devices of these types, or in all; what goes wrong later stays on the node.
    ///
    /// # Errors
    ///
    /// Those of [`Conductor::attach_virtual_media`].
    pub async fn detach_virtual_media(
        &self,
        context: RequestContext,
        name: &NodeName,
        device_types: Option<Vec<String>>,
    ) -> Result<(), ConductorError> {
        let job = Job::new("detach_virtual_media", move |task| {
            Box::pin(async move { detach(task, device_types).await.map_err(JobError::from) })
        });
        self.change_media(context, name, "detaching virtual media", job).await
    }

    async fn change_media(
        &self,
        context: RequestContext,
        name: &NodeName,
        purpose: &str,
        job: Job,
    ) -> Result<(), ConductorError> {
        let node = self.node(name).await?;
        let mut task = self.exclusive(context, &node, purpose).await?;
        let checked = async {
            let management = task.management()?;
            management.validate().await.map_err(management.0.failed("validate"))
        };
        match checked.await {
            Ok(()) => start(task, job).await,
            Err(error) => abandon(task, error).await,
        }
    }
}

async fn attach(
    task: &mut ExclusiveTask,
    device_type: String,
    image_url: String,
) -> Result<(), ConductorError> {
    let management = task.management()?;
    let what = format!("Failed to attach an image to device {device_type}");
    let attached = management.attach_virtual_media(device_type, image_url).await;
    match attached.map_err(management.0.failed("attach_virtual_media")) {
        Ok(()) => Ok(()),
        Err(error) => failed(task, &what, error).await,
    }
}

async fn detach(task: &mut ExclusiveTask, device_types: Option<Vec<String>>) -> Result<(), ConductorError> {
    let management = task.management()?;
    let detached = management.detach_virtual_media(device_types).await;
    match detached.map_err(management.0.failed("detach_virtual_media")) {
        Ok(()) => Ok(()),
        Err(error) => failed(task, "Failed to detach virtual media", error).await,
    }
}
