//! Tells systemd how the process fares: the protocol of `sd_notify(3)`, of which a datagram each is all.
//!
//! The address comes from outside, like every variable: crates for this read the environment themselves.

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Who is told. Nobody, where the process was not started by systemd or its like.
#[derive(Debug, Default)]
pub struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
    patience: Option<Duration>,
}

impl Supervisor {
    /// The supervisor that the variables `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` name. One that
    /// can't be reached is a warning.
    pub fn of<'a>(variable: impl Fn(&str) -> Option<&'a str>) -> Self {
        let Some(address) = variable("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Self::default();
        };
        let open = || -> io::Result<_> {
            let address = match address.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name)?,
                None => SocketAddr::from_pathname(OsStr::from_bytes(address.as_bytes()))?,
            };
            let socket = UnixDatagram::unbound()?;
            // A supervisor that does not listen must not stop what it supervises.
            socket.set_nonblocking(true)?;
            Ok((socket, address))
        };
        let socket = open().inspect_err(|error| warn!("systemd cannot be told anything: {error}")).ok();
        let is_meant = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let patience = variable("WATCHDOG_USEC").filter(|_| is_meant).and_then(|text| text.parse().ok());
        Self { socket, patience: patience.filter(|micros| *micros > 0).map(Duration::from_micros) }
    }

    /// The configuration holds, and all is served. Hex need not answer for that: a start that waited for it
    /// would fail with it.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The configuration is being read anew; [`Self::ready`] must follow.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The process is about to end.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Gives the sign of life that the watchdog waits for, twice as often as it must, for as long as the
    /// work moves.
    pub async fn reassure(&self, is_moving: impl Fn() -> bool, stop: CancellationToken) {
        let Some(patience) = self.patience else { return };
        let mut signs = interval((patience / 2).max(Duration::from_millis(1)));
        while stop.run_until_cancelled(signs.tick()).await.is_some() {
            if is_moving() {
                self.tell("WATCHDOG=1");
            }
        }
    }

    fn tell(&self, what: &str) {
        let Some((socket, address)) = &self.socket else { return };
        if let Err(error) = socket.send_to_addr(what.as_bytes(), address) {
            warn!("systemd cannot be told {}: {error}", what.lines().next().unwrap_or_default());
        }
    }
}
