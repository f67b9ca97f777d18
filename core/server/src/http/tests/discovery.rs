//! What the API says about itself.

use axum::http::Method;
use serde_json::Value;

use super::Api;

#[tokio::test]
async fn the_root_names_the_one_version_and_its_range() {
    let answer = Api::new().await.get("/").await;

    insta::assert_snapshot!(answer.body["versions"], @r#"[{"id":"v1","links":[{"href":"http://127.0.0.1:6385/v1/","rel":"self"}],"min_version":"1.1","status":"CURRENT","version":"1.115"}]"#);
}

#[tokio::test]
async fn collections_are_those_that_have_routes_in_the_version_asked_for() {
    let api = Api::new().await;
    for (version, collections) in [
        ("1.1", &["drivers", "nodes", "ports"][..]),
        ("1.115", &["conductors", "drivers", "heartbeat", "lookup", "nodes", "ports"][..]),
    ] {
        let answer = api.call(version, Method::GET, "/v1", Value::Null).await;

        let names: Vec<&str> = answer
            .names()
            .into_iter()
            .filter(|name| !["id", "links", "media_types", "version"].contains(name))
            .collect();
        assert_eq!(names, collections, "{version}");
    }
}
