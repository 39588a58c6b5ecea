//! The door through which credentials leave: nothing else in this folder can read one.
//!
//! What leaves is marked sensitive, so that no log of the HTTP client shows it. The client's own copies
//! are not wiped when they are freed; ours is.

use reqwest::{Proxy, Url, header::HeaderValue};
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::domain::Secret;

/// The value of the header `Authorization`. `None` where the secret cannot stand in a header.
pub(super) fn bearer(secret: &Secret) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("Bearer {}", open(secret)));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The proxy at a secret address. `None` where it is no http or https address.
pub(super) fn proxy(address: &Secret) -> Option<Proxy> {
    let url = Url::parse(open(address)).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    Proxy::all(url).ok()
}

#[expect(clippy::disallowed_methods, reason = "one of a credential's two doors: sends, never shows")]
fn open(secret: &Secret) -> &str {
    secret.expose_secret()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_never_shows_itself() {
        let value = bearer(&Secret::opaque("canary")).unwrap();
        assert_eq!(value, "Bearer canary");
        assert_eq!(format!("{value:?}"), "Sensitive");
        assert!(bearer(&Secret::opaque("line\nbreak")).is_none());
    }

    #[test]
    fn a_proxy_is_http_or_https() {
        for good in ["http://proxy:3128", "https://user:password@proxy"] {
            assert!(proxy(&Secret::opaque(good)).is_some(), "{good}");
        }
        for bad in ["", "proxy:3128", "socks5://proxy", "ftp://proxy", "http://"] {
            assert!(proxy(&Secret::opaque(bad)).is_none(), "{bad}");
        }
    }
}
