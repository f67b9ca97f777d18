//! Lists: from the query of a request to a page, and from its items to the answer.

use axum::response::Response;
use farrier_api::error::Fault;
use farrier_api::paging::{self, ListQuery};
use farrier_api::resource::Resource;
use farrier_store::{Page, SortDirection};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::answer;
use super::call::Call;
use super::patch::uuid;

/// A list as it was asked for.
#[derive(Debug)]
pub(super) struct List<'a> {
    /// What it is a list of.
    pub(super) resource: &'static Resource,
    /// Where it is, below `/v1`.
    pub(super) path: &'a str,
    /// What it was asked for.
    pub(super) query: ListQuery,
    base: &'a str,
}

/// What a list shows of each item unless the query says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// The short form.
    Short,
    /// Every member: the list is at a path that ends in `detail`.
    Whole,
}

impl<'a> List<'a> {
    /// Reads the query of a request for a list.
    ///
    /// # Errors
    ///
    /// - 400: an unknown argument, or one whose value is wrong.
    /// - 406: an argument or a member named in one is newer than the version in force.
    pub(super) fn parse(
        resource: &'static Resource,
        call: &'a Call,
        limit_max: u32,
        path: &'a str,
        detail: Detail,
    ) -> Result<Self, Fault> {
        let limit_max = usize::try_from(limit_max).unwrap_or(paging::LIMIT_MAX).max(1);
        let mut query = ListQuery::parse(resource, call.version, limit_max, &call.arguments)?;
        if detail == Detail::Whole {
            if query.fields.is_some() {
                return Err(Fault::unexpected_arguments(&["fields"]));
            }
            query.detail = true;
        }
        Ok(Self { resource, path, query, base: &call.base })
    }

    /// The page for the store.
    ///
    /// # Errors
    ///
    /// 400: the marker is no UUID.
    pub(super) fn page(&self) -> Result<Page, Fault> {
        Ok(Page {
            limit: u32::try_from(self.query.limit).ok(),
            marker: uuid("marker", self.query.marker.as_deref())?,
            sort_key: self.query.sort_key.clone(),
            sort_direction: match self.query.sort_dir {
                paging::SortDirection::Ascending => SortDirection::Ascending,
                paging::SortDirection::Descending => SortDirection::Descending,
            },
        })
    }

    /// The answer: the items, and where the next page is when this one is full. `last` is the key of the last item.
    pub(super) fn answer<T: Serialize>(&self, items: Vec<T>, last: Option<String>) -> Response {
        let last = last.filter(|_| self.query.limit <= items.len());
        let next = last.map(|last| self.query.next(self.base, self.path, self.resource, &last));
        answer::ok(Body { collection: self.resource.collection, items, next })
    }

    /// The answer of a list that has no second page.
    pub(super) fn answer_whole<T: Serialize>(&self, items: Vec<T>) -> Response {
        self.answer(items, None)
    }

    /// The answer of a list in which there can be nothing.
    pub(super) fn answer_nothing(&self) -> Response {
        self.answer_whole(Vec::<Value>::new())
    }
}

/// A list on the wire.
struct Body<T> {
    collection: &'static str,
    items: Vec<T>,
    next: Option<String>,
}

impl<T: Serialize> Serialize for Body<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry(self.collection, &self.items)?;
        if let Some(next) = &self.next {
            members.serialize_entry("next", next)?;
        }
        members.end()
    }
}
