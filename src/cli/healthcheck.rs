//! `healthcheck`: for containers without a shell.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use url::{Position, Url};

use super::{args::HealthcheckArgs, block_on_and_leave};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks in plain HTTP, since the health paths are served without TLS, and looks at the status line alone.
pub(super) fn run(args: &HealthcheckArgs) -> anyhow::Result<ExitCode> {
    let url = Url::parse(&args.url).context("the url is none")?;
    if url.scheme() != "http" {
        bail!(
            "the url must start with http://: the health paths are served without TLS on --web.health-address"
        );
    }
    let asked = async { timeout(PATIENCE, ask(&url)).await };
    let answer = block_on_and_leave(asked, Duration::ZERO)?;
    let status_line = answer.with_context(|| format!("no answer within {PATIENCE:?}"))??;
    match status_line.strip_prefix(b"HTTP/1.1 ").or_else(|| status_line.strip_prefix(b"HTTP/1.0 ")) {
        Some(b"200") => Ok(ExitCode::SUCCESS),
        Some(status) => bail!("the answer is {}, and not 200", status.escape_ascii()),
        None => bail!("what answers is no HTTP server; see the port of --url"),
    }
}

/// The start of the answer, as far as the status.
async fn ask(url: &Url) -> anyhow::Result<[u8; 12]> {
    let host = url.host_str().context("the url names no host")?;
    let port = url.port_or_known_default().unwrap_or(80);
    let addresses = lookup_host((host.trim_matches(['[', ']']), port))
        .await
        .with_context(|| format!("{host} has no address"))?;
    let mut stream = connect(&addresses.collect::<Vec<_>>(), PATIENCE).await?;
    let asked = &url[Position::BeforePath..Position::AfterQuery];
    let request = format!("GET {asked} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status_line = [0; 12];
    stream.read_exact(&mut status_line).await.map_err(unanswered)?;
    Ok(status_line)
}

/// Connects to the first address that lets us: a name may lead to one where nobody listens, as `localhost`
/// does to `::1`. Each gets its share of the time, since one may also be silent.
async fn connect(addresses: &[SocketAddr], patience: Duration) -> anyhow::Result<TcpStream> {
    let mut refusals = Vec::new();
    for address in addresses {
        let share = patience / u32::try_from(addresses.len())?;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => refusals.push(format!("{address} ({error})")),
            Err(_) => refusals.push(format!("{address} (no answer in time)")),
        }
    }
    bail!("cannot connect to {}", refusals.join(" or "))
}

fn unanswered(error: io::Error) -> anyhow::Error {
    let words = match error.kind() {
        ErrorKind::UnexpectedEof => "the connection ended before the answer",
        _ => "the answer cannot be read",
    };
    anyhow::Error::new(error).context(words)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, TcpListener};

    use tokio::net::TcpSocket;

    use super::*;

    #[tokio::test]
    async fn an_address_where_nobody_listens_is_passed_over() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let elsewhere = (Ipv6Addr::LOCALHOST, address.port()).into();
        let stream = connect(&[elsewhere, address], PATIENCE).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        drop(listener);
        let refused = connect(&[elsewhere, address], PATIENCE).await.unwrap_err().to_string();
        assert!(
            refused.contains(&elsewhere.to_string()) && refused.contains(&address.to_string()),
            "{refused}"
        );
    }

    #[tokio::test]
    async fn a_silent_address_takes_no_more_than_its_share() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = socket.listen(0).unwrap();
        let silent = full.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(100), TcpStream::connect(silent)).await {
            queued.push(stream.unwrap());
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = connect(&[silent, address], Duration::from_secs(2)).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
    }
}
