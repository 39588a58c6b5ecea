//! Addresses: of a workspace, which become an origin; of a proxy, which stay secret; of a page, which
//! are shown.

use url::{Host, Url};

use super::section::{Section, refuse_token};
use crate::domain::Secret;

/// The stack that a workspace token or a personal token of most customers belongs to.
pub(super) const DEFAULT_ORIGIN: &str = "https://app.hex.tech";

/// Longer than any address that people write.
const MAX_LENGTH: usize = 2048;

/// The origin of the workspace at `url`. Anything after it is dropped, with a warning: people paste the
/// address of a page.
pub(super) fn origin(workspace: &Section<'_>, allow_http: bool) -> Option<String> {
    let path = workspace.at("url");
    if workspace.entry("url").is_none() {
        let advice = format!("missing; give the address of the workspace, such as {DEFAULT_ORIGIN}");
        workspace.report.error(&path, advice);
        return None;
    }
    let url = web_address(workspace, "url", "such as https://app.hex.tech")?;
    if has_userinfo(&url) {
        let problem = "holds a user name or password; a credential is sent as a header alone: drop it";
        workspace.report.refuse(&path, problem);
        return None;
    }
    if url.scheme() == "http" && !allow_http && !is_loopback(&url) {
        workspace.report.error(
            &path,
            "plain http would show the credentials to the network; use https, or set `allow_http: true` \
             on this workspace",
        );
        return None;
    }
    let origin = url.origin().ascii_serialization();
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        workspace.report.warn(&path, "only the origin is used; drop what follows the host name");
    }
    Some(origin)
}

/// The proxy of a workspace. The address may hold a password, and is never shown.
pub(super) fn proxy(workspace: &Section<'_>, origin: Option<&str>) -> Option<Secret> {
    let url = web_address(workspace, "proxy_url", "such as http://proxy.example.com:3128")?;
    if origin.is_some_and(|origin| origin.starts_with("http:")) {
        workspace.report.error(
            &workspace.at("proxy_url"),
            "the workspace is reached over plain http, and the proxy would see the credentials; use \
             https for the workspace, or no proxy",
        );
        return None;
    }
    Some(Secret::opaque(url.as_str()))
}

/// A page to be linked to.
pub(super) fn page<'a>(section: &Section<'a>, key: &str) -> Option<&'a str> {
    let url = web_address(section, key, "such as https://wiki.example.com/rotate-hex")?;
    if has_userinfo(&url) {
        let problem = "holds a user name or password, and is shown to everyone; drop it";
        section.report.refuse(&section.at(key), problem);
        return None;
    }
    section.text(key)
}

fn web_address(section: &Section<'_>, key: &str, example: &str) -> Option<Url> {
    let text = section.text(key)?;
    let path = section.at(key);
    let report = section.report;
    let url = Url::parse(text).ok().filter(|url| text.len() <= MAX_LENGTH && !url.cannot_be_a_base());
    let Some(url) = url else {
        report.error(&path, format!("is no web address; write it in full, {example}"));
        return None;
    };
    if !matches!(url.scheme(), "http" | "https") {
        report.error(&path, format!("must begin with http:// or https://, {example}"));
        return None;
    }
    // As it is understood: a host's name comes out in lower case, and without its escapes.
    (!refuse_token(report, &path, url.as_str())).then_some(url)
}

fn has_userinfo(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // Not what ends so: not every resolver keeps those names to the machine.
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
