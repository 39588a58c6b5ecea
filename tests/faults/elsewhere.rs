//! Where requests end up that never reach Hex: closed ports, strangers with certificates, black holes.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::LazyLock,
};

use hex_token_exporter::domain::Workspace;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::{
    catalogue::Fault,
    raw_upstream::{Dialogue, Step, TestCa, Upstream},
};

const HOST: &str = "127.0.0.1";

/// A year that no test will see.
const LATER: i32 = 2999;

/// The authority that is trusted, and one that nobody trusts.
static AUTHORITIES: LazyLock<(TestCa, TestCa)> = LazyLock::new(|| (TestCa::new(), TestCa::new()));

/// The addresses of a run that are not Hex's own.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    origins: BTreeMap<Fault, String>,
    /// Servers and sockets, which live as long as this.
    held: Vec<Box<dyn Any + Send + Sync>>,
}

impl Elsewhere {
    /// Opens what these faults need. `hex` answers as Hex does.
    pub(crate) async fn open(faults: &BTreeSet<Fault>, hex: &Dialogue) -> Self {
        let (trusted, stranger) = &*AUTHORITIES;
        let mut elsewhere = Self::default();
        for fault in faults {
            let identity = match fault {
                Fault::OverTls => trusted.identity(HOST, LATER),
                Fault::TlsExpired => trusted.identity(HOST, 2020),
                Fault::TlsWrongHost => trusted.identity("app.hex.test", LATER),
                Fault::TlsUnknownCa => stranger.identity(HOST, LATER),
                _ => {
                    elsewhere.open_plain(*fault).await;
                    continue;
                }
            };
            let hex = hex.clone();
            let server = Upstream::start_tls(identity, move |_| vec![Step::Converse(hex.clone())]).await;
            elsewhere.origins.insert(*fault, server.origin("https"));
            elsewhere.held.push(Box::new(server));
        }
        elsewhere
    }

    async fn open_plain(&mut self, fault: Fault) {
        let origin = match fault {
            Fault::TlsNone => {
                let server =
                    Upstream::start(|_| vec![Step::Send(b"HTTP/1.1 400 Plain\r\n\r\n".to_vec())]).await;
                let origin = server.origin("https");
                self.held.push(Box::new(server));
                origin
            }
            Fault::Refused => {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
                let address = socket.local_addr().unwrap();
                self.held.push(Box::new(socket));
                format!("http://{address}")
            }
            // No label may be that long, so the resolver need not ask anyone.
            Fault::NoAddress => format!("http://{}.invalid", "a".repeat(64)),
            Fault::BlackHole => {
                let (address, hole) = black_hole().await;
                self.held.push(Box::new(hole));
                format!("http://{address}")
            }
            _ => return,
        };
        self.origins.insert(fault, origin);
    }

    /// The workspace as a request under this fault finds it. `None`: where it always is.
    pub(crate) fn instead_of(&self, workspace: &Workspace, fault: Fault) -> Option<Workspace> {
        let origin = self.origins.get(&fault)?.clone();
        let ca_pem = origin.starts_with("https").then(|| AUTHORITIES.0.pem());
        Some(Workspace { origin, ca_pem, ..workspace.clone() })
    }
}

/// A listener whose queue is full: what connects to it waits for ever.
async fn black_hole() -> (SocketAddr, (TcpListener, TcpStream)) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    // A queue of no length holds one.
    let queued = TcpStream::connect(address).await.unwrap();
    (address, (listener, queued))
}
