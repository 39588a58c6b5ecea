//! One HTTP client for each origin, with its CA and its proxy; and the guard of that origin.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Certificate, Client, Request, Url,
    header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue},
};

use super::{
    auth,
    phases::{TimedConnect, TimedResolver},
};
use crate::domain::{Failure, Method, Name, Question, Secret, Workspace};

const USER_AGENT: &str = concat!("hex-token-exporter/", env!("CARGO_PKG_VERSION"));

/// How long an unused connection is kept.
///
/// A request written while the server closes its connection is lost, and would look like an outage. So
/// ours ends first: servers keep an idle connection for 5 s (Node's default) or longer. It still serves
/// the probes that come close together, which are those of a workspace with many tokens.
const KEPT_IDLE: Duration = Duration::from_secs(4);

/// Unused connections kept to one origin: as many as are in use at once where nothing else is configured,
/// since a new one costs Hex and us far more than one that waits these few seconds.
const MOST_IDLE: usize = 16;

/// A workspace cannot be connected to as it is configured. Its text holds no configured value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("workspace {workspace}: {problem}")]
pub struct ConnectionError {
    /// The workspace, by its configured name.
    pub workspace: Name,
    /// What is wrong with it.
    pub problem: ConnectionProblem,
}

/// What is wrong with a workspace's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionProblem {
    /// `url` is no origin.
    #[error("url is not the http or https address of a host")]
    Origin,
    /// `proxy_url` is of no use.
    #[error("proxy_url is not the http or https address of a proxy")]
    Proxy,
    /// The proxy of a plain http origin would read the credential.
    #[error("url is plain http, and the proxy of proxy_url could read the credential: use https")]
    CredentialInClear,
    /// `ca_file` is of no use.
    #[error("ca_file holds no certificate that can be trusted")]
    Certificates,
    /// There is nothing to check certificates against.
    #[error("no trusted certificates are installed here: install ca-certificates, or set ca_file")]
    SystemCertificates,
}

/// A client that speaks to one origin. It has no `Debug`: a proxy's password is in it.
pub(super) struct Connection {
    workspace: Arc<Workspace>,
    origin: Url,
    client: Client,
}

impl Connection {
    /// Builds the client of a workspace. Nothing is sent.
    pub(super) fn build(workspace: &Arc<Workspace>) -> Result<Self, ConnectionError> {
        let failed = |problem| ConnectionError { workspace: workspace.name.clone(), problem };
        let origin = parse_origin(&workspace.origin).ok_or_else(|| failed(ConnectionProblem::Origin))?;
        let client = build_client(workspace, &origin).map_err(failed)?;
        Ok(Self { workspace: Arc::clone(workspace), origin, client })
    }

    /// Whether it is made of the same settings.
    pub(super) fn serves(&self, workspace: &Workspace) -> bool {
        self.workspace.origin == workspace.origin
            && self.workspace.ca_pem == workspace.ca_pem
            && self.workspace.proxy == workspace.proxy
    }

    /// The client.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The request of a question, with the credential in it. The failure says why there is none.
    pub(super) fn request(&self, secret: &Secret, question: &Question) -> Result<Request, Failure> {
        let Some(url) = question.path().and_then(|path| below(&self.origin, &path)) else {
            tracing::error!(check = question.check.as_label(), "a question without an address was not sent");
            return Err(Failure::Connect);
        };
        let bearer = auth::bearer(secret).ok_or(Failure::CredentialUnreadable)?;
        let mut request = Request::new(method(question.check.method()), url);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        if let Some(body) = question.check.body() {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.into());
        }
        Ok(request)
    }
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
    }
}

/// The address of a path of the API, with its query, at `origin`; `None` where it is no such path.
///
/// Only what is parsed can name another origin. Here the origin stays as it is and gets a path, which also
/// costs a fraction of parsing.
fn below(origin: &Url, path_and_query: &str) -> Option<Url> {
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    let mut url = path.starts_with("/api/").then(|| origin.clone())?;
    url.set_path(path);
    url.set_query(query);
    Some(url)
}

fn parse_origin(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let anonymous = url.username().is_empty() && url.password().is_none();
    (matches!(url.scheme(), "http" | "https") && bare && anonymous).then_some(url)
}

fn build_client(workspace: &Workspace, origin: &Url) -> Result<Client, ConnectionProblem> {
    let encrypted = origin.scheme() == "https";
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers)
        .https_only(encrypted)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .no_proxy()
        .pool_idle_timeout(KEPT_IDLE)
        .pool_max_idle_per_host(MOST_IDLE)
        // Every request has a timeout, and no connection lives longer unused: nothing is left to watch for.
        // Any of the first three would switch it on, at three system calls a connection.
        .tcp_keepalive(None)
        .tcp_keepalive_interval(None)
        .tcp_keepalive_retries(None)
        .tcp_user_timeout(None)
        .dns_resolver(Arc::new(TimedResolver))
        .connector_layer(TimedConnect);
    if let Some(address) = &workspace.proxy {
        let proxy = auth::proxy(address).ok_or(ConnectionProblem::Proxy)?;
        if !encrypted {
            return Err(ConnectionProblem::CredentialInClear);
        }
        builder = builder.proxy(proxy);
    }
    let without_trust = if let Some(pem) = &workspace.ca_pem {
        let trusted = Certificate::from_pem_bundle(pem).map_err(|_| ConnectionProblem::Certificates)?;
        if trusted.is_empty() {
            return Err(ConnectionProblem::Certificates);
        }
        builder = builder.tls_certs_only(trusted);
        ConnectionProblem::Certificates
    } else {
        if !encrypted {
            // Plain http needs no certificates, and must not fail where there are none.
            builder = builder.tls_certs_only([]);
        }
        ConnectionProblem::SystemCertificates
    };
    builder.build().map_err(|_| without_trust)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_lead_away_from_its_origin() {
        let origin = parse_origin("https://app.hex.tech").unwrap();
        let address = |path| below(&origin, path).map(String::from);
        for path in ["/api/v1/users/me", "/api/v1/cells?projectId=x&limit=1"] {
            assert_eq!(address(path), Some(format!("https://app.hex.tech{path}")));
        }
        for bad in [
            "//evil.example/api",
            "/\\evil.example/api",
            "https://evil.example/api",
            "http://app.hex.tech/api",
            "https://app.hex.tech:8443/api",
            "https://user@app.hex.tech/api",
        ] {
            assert_eq!(address(bad), None, "{bad}");
        }
        for odd in ["/api/..//evil.example", "/api/../\\evil.example", "/api/@evil.example", "/api/#?//evil"]
        {
            let address = below(&origin, odd).unwrap();
            assert_eq!((address.origin(), address.username()), (origin.origin(), ""), "{odd}");
        }
    }

    #[test]
    fn an_origin_is_a_host_and_nothing_more() {
        for good in ["https://app.hex.tech", "http://127.0.0.1:8080", "http://[::1]:1"] {
            assert!(parse_origin(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "app.hex.tech",
            "ftp://app.hex.tech",
            "https://user@app.hex.tech",
            "https://app.hex.tech/path",
            "https://app.hex.tech?query",
            "https://app.hex.tech#fragment",
        ] {
            assert_eq!(parse_origin(bad), None, "{bad}");
        }
    }
}
