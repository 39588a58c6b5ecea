//! Where people reach this server, behind whatever stands before it.

use std::{fmt, str::FromStr};

use url::Url;

/// The address under which people open the status page, such as `https://monitoring.example/hex-tokens`.
///
/// What leaves the server for a calendar or a sheet of paper links there. Links within the pages are
/// relative, so that they hold under every address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalUrl(String);

/// Why a text is no such address. Never says the text: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotExternal {
    /// It can't be read as an address.
    #[error("it is no URL")]
    NoUrl,
    /// A browser would not open it.
    #[error("it must begin with http:// or https://")]
    NotWeb,
    /// It is shown to everybody.
    #[error("it must not hold a user name or password")]
    UserInfo,
    /// Paths are appended to it.
    #[error("it must not hold a query or a fragment")]
    Query,
}

impl FromStr for ExternalUrl {
    type Err = NotExternal;

    fn from_str(text: &str) -> Result<Self, NotExternal> {
        let url = Url::parse(text).map_err(|_| NotExternal::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NotExternal::NotWeb);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotExternal::UserInfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(NotExternal::Query);
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl ExternalUrl {
    /// The address of a page, where `path` begins with a slash.
    pub(super) fn of(&self, path: &str) -> String {
        format!("{self}{path}")
    }
}

impl fmt::Display for ExternalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_url_is_a_web_address_that_paths_can_be_appended_to() {
        for (text, expected) in [
            ("https://monitoring.example", Ok("https://monitoring.example/tokens/a")),
            ("https://monitoring.example/", Ok("https://monitoring.example/tokens/a")),
            ("http://127.0.0.1:9847/hex//", Ok("http://127.0.0.1:9847/hex/tokens/a")),
            ("monitoring.example", Err(NotExternal::NoUrl)),
            ("", Err(NotExternal::NoUrl)),
            ("ftp://monitoring.example", Err(NotExternal::NotWeb)),
            ("javascript:alert(1)", Err(NotExternal::NotWeb)),
            ("https://ada:pw@monitoring.example", Err(NotExternal::UserInfo)),
            ("https://monitoring.example/?a=b", Err(NotExternal::Query)),
            ("https://monitoring.example/#top", Err(NotExternal::Query)),
        ] {
            let parsed = text.parse::<ExternalUrl>().map(|url| url.of("/tokens/a"));
            assert_eq!(parsed, expected.map(str::to_owned), "{text}");
        }
    }
}
