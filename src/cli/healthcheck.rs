//! `healthcheck`: for containers without a shell.

use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use url::Url;

use super::args::HealthcheckArgs;

const PATIENCE: Duration = Duration::from_secs(5);

/// Asks in plain HTTP, since the health paths are served without TLS, and looks at the status line alone.
pub(super) fn run(args: &HealthcheckArgs) -> anyhow::Result<ExitCode> {
    let url = Url::parse(&args.url).context("the url is none")?;
    if url.scheme() != "http" {
        bail!(
            "the url must start with http://: the health paths are served without TLS on --web.health-address"
        );
    }
    let host = url.host_str().context("the url names no host")?;
    let port = url.port_or_known_default().unwrap_or(80);
    let address = (host.trim_matches(['[', ']']), port)
        .to_socket_addrs()
        .with_context(|| format!("{host} has no address"))?
        .next()
        .ok_or_else(|| anyhow!("{host} has no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("nothing listens on {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n", url.path())?;
    let mut status_line = [0; 12];
    stream.read_exact(&mut status_line).context("no answer in time")?;
    Ok(if status_line.ends_with(b" 200") { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
