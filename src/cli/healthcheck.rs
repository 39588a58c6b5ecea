//! `healthcheck`: for containers without a shell.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use url::{Position, Url};

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
    let addresses = (host.trim_matches(['[', ']']), port)
        .to_socket_addrs()
        .with_context(|| format!("{host} has no address"))?;
    let mut stream = connect(addresses)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let asked = &url[Position::BeforePath..Position::AfterQuery];
    write!(stream, "GET {asked} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n")?;
    let mut status_line = [0; 12];
    stream.read_exact(&mut status_line).map_err(unanswered)?;
    match status_line.strip_prefix(b"HTTP/1.1 ").or_else(|| status_line.strip_prefix(b"HTTP/1.0 ")) {
        Some(b"200") => Ok(ExitCode::SUCCESS),
        Some(status) => bail!("the answer is {}, and not 200", status.escape_ascii()),
        None => bail!("what answers is no HTTP server; see the port of --url"),
    }
}

/// Connects to the first address that lets us: a name may lead to one where nobody listens, as `localhost`
/// does to `::1`.
fn connect(addresses: impl Iterator<Item = SocketAddr>) -> anyhow::Result<TcpStream> {
    let mut refusals = Vec::new();
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => refusals.push(format!("{address} ({error})")),
        }
    }
    bail!("cannot connect to {}", refusals.join(" or "))
}

fn unanswered(error: io::Error) -> anyhow::Error {
    let words = match error.kind() {
        // The first is what Unix says where a time to read is over.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer in time",
        ErrorKind::UnexpectedEof => "the connection ended before the answer",
        _ => "the answer cannot be read",
    };
    anyhow::Error::new(error).context(words)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, TcpListener};

    use super::*;

    #[test]
    fn an_address_where_nobody_listens_is_passed_over() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let elsewhere = (Ipv6Addr::LOCALHOST, address.port()).into();
        assert_eq!(connect([elsewhere, address].into_iter()).unwrap().peer_addr().unwrap(), address);
        drop(listener);
        let refused = connect([elsewhere, address].into_iter()).unwrap_err().to_string();
        assert!(
            refused.contains(&elsewhere.to_string()) && refused.contains(&address.to_string()),
            "{refused}"
        );
    }
}
