//! Conductors.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use farrier_api::conductor::{CONDUCTOR, Conductor};
use farrier_api::paging::{ListQuery, SortDirection, selected_fields};

use super::call::{Call, Ident};
use super::error::HttpError;
use super::paging::{Detail, List};
use super::{ApiState, Shared, answer};
use crate::view::{self, Selection, shown};

/// The routes of conductors.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new().route("/v1/conductors", get(list)).route("/v1/conductors/{hostname}", get(show))
}

/// There are so few conductors that they are sorted and cut into pages here.
async fn list(State(state): Shared, call: Call) -> Result<Response, HttpError> {
    let list = List::parse(&CONDUCTOR, &call, state.max_limit, CONDUCTOR.collection, Detail::Short)?;
    let conductors = state.conductor.conductors().await?;
    let conductors = conductors.iter().map(|conductor| view::conductor::wire(&call.base, conductor));
    let page = page(conductors.collect(), &list.query);
    let selection = Selection::of_list(&list.query);
    let items = page.iter().map(|conductor| shown(&CONDUCTOR, conductor, call.version, &selection)).collect();
    Ok(list.answer(items, page.last().map(|conductor| conductor.hostname.clone())))
}

async fn show(State(state): Shared, Ident(hostname): Ident, call: Call) -> Result<Response, HttpError> {
    let selection = Selection::of_one(selected_fields(&CONDUCTOR, call.version, &call.arguments)?);
    let conductor = view::conductor::wire(&call.base, &state.conductor.conductor(&hostname).await?);
    Ok(answer::ok(shown(&CONDUCTOR, &conductor, call.version, &selection)))
}

/// One page of conductors that come in the order in which they registered.
fn page(mut conductors: Vec<Conductor>, query: &ListQuery) -> Vec<Conductor> {
    conductors.sort_by(|one, other| compare(one, other, &query.sort_key));
    if query.sort_dir == SortDirection::Descending {
        conductors.reverse();
    }
    let behind = query.marker.as_ref().and_then(|marker| {
        conductors.iter().position(|conductor| conductor.hostname == *marker).map(|at| at + 1)
    });
    conductors.into_iter().skip(behind.unwrap_or_default()).take(query.limit).collect()
}

/// The order by a member; by `id` it is the order they come in.
fn compare(one: &Conductor, other: &Conductor, key: &str) -> Ordering {
    match key {
        "hostname" => one.hostname.cmp(&other.hostname),
        "conductor_group" => one.conductor_group.cmp(&other.conductor_group),
        "created_at" => one.created_at.cmp(&other.created_at),
        "updated_at" => one.updated_at.cmp(&other.updated_at),
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(arguments: &[(&str, &str)]) -> String {
        let arguments: Vec<(String, String)> =
            arguments.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let query = ListQuery::parse(&CONDUCTOR, farrier_api::version::MAX, 1000, &arguments).unwrap();
        let conductors = ["b", "a", "c"]
            .map(|hostname| Conductor { hostname: hostname.to_owned(), ..Conductor::default() });
        let page = page(conductors.to_vec(), &query);
        page.into_iter().map(|conductor| conductor.hostname).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn conductors_come_in_the_order_asked_for() {
        assert_eq!(listed(&[]), "b a c");
        assert_eq!(listed(&[("sort_key", "hostname")]), "a b c");
        assert_eq!(listed(&[("sort_key", "hostname"), ("sort_dir", "desc")]), "c b a");
        assert_eq!(listed(&[("sort_dir", "desc")]), "c a b");
    }

    #[test]
    fn a_page_begins_behind_its_marker() {
        assert_eq!(listed(&[("limit", "2")]), "b a");
        assert_eq!(listed(&[("limit", "2"), ("marker", "a")]), "c");
    }
}
