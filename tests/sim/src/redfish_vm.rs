//! A virtual machine with a BMC that speaks Redfish: it really boots what is inserted.
//!
//! `sushy-emulator` is the BMC, libvirt switches the machine, QEMU without KVM is the machine. It has no disk and no
//! system of its own; what it prints on its first serial port is in a file. libvirt is one of its own, with its files
//! in the directory of the machine, in name spaces of its own: nothing outside of the directory changes, and all of
//! it ends with its first process, whatever kills that.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::boot_iso::Firmware;
use crate::error::SimError;
use crate::port::free_port;
use crate::process::{Process, run};
use crate::sushy::{LOGINS, PASSWORD, USER};
use crate::wait::wait_for;
use crate::{program, venv};

/// UUID of the machine.
const UUID: &str = "6661727a-6965-4072-8000-000000000002";

/// libvirtd, a Python program that imports a good deal, and firmware files on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// Firmware of QEMU, as Debian installs it.
const BIOS: &str = "/usr/share/seabios/bios-256k.bin";
const UEFI: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
/// What UEFI remembers: a machine that remembers nothing.
const UEFI_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// How the BMC is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In the open.
    Http,
    /// With TLS, and a certificate of its own.
    Https,
}

/// Runs in name spaces of its own: puts libvirt's places into `$1`, starts it, and the emulator with Python `$2`.
/// Collects whoever is left without a parent, or libvirt would wait for them for ever.
const START: &str = r#"
set -e
for pair in etc:/etc/libvirt lib:/var/lib/libvirt run:/run/libvirt log:/var/log/libvirt cache:/var/cache/libvirt; do
    mkdir -p "$1/libvirt/${pair%%:*}" "${pair#*:}"
    mount --bind "$1/libvirt/${pair%%:*}" "${pair#*:}"
done
mkdir -p /var/lib/libvirt/images
printf '%s\n' 'user = "root"' 'group = "root"' 'dynamic_ownership = 0' 'remember_owner = 0' 'namespaces = [ ]' \
    'security_driver = "none"' 'cgroup_controllers = [ ]' 'stdio_handler = "file"' > /etc/libvirt/qemu.conf
printf '%s\n' 'auth_unix_rw = "none"' 'unix_sock_group = "root"' > /etc/libvirt/libvirtd.conf
libvirtd --pid-file "$1/libvirt/libvirtd.pid" > "$1/libvirtd.log" 2>&1 &
"$2" -c "$3" "$1" &
wait $!
"#;

/// Waits for libvirt, defines the machine, and is the BMC.
const BMC: &str = r#"
import sys, time
import libvirt

directory = sys.argv[1]
libvirt.registerErrorHandler(lambda *ignored: None, None)
for attempt in range(600):
    try:
        connection = libvirt.open("qemu:///system")
        break
    except libvirt.libvirtError as error:
        failure = error
        time.sleep(0.1)
else:
    with open(directory + "/libvirtd.log") as log:
        sys.exit("libvirt does not answer: %s\n%s" % (failure, log.read()[-2000:]))
pool = '<pool type="dir"><name>default</name><target><path>/var/lib/libvirt/images</path></target></pool>'
connection.storagePoolDefineXML(pool).create()
with open(directory + "/machine.xml") as machine:
    connection.defineXML(machine.read())
connection.close()

from sushy_tools.emulator.main import main
sys.argv[1:] = ["--config", directory + "/emulator.conf"]
sys.exit(main())
"#;

/// Asks the BMC itself; prints what it answers.
const ASK: &str = r#"
import sys, requests
url, user, password, ca = sys.argv[1:]
print(requests.get(url, auth=(user, password), verify=ca or False, timeout=60).text)
"#;

/// A machine, off at first. Dropping it stops it and its BMC.
#[derive(Debug)]
pub struct RedfishVm {
    process: Process,
    address: SocketAddr,
    directory: PathBuf,
    transport: Transport,
}

