//! Listen addresses, as people write them: `:9847`, `127.0.0.1:9847`, `[::1]:9847`, `localhost:9847`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use anyhow::{Context, bail};
use tokio::net::TcpListener;

/// Binds an address. Without a host it is all of the machine's, IPv6 where there is any.
pub(super) async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    let candidates: Vec<SocketAddr> = match address.strip_prefix(':') {
        Some(port) => {
            let port =
                port.parse().with_context(|| format!("no such port in the listen address {address}"))?;
            vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]
        }
        None => address
            .to_socket_addrs()
            .with_context(|| format!("the listen address {address} is not of the form HOST:PORT or :PORT"))?
            .collect(),
    };
    let mut trouble = None;
    for candidate in candidates {
        match TcpListener::bind(candidate).await {
            Ok(listener) => return Ok(listener),
            Err(error) => trouble = Some(error),
        }
    }
    match trouble {
        Some(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
        None => bail!("the listen address {address} names no address"),
    }
}
