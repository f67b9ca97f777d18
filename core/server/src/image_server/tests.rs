//! A BMC that fetches, over a real connection where the framing matters.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

use axum::body::Body;
use axum::http::{Method, Request};
use farrier_conductor::config::{ConductorConfig, DriverConfig};
use farrier_conductor::registry::Registry;
use farrier_conductor::task::RequestContext;
use farrier_host::Plugin;
use farrier_model::node::Node;
use farrier_sdk::secret::Secret;
use farrier_store::{Store, StoreConfig};
use serde_json::{Map, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;

use super::*;

/// A server of one directory, and a node with an image in it.
struct Room {
    directory: TempDir,
    conductor: Conductor,
    shelf: Arc<Shelf>,
    router: Router,
    node: Node,
}

fn config(directory: &Path) -> ImageServerConfig {
    ImageServerConfig {
        directories: vec![directory.join("served")],
        secret: Some(Secret::new("0123456789abcdef0123456789abcdef".to_owned())),
        ..ImageServerConfig::default()
    }
}

impl Room {
    /// The image is `file`, below the directory of the room.
    async fn new(file: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("served")).unwrap();
        fs::write(directory.path().join("served/a.iso"), b"0123456789").unwrap();
        fs::write(directory.path().join("secret"), b"nobody's business").unwrap();
        symlink(directory.path().join("secret"), directory.path().join("served/link.iso")).unwrap();
        let store = Store::open(&StoreConfig::new("sqlite::memory:")).await.unwrap();
        let fake = Plugin::linked(farrier_fake::farrier_plugin(), Map::new()).unwrap();
        let drivers = DriverConfig {
            enabled_hardware_types: vec!["fake-hardware".to_owned()],
            ..DriverConfig::default()
        };
        let registry = Arc::new(Registry::new(drivers, vec![fake], Vec::new()).unwrap());
        let options = ConductorConfig { host: "host-1".to_owned(), ..ConductorConfig::default() };
        let conductor = Conductor::start(options, store, registry).await.unwrap();
        let mut node = Node::new(Uuid::new_v4(), "fake-hardware");
        let image = format!("file://{}/{file}", directory.path().display());
        node.instance_info.insert("boot_iso".to_owned(), json!(image));
        let node = conductor.node_create(RequestContext::default(), node).await.unwrap();
        let address = "127.0.0.1:6388".parse().unwrap();
        let shelf = Arc::new(Shelf::new(&config(directory.path()), address).unwrap());
        let transfers = Arc::new(Semaphore::new(1));
        let desk = Desk { conductor: conductor.clone(), shelf: Arc::clone(&shelf), transfers };
        Self { directory, conductor, shelf, router: router(desk), node }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// The path of the address of the image.
    fn path(&self) -> String {
        let address = self.shelf.address(self.node.uuid, &self.file("served/a.iso")).unwrap();
        address.strip_prefix("http://127.0.0.1:6388").unwrap().to_owned()
    }

    async fn ask(&self, method: Method, path: &str, range: Option<&str>) -> (u16, HeaderMap, String) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status.as_u16(), parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn status(&self, path: &str) -> u16 {
        self.ask(Method::GET, path, None).await.0
    }
}

#[tokio::test]
async fn an_image_is_fetched_whole_and_in_parts() {
    let room = Room::new("served/a.iso").await;
    let path = room.path();

    let (status, headers, body) = room.ask(Method::GET, &path, None).await;
    assert_eq!((status, body.as_str()), (200, "0123456789"));
    assert_eq!(
        (headers["accept-ranges"].to_str().unwrap(), headers["content-length"].to_str().unwrap()),
        ("bytes", "10")
    );
    let (status, headers, body) = room.ask(Method::HEAD, &path, None).await;
    assert_eq!((status, body.as_str(), headers["content-length"].to_str().unwrap()), (200, "", "10"));
    let (status, headers, body) = room.ask(Method::GET, &path, Some("bytes=2-4")).await;
    assert_eq!((status, body.as_str()), (206, "234"));
    assert_eq!(headers["content-range"], "bytes 2-4/10");
    let (status, headers, _) = room.ask(Method::GET, &path, Some("bytes=10-")).await;
    assert_eq!((status, headers["content-range"].to_str().unwrap()), (416, "bytes */10"));
    assert_eq!(room.ask(Method::POST, &path, None).await.0, 405);
}

#[tokio::test]
async fn an_address_is_good_for_its_node_its_name_and_its_time_alone() {
    let room = Room::new("served/a.iso").await;
    let path = room.path();
    let parts: Vec<&str> = path.split('/').collect();
    let [_, _, node, expires, signature, name] = parts[..] else { panic!("{path}") };
    let later = expires.parse::<u64>().unwrap() + 1;
    let other = if signature.starts_with('0') { "1" } else { "0" };

    for changed in [
        format!("/images/{}/{expires}/{signature}/{name}", Uuid::new_v4()),
        format!("/images/{node}/{later}/{signature}/{name}"),
        format!("/images/{node}/{expires}/{other}{}/{name}", signature.get(1..).unwrap()),
        format!("/images/{node}/{expires}/{}/{name}", signature.get(2..).unwrap()),
        format!("/images/{node}/{expires}//{name}"),
        format!("/images/{node}/{expires}/{signature}/b.iso"),
        format!("/images/{node}/{expires}/{signature}/..%2F..%2Fsecret"),
        format!("/images/{node}/{expires}/{signature}/../../secret"),
        "/images/".to_owned(),
        "/".to_owned(),
    ] {
        assert!([400, 404].contains(&room.status(&changed).await), "{changed}");
    }
    assert_eq!(room.status(&path).await, 200, "and the address itself is good");
}

#[tokio::test]
async fn an_address_expires() {
    let room = Room::new("served/a.iso").await;
    let long_ago = SystemTime::now() - Duration::from_secs(86_400 + 60);
    let address = room.shelf.address_at(room.node.uuid, &room.file("served/a.iso"), long_ago).unwrap();

    let path = address.strip_prefix("http://127.0.0.1:6388").unwrap();

    assert_eq!(room.status(path).await, 404);
}

#[tokio::test]
async fn an_image_that_its_node_no_longer_has_is_not_served() {
    let room = Room::new("served/a.iso").await;
    let path = room.path();
    assert_eq!(room.status(&path).await, 200);

    room.conductor.node_delete(RequestContext::default(), &room.node.uuid.into()).await.unwrap();

    assert_eq!(room.status(&path).await, 404);
}

#[tokio::test]
async fn nothing_outside_of_the_directories_has_an_address() {
    let room = Room::new("served/a.iso").await;
    let served = room.file("served");

    for file in [
        room.file("secret"),
        served.join("../secret"),
        served.join("link.iso"),
        served.join("none.iso"),
        served.clone(),
        Path::new("served/a.iso").to_owned(),
        Path::new("/etc/passwd").to_owned(),
    ] {
        assert_eq!(room.shelf.address(room.node.uuid, &file), None, "{}", file.display());
    }
}

#[tokio::test]
async fn a_link_that_is_put_in_place_of_the_image_later_is_not_followed_out() {
    let room = Room::new("served/a.iso").await;
    let path = room.path();

    fs::remove_file(room.file("served/a.iso")).unwrap();
    symlink(room.file("secret"), room.file("served/a.iso")).unwrap();

    assert_eq!(room.status(&path).await, 404);
}

#[tokio::test]
async fn one_transfer_too_many_is_sent_away_and_the_next_one_served() {
    let room = Room::new("served/a.iso").await;
    let path = room.path();
    let request = Request::builder().uri(&path).body(Body::empty()).unwrap();
    let first = room.router.clone().oneshot(request).await.unwrap();

    assert_eq!(room.status(&path).await, 503);

    drop(first);
    assert_eq!(room.status(&path).await, 200);
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_bmc_that_does_not_read() {
    let room = Room::new("served/a.iso").await;
    let large = fs::File::create(room.file("served/a.iso")).unwrap();
    large.set_len(1 << 30).unwrap();
    let options = ImageServerConfig { port: 0, ..config(room.directory.path()) };
    let server = ImageServer::prepare(&options).await.unwrap().unwrap();
    let address = server.images().address(room.node.uuid, &room.file("served/a.iso")).unwrap();
    let serving = server.serve(room.conductor.clone()).unwrap();
    let (host, path) = address.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut bmc = tokio::net::TcpStream::connect(host).await.unwrap();
    bmc.write_all(format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let mut start = [0; 12];
    bmc.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");

    let began = Instant::now();
    serving.end().await;

    assert!(began.elapsed() < STOP_PATIENCE + Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn options_that_can_not_be_meant_keep_the_server_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("served")).unwrap();
    let good = ImageServerConfig { port: 0, ..config(directory.path()) };
    for (options, text) in [
        (
            ImageServerConfig { directories: vec!["/no/such/directory".into()], ..good.clone() },
            "/no/such/directory",
        ),
        (ImageServerConfig { secret: Some(Secret::new("short".to_owned())), ..good.clone() }, "at least 32"),
        (ImageServerConfig { public_url: Some("ftp://h".to_owned()), ..good.clone() }, "public_url"),
        (ImageServerConfig { url_lifetime: 0, ..good.clone() }, "url_lifetime"),
    ] {
        let error = ImageServer::prepare(&options).await.map(drop).unwrap_err();
        assert!(format!("{error:#}").contains(text), "{error:#}");
        assert!(!format!("{error:#}").contains("short"), "{error:#}");
    }
    let none = ImageServerConfig::default();
    assert!(ImageServer::prepare(&none).await.unwrap().is_none(), "without directories nothing is served");
}

#[test]
fn an_odd_file_name_does_not_get_into_an_address() {
    for (path, expected) in [
        ("/srv/boot-1.2_x.iso", "boot-1.2_x.iso"),
        ("/srv/a b.iso", "image.iso"),
        ("/srv/a?b.iso", "image.iso"),
        ("/srv/..iso", "image.iso"),
        ("/srv/é.iso", "image.iso"),
    ] {
        assert_eq!(shelf::name(Path::new(path)), expected, "{path}");
    }
}
