//! Telling others what becomes of a change: its start, and its end or its error.
//!
//! The start carries what was asked for, the end what is stored. A handler says it in one line:
//! `Tell::create(&state, &node).with(work).await?`. Nothing is looked up when nobody wants to hear of it.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use farrier_conductor::error::ConductorError;
use farrier_conductor::notify::Notifier;
use farrier_model::node::Node;
use farrier_model::notification::{Level, Status, Told};

use super::ApiState;

/// A change that is told of. `F` finds out what is asked for; if it cannot, the change will not be possible either
/// and nothing is told.
pub(super) struct Tell<T, F> {
    notifier: Notifier,
    publish: fn(&Notifier, &T, Status),
    asked: Pin<Box<F>>,
}

impl<T: Told + Clone> Tell<T, Ready<Result<T, ConductorError>>> {
    /// A record is to be made.
    pub(super) fn create(state: &ApiState, asked: &T) -> Self {
        Self::new(
            state,
            |notifier, record, status| notifier.changed(record, "create", status),
            ready(Ok(asked.clone())),
        )
    }
}

impl<T: Told, F: Future<Output = Result<T, ConductorError>>> Tell<T, F> {
    /// A record is to be made, and what it will be has to be found out.
    pub(super) fn create_of(state: &ApiState, asked: F) -> Self {
        Self::new(state, |notifier, record, status| notifier.changed(record, "create", status), asked)
    }

    /// A record is to become what is asked for.
    pub(super) fn update(state: &ApiState, asked: F) -> Self {
        Self::new(state, |notifier, record, status| notifier.changed(record, "update", status), asked)
    }

    /// A record is to be removed.
    pub(super) fn delete(state: &ApiState, current: F) -> Self {
        Self::new(state, |notifier, record, status| notifier.changed(record, "delete", status), current)
    }

    fn new(state: &ApiState, publish: fn(&Notifier, &T, Status), asked: F) -> Self {
        // On the heap: two futures with a whole node in each are too much for the handler's own.
        Self { notifier: state.conductor.notifier(), publish, asked: Box::pin(asked) }
    }

    /// Does it, and tells of its end with what `work` answers.
    ///
    /// # Errors
    ///
    /// Those of `work`.
    pub(super) fn with<E>(
        self,
        work: impl Future<Output = Result<T, E>>,
    ) -> impl Future<Output = Result<T, E>> {
        let work = Box::pin(work);
        async {
            let begun = self.begin().await;
            let stored = work.await?;
            begun.end(Some(&stored));
            Ok(stored)
        }
    }

    /// Does it, and tells of its end with what was asked for.
    ///
    /// # Errors
    ///
    /// Those of `work`.
    pub(super) fn around<R, E>(
        self,
        work: impl Future<Output = Result<R, E>>,
    ) -> impl Future<Output = Result<R, E>> {
        let work = Box::pin(work);
        async {
            let begun = self.begin().await;
            let answer = work.await?;
            begun.end(None);
            Ok(answer)
        }
    }

    /// Does it, and tells of its end with what `stored` reads afterwards.
    ///
    /// # Errors
    ///
    /// Those of `work`.
    pub(super) fn then<R, E>(
        self,
        work: impl Future<Output = Result<R, E>>,
        stored: impl Future<Output = Result<T, ConductorError>>,
    ) -> impl Future<Output = Result<R, E>> {
        let (work, stored) = (Box::pin(work), Box::pin(stored));
        async {
            let mut begun = self.begin().await;
            let answer = work.await?;
            begun.outcome = Status::End;
            let stored = if begun.asked.is_some() { stored.await.ok() } else { None };
            begun.end(stored.as_ref());
            Ok(answer)
        }
    }

    async fn begin(self) -> Begun<T> {
        let Self { notifier, publish, asked } = self;
        // Whoever wants anything wants errors.
        let asked = if notifier.is_wanted(Level::Error) { asked.await.ok().map(Box::new) } else { None };
        if let Some(asked) = &asked {
            publish(&notifier, asked, Status::Start);
        }
        Begun { notifier, publish, asked, outcome: Status::Error }
    }
}

impl<F: Future<Output = Result<Node, ConductorError>>> Tell<Node, F> {
    /// A node is to be put into maintenance, or out of it.
    pub(super) fn maintenance(state: &ApiState, asked: F) -> Self {
        Self::new(state, Notifier::maintenance_set, asked)
    }
}

/// A change whose start was told. Unless its end is, it has failed: by an error, or because the client has gone and
/// took the handler along; then nobody knows here what became of it, and whoever listens should look.
struct Begun<T> {
    notifier: Notifier,
    publish: fn(&Notifier, &T, Status),
    asked: Option<Box<T>>,
    /// What is told when this is dropped.
    outcome: Status,
}

impl<T> Begun<T> {
    fn end(mut self, stored: Option<&T>) {
        if let Some(asked) = self.asked.take() {
            (self.publish)(&self.notifier, stored.unwrap_or(&asked), Status::End);
        }
    }
}

impl<T> Drop for Begun<T> {
    fn drop(&mut self) {
        if let Some(asked) = &self.asked {
            (self.publish)(&self.notifier, asked, self.outcome);
        }
    }
}
