//! Recorded exchanges between real clients and the reference, replayed: our answers have to be the recorded ones.
//!
//! The recordings are in the folder `api/recordings` below the one that `FARRIER_LABS` names, or below
//! `../shared/labs` beside the workspace. Without them these tests fail. What differs is listed in `deliberate`,
//! exactly: a difference that is not listed fails, and one that is listed and gone does too.

mod compare;
mod deliberate;
mod recording;

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;

use super::{Answer, Api, drivers};
use compare::differences;
use deliberate::{NOT_OFFERED, deliberate};
use recording::{
    CLEAN, DISCOVERY, ERRORS, Exchange, MAINTENANCE, NODES, PORTS, POWER, PROVISION, SDK, recording,
};

/// The name of the conductor that was recorded.
const CONDUCTOR: &str = "127.0.0.1";

/// The recordings that are replayed.
const RECORDINGS: [&str; 9] = [DISCOVERY, NODES, PORTS, POWER, PROVISION, CLEAN, MAINTENANCE, ERRORS, SDK];

/// What was recorded and what we say instead: UUIDs that the service makes.
type Renamed = Vec<(String, String)>;

#[tokio::test]
async fn discovery_drivers_and_conductors_answer_as_recorded() {
    replay(DISCOVERY).await;
}

#[tokio::test]
async fn nodes_answer_as_recorded() {
    replay(NODES).await;
}

#[tokio::test]
async fn ports_answer_as_recorded() {
    replay(PORTS).await;
}

#[tokio::test]
async fn power_and_boot_device_answer_as_recorded() {
    replay(POWER).await;
}

#[tokio::test]
async fn the_life_of_a_node_answers_as_recorded() {
    replay(PROVISION).await;
}

#[tokio::test]
async fn manual_cleaning_answers_as_recorded() {
    replay(CLEAN).await;
}

#[tokio::test]
async fn the_life_of_a_node_by_another_client_answers_as_recorded() {
    replay(SDK).await;
}

#[tokio::test]
async fn maintenance_answers_as_recorded() {
    replay(MAINTENANCE).await;
}

#[tokio::test]
async fn errors_answer_as_recorded() {
    replay(ERRORS).await;
}

#[test]
fn every_path_that_is_not_offered_yet_was_recorded() {
    for (method, path, _) in NOT_OFFERED {
        let recorded = RECORDINGS.iter().flat_map(|name| recording(name)).any(|(_, it)| it.is(method, path));
        assert!(recorded, "{method} {path}");
    }
}

/// Replays a recording and compares what differs with what is listed.
async fn replay(name: &str) {
    let api = Api::start(drivers(), CONDUCTOR, |_| ()).await;
    let mut renamed = Renamed::new();
    let mut found = BTreeSet::new();
    let mut absent = BTreeSet::new();
    for (step, exchange) in recording(name) {
        let exchange = exchange.renamed(&renamed);
        let answer = api.send(request(&exchange)).await;
        if let Some(at) = NOT_OFFERED.iter().position(|(method, path, _)| exchange.is(method, path)) {
            assert_eq!(answer.status, 404, "{name} step {step} is offered now: take it off the list");
            absent.insert(at);
            continue;
        }
        rename(&exchange, &answer, &mut renamed);
        let differences = differences(&exchange.renamed(&renamed), &answer);
        found.extend(differences.into_iter().map(|difference| (step, difference)));
        settle(&api, &exchange, &answer).await;
    }
    for (at, (method, path, _)) in NOT_OFFERED.iter().enumerate() {
        let listed = recording(name).iter().any(|(_, exchange)| exchange.is(method, path));
        assert_eq!(absent.contains(&at), listed, "{method} {path}");
    }
    let listed = deliberate(name);
    let surprises: Vec<_> = found.difference(&listed).collect();
    assert!(surprises.is_empty(), "differences that are not listed: {surprises:#?}");
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "differences that are listed and are none any more: {gone:#?}");
}

/// The recorded request, for our router.
fn request(exchange: &Exchange) -> Request<Body> {
    let mut request = Request::builder().method(exchange.method.as_str()).uri(&exchange.path);
    for (name, value) in &exchange.request_headers {
        if !name.eq_ignore_ascii_case("content-length") {
            request = request.header(name, value);
        }
    }
    request.header("host", super::HOST).body(Body::from(exchange.request.clone())).unwrap()
}

/// Remembers a UUID that the service has made.
fn rename(exchange: &Exchange, answer: &Answer, renamed: &mut Renamed) {
    if exchange.status != 201 || answer.status != 201 {
        return;
    }
    let recorded = exchange.response["uuid"].as_str().unwrap().to_owned();
    let ours = answer.body["uuid"].as_str().unwrap().to_owned();
    if recorded != ours {
        renamed.push((recorded, ours));
    }
}

/// Waits for what goes on after an answer, and takes back what the reference did not do.
async fn settle(api: &Api, exchange: &Exchange, answer: &Answer) {
    if answer.status == 202 {
        api.idle(exchange.path.split('/').nth(3).unwrap()).await;
    }
    if answer.status == 201 && exchange.status != 201 {
        let location = answer.header("location").strip_prefix("http://127.0.0.1:6385").unwrap();
        assert_eq!(api.delete(location).await.status, 204);
    }
}
