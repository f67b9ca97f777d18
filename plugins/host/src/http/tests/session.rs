//! What the host keeps of a device between requests.

use super::*;

/// A device with a session by cookie, whose only resource has an `ETag` until it is changed.
fn device_with_cookies() -> (String, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heard);
    let version = Mutex::new(1);
    let address = device(move |request| {
        seen.lock().unwrap().push(request.to_owned());
        let mut version = version.lock().unwrap();
        if request.starts_with("PUT ") {
            *version += 1;
        }
        let etag = format!("\"v{version}\"");
        if request.contains(&format!("if-none-match: {etag}\r\n")) {
            return "HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".to_owned();
        }
        let body = json!({"version": *version}).to_string();
        format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\netag: {etag}\r\n\
             set-cookie: id=a-long-word-that-lets-in; Path=/api; HttpOnly\r\nset-cookie: lang=en\r\n\
             set-cookie: tls=only-over-tls-and-so; Path=/; Secure\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    });
    (address, heard)
}

fn open(bench: &Bench, address: &str, secret: &str) -> String {
    let common = json!({"url": address, "auth": {"user": "admin", "secret": secret}});
    let opened = bench.call("http.session", &common).unwrap();
    opened["session"].as_str().unwrap().to_owned()
}

fn get(session: &str, path: &str) -> Value {
    json!({"method": "GET", "session": session, "url": path})
}

/// The headers that a device was sent, as far as they come from what is kept.
fn kept(heard: &Mutex<Vec<String>>) -> Vec<String> {
    let heard = heard.lock().unwrap();
    let last = heard.last().unwrap();
    let is_kept = |line: &&str| line.starts_with("cookie: ") || line.starts_with("if-none-match: ");
    last.lines().filter(is_kept).map(str::to_owned).collect()
}

#[test]
fn a_session_that_is_opened_again_is_the_same() {
    let bench = Bench::new(None);

    let (first, again) = (open(&bench, "http://bmc", "password"), open(&bench, "http://bmc", "password"));
    let other = open(&bench, "http://bmc", "token");

    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!(bench.node.asked.lock().unwrap().is_empty(), "opening tells nobody a secret");
}

#[test]
fn cookies_come_back_where_they_belong_and_are_not_shown() {
    let (address, heard) = device_with_cookies();
    let bench = Bench::new(None);
    let session = open(&bench, &address, "password");

    let answer = bench.request(&get(&session, "/api/power")).unwrap();
    bench.request(&json!({"method": "PUT", "session": session, "url": "/api/boot"})).unwrap();
    let below = kept(&heard);
    bench.request(&json!({"method": "PUT", "session": session, "url": "/other"})).unwrap();
    let beside = kept(&heard);

    assert_eq!(answer["headers"]["set-cookie"], "******");
    assert_eq!(below, ["cookie: id=a-long-word-that-lets-in; lang=en"]);
    assert!(beside.is_empty(), "{beside:?}");
    assert!(heard.lock().unwrap()[0].contains("authorization: Basic "));
}

/// The cookie header that follows after a device has set `cookie`, its clock being at `date`.
fn sent_after(date: &str, cookie: &str) -> Vec<String> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (seen, head) = (Arc::clone(&heard), format!("date: {date}\r\nset-cookie: {cookie}"));
    let address = device(move |request| {
        seen.lock().unwrap().push(request.to_owned());
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{head}\r\ncontent-length: 0\r\n\r\n")
    });
    let bench = Bench::new(None);
    let session = open(&bench, &address, "password");
    bench.request(&get(&session, "/power")).unwrap();
    bench.request(&get(&session, "/power")).unwrap();
    kept(&heard)
}

#[test]
fn a_cookie_ends_when_the_device_says_by_its_own_clock() {
    // A BMC that has lost its battery.
    let date = "Thu, 01 Jan 1970 00:10:00 GMT";

    let later = sent_after(date, "id=1; Expires=Thu, 01-Jan-1970 00:40:00 GMT");
    let past = sent_after(date, "id=1; Expires=Thu, 01 Jan 1970 00:00:01 GMT");
    let longer = sent_after(date, "id=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:01 GMT");
    let over = sent_after(date, "id=1; Expires=Thu, 01 Jan 1970 00:40:00 GMT; Max-Age=0");
    let no_date = sent_after(date, "id=1; Expires=soon");

    assert_eq!(later, ["cookie: id=1"]);
    assert!(past.is_empty(), "{past:?}");
    assert_eq!(longer, ["cookie: id=1"], "`Max-Age` counts");
    assert!(over.is_empty(), "{over:?}");
    assert_eq!(no_date, ["cookie: id=1"]);
}

