//! Asking a BMC for an update, and finding one that was asked for.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::address::canonical;
use crate::client::error::{Failure, RedfishError, Result};
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::resource::raw::Raw;
use crate::resource::task::{Task, TaskPhase};
use crate::virtual_media::ImageUrl;

/// What is asked for, and where.
#[derive(Debug)]
pub(super) struct Order {
    target: String,
    image: String,
    body: Value,
}

impl Operation {
    /// Makes out what to ask for; asks for nothing yet.
    pub(super) async fn order(&self, found: &Found, url: &str) -> Result<Order> {
        let root = self.root().await?;
        let service = root.update_service.as_deref().and_then(|link| self.link(link));
        let service = match &service {
            Some(path) => self.read_optional::<Raw>(path).await?.unwrap_or_default(),
            None => Raw::default(),
        };
        let action = service.part("Actions").part("#UpdateService.SimpleUpdate");
        let Some(target) = action.text("target").and_then(|target| self.link(target)) else {
            let text = "this BMC fetches no firmware by itself; images cannot be pushed to it by this driver"
                .to_owned();
            let failure = Failure::Unsupported(text);
            return Err(self.error(Method::POST, &found.path, failure));
        };
        let image =
            ImageUrl::parse(url).map_err(|text| self.error(Method::POST, &target, Failure::Invalid(text)))?;
        let mut body = json!({"ImageURI": image.as_str(), "TransferProtocol": image.protocol()});
        // Only a BMC of several machines has to be told which one is meant.
        let systems = root.systems.as_deref().and_then(|link| self.link(link));
        if let Some(systems) = systems
            && self.members(&systems).await?.len() > 1
            && let Some(body) = body.as_object_mut()
        {
            body.insert("Targets".to_owned(), json!([found.path]));
        }
        Ok(Order { target, image: image.as_str().to_owned(), body })
    }

    /// Asks for an update; where to watch it, if it goes on.
    pub(super) async fn begin_update(&self, order: &Order) -> Result<Option<String>> {
        match self.act(&order.target, &order.body).await {
            Ok(answer) => Ok(self.monitor_of(&answer)),
            Err(error) if error.is_outcome_unknown() => self
                .find_update(order)
                .await
                .map(Some)
                .map_err(|_| self.lost(order, &error.failure.to_string())),
            Err(error) => Err(error),
        }
    }

    /// Where to watch an update that was asked for and whose answer nobody has.
    ///
    /// # Errors
    ///
    /// [`Failure::Failed`] when it is not seen: whether it has begun cannot be told, and twice is worse than not at
    /// all.
    pub(super) async fn find_update(&self, order: &Order) -> Result<String> {
        let root = self.root().await?;
        let service = root.tasks.as_deref().and_then(|link| self.link(link));
        let service = match &service {
            Some(path) => self.look(path).await?.unwrap_or_default(),
            None => Raw::default(),
        };
        let tasks = self.collection(&service, "Tasks", false).await?;
        let mut seen = tasks.into_iter().filter(|(_, task)| self.is_of(task, order)).map(|(path, _)| path);
        match (seen.next(), seen.next()) {
            (Some(path), None) => Ok(path),
            (None, _) => Err(self.lost(order, "no task of it is seen")),
            (Some(_), Some(_)) => Err(self.lost(order, "several tasks could be its own")),
        }
    }

    /// Whether a task is this update under way.
    fn is_of(&self, task: &Raw, order: &Order) -> bool {
        let payload = task.part("Payload");
        let target = payload.text("TargetUri").and_then(|target| self.link(target));
        let same = target.is_some_and(|target| canonical(&target) == canonical(&order.target));
        let image = |body: &str| body.replace("\\/", "/").contains(&order.image);
        let task: Task = serde_json::from_value(Value::Object(task.0.clone())).unwrap_or_default();
        same && payload.text("JsonBody").is_none_or(image) && task.phase() == Some(TaskPhase::Running)
    }

    fn lost(&self, order: &Order, why: &str) -> RedfishError {
        let text = format!("the answer to an update was lost, it may be under way: {why}");
        self.error(Method::POST, &order.target, Failure::Failed(text))
    }
}
