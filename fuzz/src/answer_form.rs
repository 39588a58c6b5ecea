//! Reads an answer from its bytes, apart from all that the exporter reads it with: the second opinion.

use hex_token_exporter::domain::{Check, Reason};
use serde_json::Value;

/// How `serde_json` tells of JSON that it can't hold.
const BEYOND: [&str; 4] =
    ["recursion limit", "number out of range", "lone leading surrogate", "unexpected end of hex escape"];

/// An answer in plain framing: nothing encoded, ended by the end of its connection.
pub(super) struct Form<'a> {
    status: u16,
    headers: Vec<(String, String)>,
    body: &'a [u8],
}

impl<'a> Form<'a> {
    /// `None` where its framing or its status needs more than this to be read.
    pub(super) fn read(wire: &'a [u8]) -> Option<Self> {
        let mut rest = wire;
        let status = line(&mut rest)?.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let line = line(&mut rest)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let framing = ["content-length", "transfer-encoding", "content-encoding"];
        let is_plain = headers.iter().all(|(name, _)| !framing.contains(&name.as_str()));
        let has_body = !matches!(status, 0..=199 | 204 | 304);
        (is_plain && has_body).then_some(Self { status, headers, body: rest })
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// Whether Hex could have sent this, and meant that.
    pub(super) fn allows(&self, reason: Reason, check: Check) -> bool {
        let age = self.header("age").find_map(|age| age.parse::<u64>().ok());
        if age.is_some_and(|age| age > 0) {
            return false;
        }
        let of_hex = self.is_error_of_hex();
        match reason {
            Reason::Ok | Reason::Unavailable => {
                let is_json =
                    self.header("content-type").any(|kind| kind.to_ascii_lowercase().contains("json"));
                let key = |keys: &Value| check.expected_keys().iter().any(|key| keys.get(key).is_some());
                (200..300).contains(&self.status) && is_json && self.json().is_none_or(|json| key(&json))
            }
            Reason::Unauthorized => {
                let challenge = self.header("www-authenticate");
                let is_bearer = challenge.map(str::to_ascii_lowercase).any(|it| it.contains("bearer"));
                let is_text = str::from_utf8(self.body).is_ok_and(|text| text.contains("Unauthorized"));
                self.status == 401 && (of_hex || is_bearer || is_text)
            }
            Reason::Forbidden => self.status == 403 && of_hex,
            Reason::Plan => self.status == 403 && self.json().is_none_or(|json| json["message"].is_string()),
            Reason::NotFound => self.status == 404 && of_hex,
            _ => true,
        }
    }

    fn is_error_of_hex(&self) -> bool {
        self.json().is_none_or(|json| {
            json["reason"].is_string() || (json["code"].is_string() && json["message"].is_string())
        })
    }

    /// `None` where it is JSON that this reader can't hold: too deep for one that recurses, a number beyond
    /// those of a processor, or half a letter.
    fn json(&self) -> Option<Value> {
        let text = str::from_utf8(self.body).unwrap_or_default();
        match serde_json::from_str(text.trim_start_matches('\u{feff}').trim()) {
            Err(error) if BEYOND.iter().any(|limit| error.to_string().contains(limit)) => None,
            read => Some(read.unwrap_or(Value::Null)),
        }
    }

    fn header(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<std::borrow::Cow<'a, str>> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
    *rest = &rest[end + 1..];
    Some(String::from_utf8_lossy(line))
}
