//! A plugin with one of everything.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use farrier_sdk::interface::management;
use farrier_sdk::prelude::*;
use serde::Deserialize;

/// Plugins that were closed, by their greeting, with the patience they were given.
pub(crate) static CLOSED: Mutex<Vec<(String, Duration)>> = Mutex::new(Vec::new());

/// Calls of `wait_forever` that were dropped.
pub(crate) static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// Options of the plugin.
#[derive(Debug, Options)]
pub(crate) struct AcmeOptions {
    /// What the plugin says
    #[option(default = "hello")]
    greeting: String,
    /// How often it says it
    #[option(default = 7)]
    repetitions: u16,
    /// Whether it shouts; decided by the plugin when absent
    shout: Option<bool>,
}

/// What the implementations share.
#[derive(Debug)]
pub(crate) struct Shared {
    greeting: String,
}

impl Shared {
    fn start(options: AcmeOptions) -> Result<Self> {
        assert_ne!(options.greeting, "panic", "the greeting was `panic`");
        if options.greeting.is_empty() {
            return Err(DriverError::invalid_parameter("`greeting` has to say something"));
        }
        let mut greeting = vec![options.greeting; options.repetitions.into()].join(" ");
        if options.shout == Some(true) {
            greeting = greeting.to_uppercase();
        }
        Ok(Self { greeting })
    }

    #[expect(clippy::unused_async, reason = "a plugin may have to wait for what it runs")]
    async fn close(state: &Arc<Self>, patience: Duration) {
        CLOSED.lock().unwrap().push((state.greeting.clone(), patience));
    }
}

/// `driver_info` of an Acme node.
#[derive(Debug, Properties)]
pub(crate) struct AcmeInfo {
    /// Address of the BMC
    acme_address: String,
    /// Password of the "admin" account
    #[property(secret)]
    acme_password: Option<SecretRef>,
    /// TCP port
    #[property(default = 443)]
    acme_port: u16,
    /// How careful to be
    #[property(rename = "acme-care", kind = "level", parse = care, default = "high")]
    care: bool,
    /// Sensors to leave out
    #[property(default)]
    acme_skip: Vec<String>,
}

fn care(value: &Value) -> std::result::Result<bool, String> {
    match value.as_str() {
        Some("high") => Ok(true),
        Some("low") => Ok(false),
        _ => Err("expected `high` or `low`".to_owned()),
    }
}

/// Arguments of `reset_bmc`.
#[derive(Debug, Deserialize, StepArgs)]
struct ResetArgs {
    /// Do not wait for running sensors
    #[serde(default)]
    force: bool,
    /// Seconds to wait afterwards
    settle: Option<u32>,
    /// Why it is reset
    reason: String,
}

/// Power, in the asynchronous style.
struct AcmePower {
    shared: Arc<Shared>,
}

impl AcmePower {
    fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

#[interface(power, name = "acme", aliases = ["acmetool", "acme-old"])]
impl PowerInterface for AcmePower {
    type Info = AcmeInfo;

    async fn get_power_state(&self, task: &DriverTask<AcmeInfo>) -> Result<PowerState> {
        let info = task.info();
        let on = info.acme_port == 443 && info.care && info.acme_skip.is_empty();
        Ok(if on { PowerState::On } else { PowerState::Off })
    }

    async fn set_power_state(
        &self,
        task: &DriverTask<AcmeInfo>,
        state: PowerState,
        timeout: Option<Duration>,
    ) -> Result<()> {
        let cause = std::io::Error::new(std::io::ErrorKind::TimedOut, "nobody listens");
        let text = format!("no answer from `{}` to `{state}` within {timeout:?}", task.info().acme_address);
        Err(DriverError::unreachable(text).caused_by(&cause).with_details(serde_json::json!({"port": 443})))
    }

    async fn reboot(&self, _task: &DriverTask<AcmeInfo>, _timeout: Option<Duration>) -> Result<()> {
        Err(DriverError::internal(self.shared.greeting.clone()))
    }

