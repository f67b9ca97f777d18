//! BMCs in a process of their own, so that what they cost is not counted as ours.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use farrier_sdk::serde_json::{Value, from_str, json};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::bmc::{Bmc, ROOT, SYSTEM};

/// Says to the program that it is the farm.
const SETTINGS: &str = "FARRIER_BENCH_FARM";

/// Size of a System, as real ones have it.
const SYSTEM_SIZE: usize = 11 * 1024;

const MEDIA: &str = "/redfish/v1/Systems/1/VirtualMedia";

/// BMCs that run; dropping this ends them.
pub(crate) struct Farm {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    ports: Vec<u16>,
    authority: tempfile::NamedTempFile,
}

impl Farm {
    /// Starts so many, the first of them dead: nobody answers at their addresses.
    pub(crate) fn start(count: usize, dead: usize) -> Self {
        let mut authority = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env(SETTINGS, format!("{} {dead}", count - dead))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (orders, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut answers = BufReader::new(answers);
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let ready: Value = from_str(&line).unwrap();
        authority.write_all(ready["authority"].as_str().unwrap().as_bytes()).unwrap();
        let ports = ready["ports"].as_array().unwrap().iter();
        let ports = ports.map(|port| u16::try_from(port.as_u64().unwrap()).unwrap()).collect();
        Self { child, orders, answers, ports, authority }
    }

    pub(crate) fn address(&self, index: usize) -> String {
        format!("https://127.0.0.1:{}", self.ports[index])
    }

    pub(crate) fn authority(&self) -> &str {
        self.authority.path().to_str().unwrap()
    }

    /// Requests, connections and logins since the last reset.
    pub(crate) fn counts(&mut self) -> BTreeMap<String, f64> {
        from_str(&self.order("counts")).unwrap()
    }

    pub(crate) fn reset(&mut self) {
        self.order("reset");
    }

    pub(crate) fn close_connections(&mut self, close: bool) {
        self.order(if close { "close" } else { "keep" });
    }

    pub(crate) fn show_changes(&mut self, show: bool) {
        self.order(if show { "show" } else { "hide" });
    }

    fn order(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// How many BMCs, and how many dead ones before them, if this program is to be the farm.
pub(crate) fn settings() -> Option<(usize, usize)> {
    let text = std::env::var(SETTINGS).ok()?;
    let (count, dead) = text.split_once(' ')?;
    Some((count.parse().ok()?, dead.parse().ok()?))
}

/// Is the farm until nobody gives orders any more.
pub(crate) fn serve(settings: &(usize, usize)) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Some believe that a certificate signs itself when both have one name.
    authority.distinguished_name.push(DnType::CommonName, "authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let bmcs: Vec<Bmc> = (0..settings.0).map(|_| start(&config)).collect();
    // The kernel takes connections to these, and nobody ever says a word on them.
    let dead: Vec<_> = (0..settings.1).map(|_| silent()).collect();
    let ports: Vec<u16> = dead.iter().map(|(port, _)| *port).chain(bmcs.iter().map(|bmc| bmc.port)).collect();
    println!("{}", json!({"ports": ports, "authority": authority.pem()}));
    for order in std::io::stdin().lines().map_while(Result::ok) {
        println!("{}", obey(&bmcs, &order));
    }
}

fn silent() -> (u16, TcpListener) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    (listener.local_addr().unwrap().port(), listener)
}

fn start(config: &Arc<ServerConfig>) -> Bmc {
    let config = Arc::clone(config);
    let bmc = Bmc::serve(move |stream| {
        stream.set_nodelay(true).ok();
        let stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).ok()?, stream);
        Some(Box::new(stream))
    });
    let slot = format!("{MEDIA}/1");
    let action = |name: &str| json!({"target": format!("{slot}/Actions/VirtualMedia.{name}")});
    // The reference insists on identifiers.
    bmc.change(ROOT, &json!({"Id": "RootService"}));
    bmc.change(SYSTEM, &json!({"Id": "1"}));
    bmc.change(SYSTEM, &json!({"PowerState": "On", "Description": "x".repeat(SYSTEM_SIZE), "VirtualMedia": {"@odata.id": MEDIA}}));
    bmc.change(MEDIA, &json!({"Members": [{"@odata.id": slot}]}));
    bmc.change(
        &slot,
        &json!({"Id": "1", "MediaTypes": ["CD"], "Inserted": false, "Image": null, "Actions":
            {"#VirtualMedia.InsertMedia": action("InsertMedia"), "#VirtualMedia.EjectMedia": action("EjectMedia")}}),
    );
    bmc
}

fn obey(bmcs: &[Bmc], order: &str) -> Value {
    let sum = |count: fn(&Bmc) -> usize| bmcs.iter().map(count).sum::<usize>();
    match order {
        "counts" => json!({
            "requests": sum(|bmc| bmc.state().log.len()),
            "connections": sum(Bmc::connections),
            "logins": sum(|bmc| bmc.count("POST", crate::bmc::SESSIONS)),
        }),
        "reset" => {
            bmcs.iter().for_each(|bmc| bmc.state().log.clear());
            Value::Null
        }
        "close" | "keep" => {
            bmcs.iter().for_each(|bmc| bmc.state().closes = order == "close");
            Value::Null
        }
        "show" | "hide" => {
            bmcs.iter().for_each(|bmc| bmc.state().shows_changes = order == "show");
            Value::Null
        }
        _ => Value::Null,
    }
}
