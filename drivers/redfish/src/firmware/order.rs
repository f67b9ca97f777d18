//! Asking a BMC for an update, and finding one that was asked for.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::address::{canonical, path_of};
use crate::client::error::{Failure, RedfishError, Result};
use crate::client::operation::Operation;
use crate::client::push::Push;
use crate::clock;
use crate::discovery::Found;
use crate::resource::raw::Raw;
use crate::resource::task::{Task, TaskPhase};
use crate::shared::READ_LIMIT;
use crate::virtual_media::ImageUrl;

/// Longest time a file may take to a BMC that fetches none itself.
const PUSH_TIME_MAX: Duration = Duration::from_mins(30);

/// Where a BMC takes files: in parts with what is to be done with them, or alone.
const PUSH_PLACES: [(&str, bool); 2] = [("MultipartHttpPushUri", true), ("HttpPushUri", false)];

/// What is asked for, and where; without `Debug`, because the image's URL may hold a password.
pub(super) struct Order {
    target: String,
    image: String,
    way: Way,
}

/// How an image comes to a BMC.
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

/// What tells an update of ours from others that the BMC is at.
#[derive(Debug)]
pub(super) enum Own<'a> {
    /// Its task was not among these.
    New(&'a [String]),
    /// Its task began no earlier, in seconds.
    Since(i64),
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
        if !in_parts && targets.is_some() {
            let text = "this BMC takes images for all of its machines only, and has several".to_owned();
            return Err(self.error(Method::POST, &found.path, Failure::Unsupported(text)));
        }
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
    ///
    /// # Errors
    ///
    /// None that [is retryable](RedfishError::is_retryable) when the BMC may have begun: an update is never asked for
    /// twice blindly.
    pub(super) async fn begin_update(&self, order: &Order) -> Result<Option<String>> {
        let (answer, before) = match &order.way {
            Way::Fetched { body } => (self.act(&order.target, body).await, Some(Vec::new())),
            Way::Pushed { parameters, size_max } => {
                let before = match self.task_paths().await {
                    Ok(paths) => Some(paths),
                    Err(error) if error.is_answer() => None,
                    Err(error) => return Err(error),
                };
                let push = Push { url: &order.image, parameters: parameters.as_ref(), size_max: *size_max };
                (self.part(PUSH_TIME_MAX).push(&order.target, &push).await, before)
            }
        };
        let error = match answer {
            Ok(answer) => return Ok(self.monitor_of(&answer)),
            Err(error) if !is_unclear(&error, order) => return Err(error),
            Err(error) => error,
        };
        let lost = || self.lost(order, &error.failure.to_string());
        let before = before.ok_or_else(lost)?;
        // A push may have lasted longer than what this operation began with.
        let part = self.part(READ_LIMIT);
        part.find_update(order, &Own::New(&before)).await.map(Some).map_err(|_| lost())
    }

    /// The tasks that the BMC shows.
    async fn task_paths(&self) -> Result<Vec<String>> {
        let service = self.task_service().await?;
        let Some(tasks) = service.link("Tasks").and_then(|link| self.link(link)) else {
            return Ok(Vec::new());
        };
        match self.members(&tasks).await {
            Err(error) if error.is_missing() => Ok(Vec::new()),
            outcome => outcome,
        }
    }

    async fn task_service(&self) -> Result<Raw> {
        let root = self.root().await?;
        let service = root.tasks.as_deref().and_then(|link| self.link(link));
        Ok(match &service {
            Some(path) => self.look(path).await?.unwrap_or_default(),
            None => Raw::default(),
        })
    }

    /// Where to watch an update that was asked for and whose answer nobody has.
    ///
    /// # Errors
    ///
    /// [`Failure::Failed`] when it is not seen: whether it has begun cannot be told, and twice is worse than not at
    /// all.
    pub(super) async fn find_update(&self, order: &Order, own: &Own<'_>) -> Result<String> {
        let service = self.task_service().await?;
        let tasks = self.collection(&service, "Tasks", false).await?;
        let fits = |(path, task): (String, Raw)| is_of(&path, &task, order, own).then_some(path);
        let mut seen = tasks.into_iter().filter_map(fits);
        match (seen.next(), seen.next()) {
            (Some(path), None) => Ok(path),
            (None, _) => Err(self.lost(order, "no task of it is seen")),
            (Some(_), Some(_)) => Err(self.lost(order, "several tasks could be its own")),
        }
    }

    fn lost(&self, order: &Order, why: &str) -> RedfishError {
        let text = format!("what came of an update is not known, it may be under way: {why}");
        self.error(Method::POST, &order.target, Failure::Failed(text))
    }
}

/// Whether nobody can tell from an error if the BMC has begun.
fn is_unclear(error: &RedfishError, order: &Order) -> bool {
    // What failed before, such as a login, has begun nothing.
    let of_order = Some(error.asked.path.as_str()) == order.target.split('?').next();
    let unclear = match &error.failure {
        Failure::Connection { outcome_unknown, .. } => *outcome_unknown,
        Failure::Status { status, .. } => matches!(status.as_u16(), 500 | 502 | 504),
        Failure::Unexpected { .. } => true,
        Failure::Authentication { .. }
        | Failure::SessionLimit { .. }
        | Failure::Denied { .. }
        | Failure::NotReady { .. }
        | Failure::Unsupported(_)
        | Failure::Invalid(_)
        | Failure::Failed(_)
        | Failure::PowerState(_) => false,
    };
    of_order && unclear
}

/// Whether a task is this update under way.
fn is_of(path: &str, task: &Raw, order: &Order, own: &Own<'_>) -> bool {
    let payload = task.part("Payload");
    let target = payload.text("TargetUri").and_then(path_of);
    let same = target.is_some_and(|target| canonical(target) == canonical(&order.target));
    let own = match (&order.way, own) {
        (Way::Fetched { .. }, _) => {
            let image = |body: &str| body.replace("\\/", "/").contains(&order.image);
            payload.text("JsonBody").is_none_or(image)
        }
        // What is pushed does not stand in what was asked.
        (Way::Pushed { .. }, Own::New(before)) => {
            !before.iter().any(|known| canonical(known) == canonical(path))
        }
        (Way::Pushed { .. }, Own::Since(since)) => {
            let began = task.text("StartTime").and_then(clock::read);
            began.is_some_and(|began| began.as_second() >= *since)
        }
    };
    let task: Task = serde_json::from_value(Value::Object(task.0.clone())).unwrap_or_default();
    same && own && task.phase() == Some(TaskPhase::Running)
}
