//! What Hex would say if nothing came between: who lives, who may what, and the honest answers.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};

use crate::raw_upstream;

/// The project that tokens list.
pub(crate) const PROJECT: &str = "5a8591dd-4039-49df-9202-96385ba3eff8";

/// What Hex knows of one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    /// Whether Hex accepts it.
    pub(crate) alive: bool,
    /// Whether it has the scope `projects_read`.
    pub(crate) may_read: bool,
    /// `token.exp`, in seconds.
    pub(crate) expires: Option<i64>,
}

/// All accounts, by credential.
pub(crate) type Accounts = BTreeMap<String, Account>;

/// One answer of Hex.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Told {
    fn new(status: u16, content: &str, body: impl Into<String>, date: Timestamp) -> Self {
        let headers = vec![format!("content-type: {content}"), date_header(date)];
        Self { status, headers, body: body.into() }
    }

    /// As bytes, with its length.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.with(&[])
    }

    /// The same with further headers.
    pub(crate) fn with(&self, further: &[&str]) -> Vec<u8> {
        let own = self.headers.iter().map(String::as_str);
        let headers: Vec<&str> = own.chain(further.iter().copied()).collect();
        raw_upstream::answer(self.status, &headers, &self.body)
    }

    /// Its head without any length, up to the body.
    pub(crate) fn head(&self, further: &[&str]) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Told\r\n", self.status);
        for header in self.headers.iter().map(String::as_str).chain(further.iter().copied()) {
            write!(head, "{header}\r\n").unwrap();
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// A `Date` header.
pub(crate) fn date_header(date: Timestamp) -> String {
    format!("date: {}", DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap())
}

/// The credential that a request carries.
pub(crate) fn credential(request: &str) -> Option<&str> {
    request.lines().find_map(|line| line.strip_prefix("authorization: Bearer "))
}

/// What Hex answers to a request.
pub(crate) fn answer(accounts: &Accounts, request: &str, date: Timestamp) -> Told {
    let path = request.split_whitespace().nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    match credential(request).and_then(|credential| accounts.get(credential)) {
        Some(account) if account.alive => accepted(*account, path, date),
        _ => Told::new(401, "text/plain", "Unauthorized", date),
    }
}

fn accepted(account: Account, path: &str, date: Timestamp) -> Told {
    const JSON: &str = "application/json; charset=utf-8";
    match path {
        "/api/v1/users/me" => {
            let exp = account.expires.map_or("null".to_owned(), |exp| exp.to_string());
            let org = "0195fa0d-a0b5-7001-b18f-ec09baa16d1a";
            Told::new(200, JSON, format!(r#"{{"org":{{"id":"{org}"}},"token":{{"exp":{exp}}}}}"#), date)
        }
        _ if !account.may_read => {
            Told::new(403, JSON, r#"{"reason":"ForbiddenException","traceId":"0af7651916cd43dd"}"#, date)
        }
        "/api/v1/projects" => {
            Told::new(200, JSON, format!(r#"{{"values":[{{"id":"{PROJECT}"}}],"pagination":{{}}}}"#), date)
        }
        _ => {
            let body = format!(r#"{{"id":"{PROJECT}","lastPublishedAt":"2026-01-01T00:00:00.000Z"}}"#);
            Told::new(200, JSON, body, date)
        }
    }
}