    /// Reset the BMC and wait until it answers again
    #[step(clean, deploy, priority = 10, abortable, requires_ramdisk)]
    async fn reset_bmc(&self, task: &DriverTask<AcmeInfo>, args: ResetArgs) -> Result<StepOutcome> {
        task.progress(10, &args.reason).await?;
        match args.settle {
            Some(seconds) if !args.force => Ok(StepOutcome::wait(Duration::from_secs(seconds.into()))),
            _ => Ok(StepOutcome::Done),
        }
    }
}

/// Methods of the interface type that are steps.
struct AcmeBios;

#[interface(bios, name = "acme")]
impl BiosInterface for AcmeBios {
    type Info = NoInfo;

    /// Apply settings
    #[step(clean)]
    #[step(verify, priority = 3)]
    async fn apply_configuration(
        &self,
        task: &DriverTask<NoInfo>,
        settings: Vec<BiosSetting>,
    ) -> Result<StepOutcome> {
        task.progress(1, &settings[0].name).await?;
        Ok(StepOutcome::wait(Duration::from_millis(5)))
    }

    async fn factory_reset(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        Ok(StepOutcome::Done)
    }

    /// Read the settings
    #[step(clean)]
    async fn cache_bios_settings(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<BiosSetting>> {
        Ok(vec![BiosSetting { name: "turbo".to_owned(), value: Value::from("on") }])
    }
}

/// A step whose arguments have defaults.
struct AcmeRaid;

#[interface(raid, name = "acme")]
impl RaidInterface for AcmeRaid {
    type Info = NoInfo;

    /// Make the volumes
    #[step(clean)]
    async fn create_configuration(
        &self,
        task: &DriverTask<NoInfo>,
        create_root_volume: bool,
        create_nonroot_volumes: bool,
        delete_existing: bool,
    ) -> Result<StepOutcome> {
        let flags = format!("{create_root_volume} {create_nonroot_volumes} {delete_existing}");
        task.progress(1, &flags).await?;
        Ok(StepOutcome::Done)
    }

    async fn delete_configuration(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        Ok(StepOutcome::Done)
    }
}

/// Management, in the blocking style.
struct AcmeManagement;

fn thread_name() -> String {
    format!("{:?}", std::thread::current().id())
}

#[interface(management, name = "acme", blocking)]
impl management::blocking::ManagementInterface for AcmeManagement {
    type Info = NoInfo;

    fn get_supported_boot_devices(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<BootDevice>> {
        Ok(vec![BootDevice::Other(thread_name())])
    }

    fn set_boot_device(
        &self,
        _task: &DriverTask<NoInfo>,
        device: BootDevice,
        persistent: bool,
    ) -> Result<()> {
        panic!("`{device}`, persistent: {persistent}")
    }

    fn get_boot_device(&self, task: &DriverTask<NoInfo>) -> Result<CurrentBootDevice> {
        // A thread may wait for what is asynchronous.
        task.block_on(task.progress(50, "asking"))?;
        Ok(CurrentBootDevice { boot_device: None, persistent: None })
    }

    fn get_sensors_data(&self, _task: &DriverTask<NoInfo>) -> Result<Map<String, Value>> {
        info!("reading sensors");
        Ok(Map::new())
    }

    /// Measure something
    #[step(service)]
    fn measure(&self, task: &DriverTask<NoInfo>, args: ResetArgs) -> Result<()> {
        task.block_on(task.progress(0, &args.reason))
    }
}

/// Vendor methods, one for each thing that can happen in a call.
struct AcmeVendor;

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the bomb went off");
    }
}

/// Counts when it is dropped.
struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Deserialize)]
struct SayArguments {
    word: String,
}

#[interface(vendor, name = "acme")]
impl VendorInterface for AcmeVendor {
    type Info = AcmeInfo;

    /// Say a "word"
    #[vendor_method(name = "say", http_methods = ["get", "POST"], asynchronous = false, attach = true, exclusive = false)]
    async fn say_word(&self, _task: &DriverTask<AcmeInfo>, arguments: SayArguments) -> Result<String> {
        Ok(arguments.word)
    }

    #[vendor_method(description = "Panic")]
    async fn panic(&self, _task: &DriverTask<AcmeInfo>) -> Result<()> {
        panic!("as asked for")
    }

