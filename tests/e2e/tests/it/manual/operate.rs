//! The pages for operators: all on one daemon, with simulated BMCs where a page names real ones.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use farrier_sim::boot_iso;
use farrier_sim::files::FileServer;
use farrier_sim::http;
use farrier_sim::ipmi::{self, Bmc};
use farrier_sim::port::{free_port, free_ports};
use farrier_sim::process::Process;
use farrier_sim::sushy::{self, Sushy};
use farrier_sim::wait::wait_for;
use tempfile::TempDir;

use super::{Place, page_text, run};
use crate::harness::{PATIENCE, plugins, program};

/// The pages with commands, in the order in which they are run.
pub(super) const PAGES: &[&str] = &[
    "docs/src/operate/install.md",
    "docs/src/operate/configure.md",
    "docs/src/operate/plugins.md",
    "docs/src/operate/ipmi.md",
    "docs/src/operate/redfish.md",
    "docs/src/operate/deploy.md",
    "docs/src/operate/clients.md",
    "docs/src/operate/simulator.md",
];

/// What the daemon is configured with: what the pages say, and less patience.
const CONFIGURATION: &str = r#"
[drivers]
enabled_hardware_types = ["fake-hardware", "ipmi", "redfish"]
enabled_boot_interfaces = ["redfish-virtual-media", "noop"]
enabled_deploy_interfaces = ["ramdisk", "noop"]
default_boot_interface = "noop"
default_deploy_interface = "noop"
enabled_console_interfaces = ["ipmitool-socat", "no-console"]
enabled_vendor_interfaces = ["ipmitool", "redfish", "no-vendor"]

[ipmi]
min_command_interval = 0
min_message_interval = 0
poll_interval = 0.1

[redfish]
poll_interval = 0.1
"#;

/// A daemon, and what it works on.
struct World {
    address: SocketAddr,
    // Ended before its directory goes.
    _daemon: Process,
    bmc: Bmc,
    sushy: Sushy,
    images: FileServer,
    room: TempDir,
}

impl World {
    fn start() -> Self {
        let room = TempDir::new().unwrap();
        let images = room.path().join("images");
        fs::create_dir(&images).unwrap();
        boot_iso::write(&images.join("live.iso"), "manual").unwrap();
        let config = room.path().join("farrier.toml");
        fs::write(&config, CONFIGURATION).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()));
        let mut command = Command::new(program("farrierd"));
        command.arg("--config").arg(&config).current_dir(room.path());
        command.env("FARRIER_PLUGINS__DIRECTORY", plugins());
        command.env("FARRIER_API__PORT", address.port().to_string());
        command.env("FARRIER_DATABASE__CONNECTION", format!("sqlite://{}/farrier.db", room.path().display()));
        let mut daemon = Process::start("farrierd", command, &room.path().join("farrierd.log")).unwrap();
        let ready = daemon.wait_until("its API answers", PATIENCE, || http::get(address, "/v1/").ok());
        ready.unwrap();
        Self {
            address,
            _daemon: daemon,
            bmc: Bmc::start(ipmi::Settings::default()).unwrap(),
            sushy: Sushy::start(room.path(), Duration::ZERO).unwrap(),
            images: FileServer::start(&images).unwrap(),
            room,
        }
    }

    /// A place for one page, with no node.
    fn place(&self) -> Place {
        let nodes = http::get(self.address, "/v1/nodes").unwrap().json();
        for node in nodes["nodes"].as_array().unwrap() {
            let path = format!("/v1/nodes/{}", node["uuid"].as_str().unwrap());
            // What the page before has asked for may still be going on.
            let gone = wait_for("a node of the page before is deleted", PATIENCE, || {
                let answer = http::request(self.address, "DELETE", &path, &[], None).unwrap();
                assert!([204, 409].contains(&answer.status), "{}", answer.json());
                (answer.status == 204).then_some(())
            });
            gone.unwrap();
        }
        let endpoint = format!("http://{}", self.address);
        let variables = vec![
            ("FARRIER_URL", endpoint.clone()),
            ("OS_ENDPOINT", endpoint),
            ("OS_AUTH_TYPE", "none".to_owned()),
            ("FARRIER_PLUGINS__DIRECTORY", plugins().display().to_string()),
        ];
        Place { directory: TempDir::new().unwrap(), variables, stand_ins: self.stand_ins() }
    }

    /// What the pages name, and what is there instead.
    fn stand_ins(&self) -> Vec<(&'static str, String)> {
        let (bmc, sushy) = (self.bmc.address(), self.sushy.address());
        let first = free_ports(3).unwrap();
        vec![
            ("http://127.0.0.1:6385", format!("http://{}", self.address)),
            (
                "ipmi_address=192.0.2.10",
                format!("ipmi_address={} --driver-info ipmi_port={}", bmc.ip(), bmc.port()),
            ),
            ("ipmi_password=...", format!("ipmi_password={}", ipmi::PASSWORD)),
            ("https://bmc1.example.com", format!("http://{sushy}")),
            ("redfish_password=...", format!("redfish_password={}", sushy::PASSWORD)),
            ("http://198.51.100.7/images/live.iso", self.images.url("live.iso")),
            ("10001", free_port().unwrap().to_string()),
            // Simulated BMCs; other runs of this test have others.
            ("127.1.0.1", format!("127.{}.0.1", 2 + std::process::id() % 250)),
            ("6230", first.to_string()),
            ("6231", (first + 1).to_string()),
            ("6232", (first + 2).to_string()),
        ]
    }
}

#[test]
fn the_pages_for_operators_go_as_written() {
    let world = World::start();
    for page in PAGES {
        run(page, &world.place());
    }

    let text: String = PAGES.iter().copied().map(page_text).collect();
    for (shown, _) in world.stand_ins() {
        assert!(text.contains(shown), "no page says `{shown}`");
    }
    let log = fs::read_to_string(world.room.path().join("farrierd.log")).unwrap();
    assert!(!log.contains(sushy::PASSWORD), "a password is in the log:\n{log}");
}

/// Blocks of configuration on the pages for operators are read as the daemon would.
#[test]
fn configuration_that_is_shown_is_accepted() {
    let room = TempDir::new().unwrap();
    let file = room.path().join("farrier.toml");
    let mut blocks = 0;
    for path in super::pages().iter().filter(|path| path.starts_with("docs/src/operate/")) {
        for block in page_text(path).split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            fs::write(&file, block).unwrap();
            let mut command = Command::new(program("farrierd"));
            command.args(["plugins", "--config"]).arg(&file);
            let output = command.env("FARRIER_PLUGINS__DIRECTORY", plugins()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{path}:\n{block}\n{said}");
            blocks += 1;
        }
    }
    assert!(blocks > 5, "{blocks} blocks of configuration");
}
