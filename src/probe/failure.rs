//! Why there was no answer, read from the types in an error's chain; from its text only where a type is private.

use std::{error::Error, io, iter};

use super::phases::Unresolved;
use crate::domain::Failure;

/// Classifies the error of a request that got no answer.
///
/// What is neither resolution, nor TLS, nor bad HTTP is [`Failure::Connect`]: refused, unreachable, reset
/// or closed before there was an answer, a proxy that opens no tunnel. A connection that is lost in the
/// middle of a head counts so too, and one lost in a handshake, where TLS itself did not complain.
pub(super) fn of(error: &(dyn Error + 'static)) -> Failure {
    chain(error).find_map(known).unwrap_or(Failure::Connect)
}

/// Whether a proxy refused to open a tunnel before it is given credentials: its status 407.
pub(super) fn is_proxy_challenge(error: &(dyn Error + 'static)) -> bool {
    // The error's type is private to hyper-util; a test with a real proxy holds this text true.
    chain(error).any(|cause| cause.to_string() == "tunnel error: proxy authorization required")
}

/// The innermost cause in words, for a log: the layers around it only say where it happened.
pub(super) fn root(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn known(cause: &(dyn Error + 'static)) -> Option<Failure> {
    if cause.is::<Unresolved>() {
        Some(Failure::Dns)
    } else if cause.is::<rustls::Error>() {
        Some(Failure::Tls)
    } else {
        cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse).then_some(Failure::Protocol)
    }
}

/// An error and all that it comes from. An I/O error's `source` would pass over the error that it wraps,
/// which is where TLS hides.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&cause| {
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| cause.source())
    })
}