impl RedfishVm {
    /// Starts its BMC; all its files are in `directory`, which must exist.
    ///
    /// # Errors
    ///
    /// [`Io`](SimError::Io) for anybody but root, [`Missing`](SimError::Missing) without the programs, and those of
    /// [`Process`].
    pub fn start(directory: &Path, firmware: Firmware, transport: Transport) -> Result<Self, SimError> {
        for (name, package) in [
            ("libvirtd", "libvirt-daemon-system"),
            ("qemu-system-x86_64", "qemu-system-x86"),
            ("unshare", "util-linux"),
        ] {
            program::find(name, &format!("install the package `{package}`"))?;
        }
        let python = venv::find_in(&venv::machine_directory(), "python")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let write = |name: &str, text: &str| {
            let file = directory.join(name);
            fs::write(&file, text).map_err(SimError::io(format!("write `{}`", file.display())))
        };
        write("emulator.conf", &config(directory, address, transport))?;
        write("machine.xml", &machine(directory, firmware))?;
        write("logins", LOGINS)?;
        if transport == Transport::Https {
            let (certificate, key) = certificate()?;
            write("certificate.pem", &certificate)?;
            write("key.pem", &key)?;
        }
        fs::create_dir_all(directory.join("state")).map_err(SimError::io("make a state directory"))?;

        let mut command = Command::new(program::find("unshare", "")?);
        // Everything in there ends with its first process, and that one with ours.
        command.args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]);
        command.args(["sh", "-c", START, "sh"]).arg(directory).arg(python).arg(BMC).current_dir(directory);
        let mut process = Process::start("redfish-vm", command, &directory.join("log"))?;
        process.wait_until("its BMC listens", START_PATIENCE, || TcpStream::connect(address).ok())?;
        Ok(Self { process, address, directory: directory.to_owned(), transport })
    }

    /// Where its BMC is.
    #[must_use]
    pub fn url(&self) -> String {
        match self.transport {
            Transport::Http => format!("http://{}", self.address),
            Transport::Https => format!("https://{}", self.address),
        }
    }

    /// What a node that is this machine says about its BMC.
    #[must_use]
    pub fn driver_info(&self) -> Value {
        json!({
            "redfish_address": self.url(),
            "redfish_system_id": format!("/redfish/v1/Systems/{UUID}"),
            "redfish_username": USER,
            "redfish_password": PASSWORD,
            "redfish_auth_type": "basic",
            // Nobody looks where there is no certificate.
            "redfish_verify_ca": self.certificate().map_or(json!(true), |certificate| json!(certificate)),
        })
    }

    fn certificate(&self) -> Option<PathBuf> {
        (self.transport == Transport::Https).then(|| self.directory.join("certificate.pem"))
    }

    /// Its process, to stop it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What the machine has printed since it was switched on last.
    #[must_use]
    pub fn serial(&self) -> String {
        let bytes = fs::read(self.directory.join("serial")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until the machine has printed a text.
    ///
    /// # Errors
    ///
    /// [`Late`](SimError::Late).
    pub fn wait_for_serial(&self, text: &str, within: Duration) -> Result<(), SimError> {
        wait_for(&format!("`{text}` on the serial port"), within, || {
            self.serial().contains(text).then_some(())
        })
    }

    /// Whether the machine is on, by its BMC.
    ///
    /// # Errors
    ///
    /// [`Failed`](SimError::Failed) when the BMC does not answer.
    pub fn is_on(&self) -> Result<bool, SimError> {
        Ok(self.ask("")?.get("PowerState").is_some_and(|state| state == "On"))
    }

    /// What is in its CD drive, by its BMC.
    ///
    /// # Errors
    ///
    /// [`Failed`](SimError::Failed) when the BMC does not answer.
    pub fn medium(&self) -> Result<Option<String>, SimError> {
        let drive = self.ask("/VirtualMedia/Cd")?;
        let inserted = drive.get("Inserted").and_then(Value::as_bool).unwrap_or_default();
        Ok(drive.get("Image").and_then(Value::as_str).filter(|_| inserted).map(str::to_owned))
    }

    /// What its BMC says about the machine, asked without any of our drivers.
    fn ask(&self, path: &str) -> Result<Value, SimError> {
        let mut command = Command::new(venv::find_in(&venv::machine_directory(), "python")?);
        command.args(["-W", "ignore", "-c", ASK]);
        command.arg(format!("{}/redfish/v1/Systems/{UUID}{path}", self.url())).args([USER, PASSWORD]);
        command.arg(self.certificate().unwrap_or_default());
        Ok(serde_json::from_str(&run(command)?).unwrap_or_default())
    }
}

impl Drop for RedfishVm {
    fn drop(&mut self) {
        // Nothing in there is worth a good end, and `unshare` takes no other signal.
        self.process.signal(Signal::KILL).unwrap_or_default();
    }
}

/// The configuration of the emulator: Python, in which JSON's strings and numbers mean themselves.
fn config(directory: &Path, address: SocketAddr, transport: Transport) -> String {
    let file = |name: &str| json!(directory.join(name));
    let mut config = format!(
        "SUSHY_EMULATOR_LISTEN_IP = \"{}\"\n\
         SUSHY_EMULATOR_LISTEN_PORT = {}\n\
         SUSHY_EMULATOR_STATE_DIR = {}\n\
         SUSHY_EMULATOR_AUTH_FILE = {}\n\
         SUSHY_EMULATOR_FEATURE_SET = \"full\"\n\
         SUSHY_EMULATOR_LIBVIRT_URI = \"qemu:///system\"\n\
         SUSHY_EMULATOR_BOOT_LOADER_MAP = {{\"UEFI\": {{\"x86_64\": \"{UEFI}\"}}, \"Legacy\": {{\"x86_64\": \"{BIOS}\"}}}}\n",
        address.ip(),
        address.port(),
        file("state"),
        file("logins"),
    );
    if transport == Transport::Https {
        config.push_str(&format!(
            "SUSHY_EMULATOR_SSL_CERT = {}\nSUSHY_EMULATOR_SSL_KEY = {}\n",
            file("certificate.pem"),
            file("key.pem")
        ));
    }
    config
}

/// The machine, as libvirt wants it described.
fn machine(directory: &Path, firmware: Firmware) -> String {
    let file = |name: &str| directory.join(name).display().to_string();
    let (kind, memory, loader) = match firmware {
        Firmware::Bios => ("pc", 128, format!("<loader readonly='yes' type='rom'>{BIOS}</loader>")),
        Firmware::Uefi => (
            "q35",
            256,
            format!(
                "<loader readonly='yes' secure='no' type='pflash'>{UEFI}</loader>\
                 <nvram template='{UEFI_VARIABLES}'>{}</nvram>",
                file("variables")
            ),
        ),
    };
    format!(
        "<domain type='qemu'><name>machine</name><uuid>{UUID}</uuid><memory unit='MiB'>{memory}</memory>\
         <vcpu>1</vcpu><os><type arch='x86_64' machine='{kind}'>hvm</type>{loader}</os>\
         <features><acpi/><apic/></features><cpu mode='custom'><model>qemu64</model></cpu>\
         <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>\
         <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>\
         <serial type='file'><source path='{}'/><target port='0'/></serial></devices></domain>",
        file("serial")
    )
}

/// A certificate for this machine's own address, and its key.
fn certificate() -> Result<(String, String), SimError> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])
        .map_err(|error| SimError::io("make a certificate")(std::io::Error::other(error)))?;
    Ok((made.cert.pem(), made.signing_key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_iso;

    /// How long firmware may take without KVM on a busy machine.
    const BOOT_PATIENCE: Duration = Duration::from_secs(180);

    /// Sends a request to the BMC; its status.
    fn post(vm: &RedfishVm, path: &str, body: &Value) -> u16 {
        let path = format!("/redfish/v1/Systems/{UUID}{path}");
        let login = [("Authorization", crate::sushy::AUTHORIZATION)];
        crate::http::request(vm.address, "POST", &path, &login, Some(body)).unwrap().status
    }

    #[test]
    fn a_machine_boots_what_is_inserted_and_listens_to_its_power_button() {
        let directory = tempfile::tempdir().unwrap();
        let vm = RedfishVm::start(directory.path(), Firmware::Bios, Transport::Http).unwrap();
        let images = crate::files::FileServer::start(directory.path()).unwrap();
        boot_iso::write(&directory.path().join("boot.iso"), "sim").unwrap();
        let insert = json!({"Image": images.url("boot.iso")});
        assert_eq!(post(&vm, "/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia", &insert), 204);
        assert!(vm.medium().unwrap().is_some());

        assert_eq!(post(&vm, "/Actions/ComputerSystem.Reset", &json!({"ResetType": "On"})), 204);

        vm.wait_for_serial(&boot_iso::greeting("sim", Firmware::Bios), BOOT_PATIENCE).unwrap();
        assert!(vm.is_on().unwrap());
        assert_eq!(
            post(&vm, "/Actions/ComputerSystem.Reset", &json!({"ResetType": "GracefulShutdown"})),
            204
        );
        vm.wait_for_serial(boot_iso::FAREWELL, BOOT_PATIENCE).unwrap();
        wait_for("the machine is off", BOOT_PATIENCE, || (!vm.is_on().unwrap()).then_some(())).unwrap();
    }
}