    #[vendor_method]
    async fn wait_forever(&self, _task: &DriverTask<AcmeInfo>) -> Result<()> {
        let _counted = Counted;
        std::future::pending().await
    }

    #[vendor_method]
    async fn wait_with_bomb(&self, _task: &DriverTask<AcmeInfo>) -> Result<()> {
        let _bomb = Bomb;
        std::future::pending().await
    }

    #[vendor_method]
    async fn time_left(&self, task: &DriverTask<AcmeInfo>) -> Result<Option<u128>> {
        Ok(task.time_left().map(|left| left.as_millis()))
    }

    #[vendor_method]
    async fn cancellation(&self, task: &DriverTask<AcmeInfo>) -> Result<bool> {
        task.when_cancelled().await;
        Ok(task.cancelled())
    }

    #[vendor_method]
    async fn reveal(&self, task: &DriverTask<AcmeInfo>) -> Result<String> {
        let reference = task
            .info()
            .acme_password
            .as_ref()
            .ok_or_else(|| DriverError::missing_parameter("there is no password to reveal"))?;
        let password = task.reveal(reference).await?;
        Ok(format!("{password:?} of {} bytes", password.expose().len()))
    }

    #[vendor_method]
    async fn remember(&self, task: &DriverTask<AcmeInfo>) -> Result<()> {
        task.save_internal_info(|info| {
            let count = info.get("count").and_then(Value::as_u64).unwrap_or(0);
            info.insert("count".to_owned(), Value::from(count + 1));
            info.remove("old");
        })
        .await
    }

    #[vendor_method]
    async fn remember_twice(&self, task: &DriverTask<AcmeInfo>) -> Result<()> {
        self.remember(task).await?;
        self.remember(task).await
    }

    #[vendor_method]
    async fn boot_from_network(&self, task: &DriverTask<AcmeInfo>) -> Result<Value> {
        task.management().set_boot_device(BootDevice::Pxe, false).await?;
        task.power().set_power_state(PowerState::On, Some(Duration::from_millis(1500))).await?;
        let state = task.power().get_power_state().await?;
        Ok(Value::from(state.as_str()))
    }

    #[vendor_method]
    async fn observe(&self, task: &DriverTask<AcmeInfo>) -> Result<()> {
        task.observe("temperature", 21.5).await?;
        task.observe_with("fan_speed", 4800.0, &[("fan", "left")]).await?;
        task.event("it is warm").await
    }

    #[vendor_method]
    async fn log(&self, task: &DriverTask<AcmeInfo>) -> Result<()> {
        warn!(address = task.info().acme_address, port = 443, ratio = 0.5, "port is {}", "open");
        debug!("nobody wants to know");
        info!("done");
        Ok(())
    }

    #[vendor_method]
    async fn nap(&self, _task: &DriverTask<AcmeInfo>) -> Result<String> {
        Ok(nap().await)
    }
}

/// Uses tokio's timer and its sockets.
#[cfg(feature = "tokio")]
async fn nap() -> String {
    tokio::time::sleep(Duration::from_millis(2)).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let (listener, address) =
        listener.and_then(|listener| listener.local_addr().map(|at| (listener, at))).unwrap();
    let connected = tokio::net::TcpStream::connect(address).await;
    format!("{} {}", connected.is_ok(), listener.accept().await.is_ok())
}

#[cfg(not(feature = "tokio"))]
#[expect(clippy::unused_async, reason = "waits with tokio only")]
async fn nap() -> String {
    "without tokio".to_owned()
}

export_plugin! {
    name: "acme-test",
    options: AcmeOptions,
    state: Shared::start,
    close: Shared::close,
    interfaces: [
        AcmePower = AcmePower::new,
        AcmeBios,
        AcmeRaid,
        AcmeManagement,
        AcmeVendor,
    ],
    hardware: {
        "acme" => { power: ["acme", "redfish"], management: ["acme", "noop"], boot: ["noop"], deploy: ["noop"] },
        "acme-mini" => { power: ["acme"], management: ["noop"], boot: ["noop"], deploy: ["noop"] },
    },
}
