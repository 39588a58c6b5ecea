//! One question about one token becomes one observation: the only place that talks to Hex, and the only
//! one that names `reqwest`.
//!
//! What holds here, whatever comes back:
//!
//! - **One probe, one request.** Nothing is retried and no redirect is followed; a probe that hid a
//!   failure would hide what it is for. The one exception costs Hex nothing: where a kept connection
//!   turns out to be closed before a byte of the request was written, a new one is opened.
//! - **A credential goes to one origin.** It is opened in `auth.rs` alone, put into one header of a
//!   request whose address was checked against the workspace's, and never sent through a proxy that
//!   could read it. Proxies of the environment (`HTTPS_PROXY` and its like) are ignored: `proxy_url` of a
//!   workspace is the only way to name one.
//! - **A failure is an observation,** not an error: [`Prober::ask`] always answers, within the timeout,
//!   which covers the body too. Errors exist only where a client cannot be built ([`ConnectionError`]).
//! - **Memory is bounded** by 1 MiB of decoded body and by the header limits of the HTTP client. Of a
//!   body only the fields of [`Facts`](crate::domain::Facts) outlive the probe, and no text of it.
//!
//! | file | what it does |
//! | --- | --- |
//! | `hex.rs` | [`HexProber`]: finds the connection of a workspace and asks over it |
//! | `connection.rs` | builds one client per origin, CA and proxy; guards the origin |
//! | `auth.rs` | opens credentials |
//! | `exchange.rs` | sends a request, receives the answer within its bounds |
//! | `phases.rs` | measures where the time went |
//! | `failure.rs` | tells why there was no answer |
//! | `headers.rs`, `quota.rs` | read the head of an answer |
//! | `body.rs`, `json.rs` | read its body |

mod auth;
mod body;
mod connection;
mod exchange;
mod failure;
mod headers;
mod hex;
mod json;
mod phases;
mod quota;

use std::sync::Arc;

pub use connection::{ConnectionError, ConnectionProblem};
pub use hex::HexProber;

use crate::domain::{Observation, Question, Secret, Workspace};

/// Something that can be asked about tokens: Hex, or a fake in tests of the schedule.
pub trait Prober: Send + Sync + 'static {
    /// Asks one question about the token whose credential is `secret`, over one request.
    ///
    /// Never fails: what went wrong is the observation. Dropping the future ends the request.
    fn ask(
        &self,
        workspace: &Arc<Workspace>,
        secret: &Secret,
        question: Question,
    ) -> impl Future<Output = Observation> + Send;
}

impl<P: Prober> Prober for Arc<P> {
    fn ask(
        &self,
        workspace: &Arc<Workspace>,
        secret: &Secret,
        question: Question,
    ) -> impl Future<Output = Observation> + Send {
        P::ask(self, workspace, secret, question)
    }
}
