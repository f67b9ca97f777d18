//! The datagrams of the kit, and what goes wrong with them.

use farrier_sdk::prelude::*;
use tokio::net::UdpSocket;
use tokio::sync::Mutex;

use crate::driver_info::WaywardInfo;
use crate::shared::Shared;

/// How long to wait for an answer before the question is repeated, and how often it is asked.
const ATTEMPT: (Duration, u32) = (Duration::from_millis(150), 8);

/// Pause before a busy machine is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// A socket to one machine, and the session there.
pub(crate) struct Channel {
    socket: UdpSocket,
    state: Mutex<State>,
}

struct State {
    sequence: u64,
    session: String,
}

/// Asks or tells a machine something; the power state it has then.
pub(crate) async fn ask(
    shared: &Shared,
    _task: &DriverTask<WaywardInfo>,
    address: &str,
    word: &str,
) -> Result<PowerState> {
    let channel = channel(shared, address).await?;
    let mut state = channel.state.lock().await;
    for _ in 0..ATTEMPT.1 {
        if state.session == "0" {
            state.session = channel.exchange(shared, &mut state, "login").await?;
        }
        match channel.exchange(shared, &mut state, word).await?.as_str() {
            "on" => return Ok(PowerState::On),
            "off" => return Ok(PowerState::Off),
            "busy" if shared.breaks("FLT-024") => return Err(DriverError::internal("something went wrong")),
            "busy" => tokio::time::sleep(BUSY_PAUSE).await,
            "denied" if shared.breaks("FLT-025") => {
                return Err(DriverError::auth_failed("the session is gone"));
            }
            "denied" => "0".clone_into(&mut state.session),
            other => return Err(DriverError::protocol(format!("the machine answered `{other}`"))),
        }
    }
    Err(DriverError::new(ErrorKind::Busy, "the machine is busy"))
}

async fn channel(shared: &Shared, address: &str) -> Result<Arc<Channel>> {
    let mut channels = shared.channels.lock().await;
    if let Some(known) = channels.get(address) {
        return Ok(Arc::clone(known));
    }
    let failed = |error: std::io::Error| DriverError::unreachable("no socket").caused_by(&error);
    let socket = UdpSocket::bind("127.0.0.1:0").await.map_err(failed)?;
    socket.connect(address).await.map_err(failed)?;
    let state = Mutex::new(State { sequence: 0, session: "0".to_owned() });
    let channel = Arc::new(Channel { socket, state });
    channels.insert(address.to_owned(), Arc::clone(&channel));
    Ok(channel)
}

impl Channel {
    /// One question and its own answer.
    async fn exchange(&self, shared: &Shared, state: &mut State, word: &str) -> Result<String> {
        let unreachable =
            || shared.or_vague("FLT-020", DriverError::unreachable("the machine does not answer"));
        let attempts = if shared.breaks("FLT-021") { 1 } else { ATTEMPT.1 };
        state.sequence += 1;
        let sequence = state.sequence.to_string();
        for _ in 0..attempts {
            let text = format!("{sequence} {} {word}", state.session);
            self.socket.send(text.as_bytes()).await.map_err(|_| unreachable())?;
            if let Ok(answer) = tokio::time::timeout(ATTEMPT.0, self.answer(shared, &sequence)).await {
                return answer.map_err(|_| unreachable());
            }
        }
        Err(unreachable())
    }

    /// The answer to this question; those to others are passed over.
    async fn answer(&self, shared: &Shared, sequence: &str) -> std::io::Result<String> {
        let careless = shared.breaks("FLT-022") || shared.breaks("FLT-023");
        let mut buffer = [0; 512];
        loop {
            let size = self.socket.recv(&mut buffer).await?;
            let text = String::from_utf8_lossy(buffer.get(..size).unwrap_or_default()).into_owned();
            if let Some((of, answer)) = text.split_once(' ')
                && (of == sequence || careless)
            {
                return Ok(answer.to_owned());
            }
        }
    }
}
