//! Asking a BMC for an update, and finding one that was asked for.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::address::{canonical, path_of};
use crate::client::error::{Failure, RedfishError, Result};
use crate::client::operation::Operation;
use crate::client::push::Push;
use crate::discovery::Found;
use crate::resource::raw::Raw;
use crate::resource::task::{Task, TaskPhase};
use crate::virtual_media::ImageUrl;

/// Longest time a file may take to a BMC that fetches none itself.
const PUSH_TIME_MAX: Duration = Duration::from_mins(30);

/// Where a BMC takes files: in parts with what is to be done with them, or alone.
const PUSH_PLACES: [(&str, bool); 2] = [("MultipartHttpPushUri", true), ("HttpPushUri", false)];

/// What is asked for, and where.
#[derive(Debug)]
pub(super) struct Order {
    target: String,
    image: String,
    way: Way,
}

/// How an image comes to a BMC.
#[derive(Debug)]
enum Way {
    /// It fetches the image itself.
    Fetched {
        /// What it is asked for.
        body: Value,
    },
    /// It is sent the image.
    Pushed {
        /// What goes with it.
        parameters: Option<Value>,
        /// Most bytes that it takes, if it says so.
        size_max: Option<u64>,
    },
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
        let invalid = |text| self.error(Method::POST, &found.path, Failure::Invalid(text));
        let image = ImageUrl::parse(url).map_err(invalid)?;
        let targets = self.targets(found).await?;
        let with_targets = |mut body: Map<String, Value>| {
            body.extend(targets.clone().map(|targets| ("Targets".to_owned(), targets)));
            Value::Object(body)
        };
        let action = service.part("Actions").part("#UpdateService.SimpleUpdate");
        if let Some(target) = action.text("target").and_then(|target| self.link(target)) {
            let body = with_targets(Map::from_iter([
                ("ImageURI".to_owned(), json!(image.as_str())),
                ("TransferProtocol".to_owned(), json!(image.protocol())),
            ]));
            return Ok(Order { target, image: image.as_str().to_owned(), way: Way::Fetched { body } });
        }
        // Only here a link may lead out of the service.
        let place = PUSH_PLACES
            .iter()
            .find_map(|(name, in_parts)| Some((path_of(service.text(name)?)?.to_owned(), *in_parts)));
        let Some((target, in_parts)) = place else {
            let text = "this BMC neither fetches firmware nor takes any".to_owned();
            return Err(self.error(Method::POST, &found.path, Failure::Unsupported(text)));
        };
        let parameters = in_parts.then(|| with_targets(Map::new()));
        let way =
            Way::Pushed { parameters, size_max: service.count("MaxImageSizeBytes").filter(|max| *max > 0) };
        Ok(Order { target, image: image.as_str().to_owned(), way })
    }

    /// Which machine is meant: only a BMC of several has to be told.
    async fn targets(&self, found: &Found) -> Result<Option<Value>> {
        let systems = self.root().await?.systems.as_deref().and_then(|link| self.link(link));
        Ok(match systems {
            Some(systems) if self.members(&systems).await?.len() > 1 => Some(json!([found.path])),
            Some(_) | None => None,
        })
    }

    /// Asks for an update; where to watch it, if it goes on.
    pub(super) async fn begin_update(&self, order: &Order) -> Result<Option<String>> {
        let answer = match &order.way {
            Way::Fetched { body } => self.act(&order.target, body).await,
            Way::Pushed { parameters, size_max } => {
                let push = Push { url: &order.image, parameters: parameters.as_ref(), size_max: *size_max };
                self.part(PUSH_TIME_MAX).push(&order.target, &push).await
            }
        };
        match answer {
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
        let target = payload.text("TargetUri").and_then(path_of);
        let same = target.is_some_and(|target| canonical(target) == canonical(&order.target));
        let image = |body: &str| body.replace("\\/", "/").contains(&order.image);
        let task: Task = serde_json::from_value(Value::Object(task.0.clone())).unwrap_or_default();
        // What is pushed does not stand in what was asked.
        let named = matches!(order.way, Way::Pushed { .. }) || payload.text("JsonBody").is_none_or(image);
        same && named && task.phase() == Some(TaskPhase::Running)
    }

    fn lost(&self, order: &Order, why: &str) -> RedfishError {
        let text = format!("the answer to an update was lost, it may be under way: {why}");
        self.error(Method::POST, &order.target, Failure::Failed(text))
    }
}
