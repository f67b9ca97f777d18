//! One running console: characters between a BMC and one client, for as long as the console is enabled.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use farrier_sdk::prelude::{Chain, info, warn};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::target::Target;
use crate::transport::serial::{Serial, SerialOpener};

/// First pause before a console that was lost is opened again; doubled each time.
const REOPEN_PAUSE_MIN: Duration = Duration::from_secs(1);

/// Longest of these pauses.
const REOPEN_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Most time for one attempt.
const REOPEN_PATIENCE: Duration = Duration::from_secs(60);

/// Most characters taken from a client at a time.
const READ_MAX: usize = 1024;

/// What a second client is told.
const IN_USE: &[u8] = b"the console is in use\r\n";

/// One console.
#[derive(Debug)]
pub(super) struct Line {
    /// The node it belongs to.
    pub(super) node: String,
    pub(super) opener: SerialOpener,
    pub(super) target: Arc<Target>,
    pub(super) listener: TcpListener,
    /// A client that neither sends nor receives anything is sent away after this time.
    pub(super) idle: Option<Duration>,
}

/// Whoever is connected.
#[derive(Debug)]
struct Client {
    stream: TcpStream,
    /// Printed by the machine and not sent yet.
    output: VecDeque<u8>,
    last_used: Instant,
}

impl Line {
    /// Carries characters until told to stop; opens the console again whenever it is lost.
    pub(super) async fn run(self, serial: Serial, mut stop: watch::Receiver<bool>) {
        let mut serial = serial;
        let mut client = None;
        loop {
            let lost = tokio::select! {
                lost = self.carry(&mut serial, &mut client) => lost,
                () = stopped(&mut stop) => return serial.close().await,
            };
            warn!(node = self.node, bmc = %self.target.endpoint, reason = lost, "console lost");
            serial.abandon().await;
            serial = tokio::select! {
                serial = self.reopen() => serial,
                () = stopped(&mut stop) => return,
            };
            info!(node = self.node, bmc = %self.target.endpoint, "console is back");
        }
    }

    async fn reopen(&self) -> Serial {
        let mut pause = REOPEN_PAUSE_MIN;
        loop {
            sleep_until(Instant::now() + pause).await;
            match self.opener.open(&self.target, Instant::now() + REOPEN_PATIENCE).await {
                Ok(serial) => return serial,
                Err(error) => {
                    warn!(node = self.node, error = %Chain(&error), "console cannot be opened again yet");
                }
            }
            pause = (pause * 2).min(REOPEN_PAUSE_MAX);
        }
    }

    /// Carries characters until the console is lost; answers why.
    async fn carry(&self, serial: &mut Serial, client: &mut Option<Client>) -> String {
        loop {
            if let Some(connected) = client {
                if connected.output.is_empty() {
                    connected.output.extend(serial.take_output());
                }
            } else {
                // What nobody reads is lost, as on any serial line.
                serial.take_output();
            }
            let room = serial.room().min(READ_MAX);
            let wanted = client.as_ref().is_none_or(|client| client.output.is_empty());
            let idle_end = client.as_ref().zip(self.idle).map(|(client, idle)| client.last_used + idle);
            tokio::select! {
                served = serial.serve(wanted) => {
                    if let Err(end) = served {
                        return end.to_string();
                    }
                }
                accepted = self.listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        Self::welcome(stream, client);
                    }
                }
                moved = exchange(client.as_mut(), room) => match moved {
                    Ok(typed) => serial.type_text(&typed),
                    Err(_) => *client = None,
                },
                () = at(idle_end) => *client = None,
            }
        }
    }

    /// Lets a client in, unless there is one.
    fn welcome(stream: TcpStream, client: &mut Option<Client>) {
        if client.is_some() {
            // Nobody minds if the message is lost.
            stream.try_write(IN_USE).unwrap_or_default();
            return;
        }
        // Characters are few and wanted at once.
        stream.set_nodelay(true).unwrap_or_default();
        *client = Some(Client { stream, output: VecDeque::new(), last_used: Instant::now() });
    }
}

/// Sends output to a client, and takes at most `room` characters from it; an error when it has gone.
async fn exchange(client: Option<&mut Client>, room: usize) -> io::Result<Vec<u8>> {
    let Some(client) = client else { return pending().await };
    let Client { stream, output, last_used } = client;
    tokio::select! {
        ready = stream.writable(), if !output.is_empty() => {
            ready?;
            let (front, _) = output.as_slices();
            let sent = would_block_is_none(stream.try_write(front))?.unwrap_or_default();
            output.drain(..sent);
        }
        ready = stream.readable(), if room != 0 => {
            ready?;
            let mut buffer = [0; READ_MAX];
            let space = buffer.get_mut(..room).unwrap_or_default();
            match would_block_is_none(stream.try_read(space))? {
                Some(0) => return Err(io::ErrorKind::ConnectionAborted.into()),
                Some(size) => {
                    *last_used = Instant::now();
                    return Ok(buffer.get(..size).unwrap_or_default().to_vec());
                }
                None => return Ok(Vec::new()),
            }
        }
        else => pending::<()>().await,
    }
    *last_used = Instant::now();
    Ok(Vec::new())
}

/// What was ready may not be any more.
fn would_block_is_none(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(size) => Ok(Some(size)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits for a time, if there is one to wait for.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// Waits until the console is to end. Its place in the list goes with the sender, which means the same.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    stop.wait_for(|stopped| *stopped).await.map(drop).unwrap_or_default();
}