#[test]
fn an_answer_is_kept_as_long_as_the_device_says_that_it_holds() {
    let (address, heard) = device_with_cookies();
    let bench = Bench::new(None);
    let session = open(&bench, &address, "password");
    let version = || {
        let answer = bench.request(&get(&session, "/power")).unwrap();
        (answer["status"].clone(), answer["text"].as_str().unwrap().to_owned())
    };

    let (first, confirmed) = (version(), version());
    let asked = kept(&heard);
    bench.request(&json!({"method": "PUT", "session": session, "url": "/power"})).unwrap();
    let changed = version();

    assert_eq!(first, (json!(200), "{\"version\":1}".to_owned()));
    assert_eq!(confirmed, first);
    assert!(asked.contains(&"if-none-match: \"v1\"".to_owned()), "{asked:?}");
    assert_eq!(changed.1, "{\"version\":2}");
    assert_eq!(heard.lock().unwrap().len(), 4, "the device is asked each time");
}

#[test]
fn an_answer_that_nobody_has_any_more_is_worth_another_try() {
    let address = device(|_| "HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".to_owned());
    let bench = Bench::new(None);
    let session = open(&bench, &address, "password");

    let error = bench.request(&get(&session, "/power")).unwrap_err();

    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Busy, true));
}

/// A node whose password is another one.
struct Stranger;

impl NodeAccess for Stranger {
    fn snapshot(&self) -> Vec<u8> {
        Vec::new()
    }

    fn call(&self, _method: String, _arguments: Vec<u8>) -> BoxFuture<Result<Vec<u8>, DriverError>> {
        Box::pin(async { encode("another one") })
    }
}

#[test]
fn who_has_another_password_has_another_session() {
    let (address, heard) = device_with_cookies();
    let bench = Bench::new(None);
    let session = open(&bench, &address, "password");
    bench.request(&get(&session, "/power")).unwrap();

    let request = get(&session, "/power").to_string().into_bytes();
    let route = Arc::clone(&bench.http).route(Arc::new(Stranger), "http.request".to_owned(), request, None);
    bench.runtime.block_on(route).unwrap();

    assert!(kept(&heard).is_empty(), "{:?}", kept(&heard));
}

#[test]
fn a_request_to_elsewhere_is_not_of_the_session() {
    let bench = Bench::new(None);
    let session = open(&bench, "http://bmc/api", "password");

    for url in ["http://bmc.elsewhere/api", "http://bmc/apis"] {
        let error = bench.request(&get(&session, url)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{url}");
    }
    let unknown = bench.request(&get("session-77", "/power")).unwrap_err();
    assert_eq!((unknown.kind(), unknown.is_retryable()), (ErrorKind::Conflict, true));
}

#[test]
fn what_a_session_kept_is_not_on_a_cassette_and_not_needed_for_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("x.jsonl");
    let (address, _) = device_with_cookies();
    let ask = |bench: &Bench, address: &str| {
        let session = open(bench, address, "password");
        let answers = [(); 2].map(|()| bench.request(&get(&session, "/power")).unwrap()["text"].clone());
        answers.to_vec()
    };

    let live = ask(&Bench::new(Some(Cassette::record(&path).unwrap())), &address);
    let replayed = ask(&Bench::new(Some(Cassette::replay(&path).unwrap())), "http://192.0.2.1");

    assert_eq!(live, replayed);
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("a-long-word-that-lets-in") && !text.contains(&address), "{text}");
}

#[test]
fn a_login_that_is_answered_with_a_cookie_is_kept_by_the_host() {
    let address = device(|request| {
        if request.starts_with("POST /login ") {
            return "HTTP/1.1 204 No Content\r\nconnection: close\r\nset-cookie: a=b\r\n\
                set-cookie: SESSION=given-by-the-device; Path=/; HttpOnly\r\n\r\n"
                .to_owned();
        }
        ok(if request.contains("cookie: SESSION=given-by-the-device\r\n") { "in" } else { "out" })
    });
    let mut request = with_login(&address, "password");
    request["login"]["token"] = json!({"cookie": "SESSION"});
    (request["login"]["header"], request["login"]["prefix"]) = (json!("Cookie"), json!("SESSION="));

    let answer = Bench::new(None).request(&request).unwrap();

    assert_eq!(answer["text"], "in");
}

#[test]
fn a_service_that_is_not_there_is_told_with_the_version() {
    let error = Bench::new(None).call("http.websocket", &json!({})).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().ends_with("has no service `http.websocket`"), "{error}");
}
