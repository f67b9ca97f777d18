use axum::body::{Body, Bytes};
use axum::extract::Request as AxumRequest;
use axum::http::{Request, StatusCode};
use axum::routing::{any, get, put};
use axum::{Json, Router};
use farrier_sdk::secret::Secret;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::client::{NONCE, SIGNATURE, TIME};
use super::sign::{Envelope, now};
use super::*;

fn key(secret: &str) -> Arc<Key> {
    Arc::new(Key::new(Some(&Secret::new(secret.to_owned()))).unwrap())
}

fn ours() -> Arc<Key> {
    key("a secret that all conductors of a test know")
}

/// What would be the API: says what it was asked.
fn routes() -> Router {
    let echo = async |request: AxumRequest| {
        let (parts, body) = request.into_parts();
        let body: Bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let said = json!({
            "verb": parts.method.as_str(),
            "uri": parts.uri.to_string(),
            "host": parts.headers.get("host").map(|host| host.to_str().unwrap().to_owned()),
            "body": String::from_utf8(body.to_vec()).unwrap(),
        });
        (StatusCode::CONFLICT, [("location", "there")], Json(said))
    };
    Router::new()
        .route("/v1/nodes/{ident}/states/power", put(echo))
        .route("/v1/nodes/{ident}/validate", get(|| async { panic!("out of luck") as String }))
        .fallback(any(|| async { StatusCode::NOT_FOUND }))
}

fn forwarded(verb: &str, path: &str) -> Forwarded {
    Forwarded {
        verb: verb.to_owned(),
        path: path.to_owned(),
        headers: vec![("host".to_owned(), "api:6385".to_owned())],
        version: "1.100".to_owned(),
        request_id: "req-1".to_owned(),
        user: None,
        body: "{\"target\": \"ü\"}".to_owned(),
    }
}

/// A conductor that listens; its name.
async fn listening(key: Arc<Key>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = listener.local_addr().unwrap().to_string();
    let router = listener::router(&name, key, routes());
    (name, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

fn client(key: Arc<Key>) -> Client {
    Client::new(key, Duration::from_secs(10)).unwrap()
}

#[tokio::test]
async fn an_answer_comes_back_as_the_owner_gives_it() {
    let (name, _job) = listening(ours()).await;
    let params = forwarded("PUT", "/v1/nodes/n1/states/power?a=b");

    let answered = client(ours()).call(&name, "change_power", &params).await.unwrap();

    assert_eq!(answered.status, 409);
    assert!(answered.headers.contains(&("location".to_owned(), "there".to_owned())), "{answered:?}");
    let body: Value = serde_json::from_str(&answered.body).unwrap();
    let expected = json!({
        "verb": "PUT", "uri": "/v1/nodes/n1/states/power?a=b", "host": "api:6385", "body": params.body
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_caller_with_another_secret_is_refused() {
    let (name, _job) = listening(ours()).await;
    let stranger = client(key("a secret that nobody knows but a stranger"));

    let refused = stranger.call(&name, "change_power", &forwarded("PUT", "/v1/nodes/n1/states/power")).await;

    assert!(
        matches!(&refused, Err(RpcError::Refused { reason, .. }) if reason.contains("401")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_answer_of_somebody_else_is_not_believed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = listener.local_addr().unwrap().to_string();
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"status": 200, "headers": [], "body": ""}});
    let router = Router::new().fallback(any(move || async move { Json(answer) }));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let answered =
        client(ours()).call(&name, "change_power", &forwarded("PUT", "/v1/nodes/n1/states/power")).await;

    assert!(matches!(answered, Err(RpcError::NotSigned { .. })), "{answered:?}");
}

#[tokio::test]
async fn a_conductor_that_is_not_there_can_not_be_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = listener.local_addr().unwrap().to_string();
    drop(listener);

    let asked =
        client(ours()).call(&name, "change_power", &forwarded("PUT", "/v1/nodes/n1/states/power")).await;

    assert!(matches!(asked, Err(RpcError::Unreachable { .. })), "{asked:?}");
}

/// A call that is signed as it should be, whatever it says; its answer.
async fn signed(router: &Router, body: &str, nonce: &str, time: u64) -> (StatusCode, Value) {
    let signature = ours().sign_call(Envelope { to: "host-1", time, nonce }, body.as_bytes());
    let request = Request::post("/").header(TIME, time).header(NONCE, nonce).header(SIGNATURE, signature);
    let response = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn call(method: &str, params: &Forwarded) -> String {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string()
}

#[tokio::test]
async fn what_is_no_call_gets_the_error_of_json_rpc() {
    let router = listener::router("host-1", ours(), routes());
    let power = forwarded("PUT", "/v1/nodes/n1/states/power");
    let old = Forwarded { version: "1.9999".to_owned(), ..power.clone() };
    let cases = [
        ("not JSON".to_owned(), -32700),
        ("[]".to_owned(), -32600),
        (json!({"jsonrpc": "2.0", "id": 7, "method": "change_power"}).to_string(), -32600),
        (call("change_power", &power).replace("\"2.0\"", "\"1.0\""), -32600),
        (call("change_power", &old), -32600),
        (call("no_such_method", &power), -32601),
        (call("validate", &power), -32601),
        (call("change_power", &forwarded("GET", "/v1/nodes")), -32601),
        (call("validate", &forwarded("GET", "/v1/nodes/n1/validate")), -32603),
    ];

    for (number, (body, code)) in cases.into_iter().enumerate() {
        let (status, answer) = signed(&router, &body, &number.to_string(), now()).await;

        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(answer["jsonrpc"], "2.0");
        assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
    }
}

#[tokio::test]
async fn a_call_is_answered_once_and_while_it_is_young() {
    let router = listener::router("host-1", ours(), routes());
    let body = call("change_power", &forwarded("PUT", "/v1/nodes/n1/states/power"));

    let (first, answer) = signed(&router, &body, "one", now()).await;
    let (again, _) = signed(&router, &body, "one", now()).await;
    let (old, _) = signed(&router, &body, "two", now() - 2 * sign::AGE_MAX.as_secs()).await;

    assert_eq!((first, &answer["id"]), (StatusCode::OK, &json!(7)));
    assert_eq!((again, old), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED));
}

#[tokio::test]
async fn a_call_for_another_conductor_is_refused() {
    let router = listener::router("host-2", ours(), routes());
    let body = call("change_power", &forwarded("PUT", "/v1/nodes/n1/states/power"));

    let (status, _) = signed(&router, &body, "one", now()).await;

    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[test]
fn a_name_is_an_address() {
    for (name, expected) in [
        ("host-1", "http://host-1:8089/"),
        ("host-1:8192", "http://host-1:8192/"),
        ("127.0.0.1:1", "http://127.0.0.1:1/"),
        ("[::1]:8192", "http://[::1]:8192/"),
        ("::1", "http://[::1]:8089/"),
    ] {
        assert_eq!(address(name), expected);
    }
}
