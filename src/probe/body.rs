//! The body of an answer, reduced to its form and to the few fields that its check is after.

use super::json::Json;
use crate::domain::{Body, Check, Exp, Facts, Uuid, secret::token_like};

/// The longest id of an organisation that is believed to be one; Hex's are UUIDs.
const LONGEST_ORG_ID: usize = 128;

/// What the content type announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// JSON, in one of its names.
    Json,
    /// A web page.
    Html,
    /// Anything else, or nothing.
    Other,
}

/// Reads a whole body. An object in JSON is one under any content type, as is the text `Unauthorized`;
/// of other forms the content type has a say.
pub(super) fn read(bytes: &[u8], content: Content, check: Check) -> Body {
    let text = std::str::from_utf8(bytes).ok().map(|text| text.trim_start_matches('\u{feff}').trim());
    if text == Some("") {
        return Body::Other;
    }
    match text.and_then(Json::parse) {
        Some(json @ Json::Object(_)) => return object(&json, check),
        Some(_) if content != Content::Html => return Body::OtherJson,
        _ => {}
    }
    if text == Some("Unauthorized") {
        Body::UnauthorizedText
    } else if content == Content::Html || starts_as_html(bytes) {
        Body::Html
    } else if content == Content::Json {
        Body::NotJson
    } else {
        Body::Other
    }
}

fn object(json: &Json, check: Check) -> Body {
    let (reason, message) = (json.text("reason"), json.text("message"));
    Body::Object {
        error_form: reason.is_some() || (json.text("code").is_some() && message.is_some()),
        names_plan: message.is_some_and(names_plan),
        expected_key: check.expected_keys().iter().any(|key| json.get(key).is_some()),
        facts: facts(json, check),
    }
}

/// The id is shown to people, on terminals too, so it must be one: no control characters, and no credential
/// that an upstream sends back.
fn is_org_id(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    !text.is_empty() && text.len() <= LONGEST_ORG_ID && is_plain && token_like(text).is_none()
}

fn names_plan(message: &str) -> bool {
    message
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| ["plan", "plans", "tier", "tiers"].iter().any(|known| word.eq_ignore_ascii_case(known)))
}

fn starts_as_html(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    [b"<!doctype html".as_slice(), b"<html"]
        .iter()
        .any(|start| bytes.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start)))
}

/// The fields of each check, from Hex's API reference; a field in another form than documented tells
/// nothing.
fn facts(json: &Json, check: Check) -> Facts {
    match check {
        Check::Identity => Facts::Identity {
            exp: exp(json),
            org_id: json.get("org").and_then(|org| org.text("id")).filter(|id| is_org_id(id)).map(Into::into),
            describes_user: json.has("id") || json.has("email"),
        },
        Check::ProjectsRead => Facts::Projects {
            count: match json.get("values") {
                Some(Json::List(count)) => *count,
                _ => 0,
            },
            more: json.get("pagination").is_some_and(|pagination| pagination.has("after")),
        },
        Check::ProjectVisible => Facts::Project {
            unavailable: json.get("lastPublishedAt") == Some(&Json::Null)
                || json.has("archivedAt")
                || json.has("trashedAt"),
        },
        Check::ProjectsRun | Check::DryRunGuard => {
            Facts::Run { id: json.text("runId").and_then(Uuid::parse) }
        }
        _ => Facts::None,
    }
}

fn exp(json: &Json) -> Exp {
    let token = match json.get("token") {
        None | Some(Json::Null) => return Exp::Absent,
        Some(token @ Json::Object(_)) => token,
        Some(_) => return Exp::Nonsense,
    };
    match token.get("exp") {
        None => Exp::Absent,
        Some(Json::Null) => Exp::Null,
        Some(Json::Number(number)) => Exp::Number(*number),
        Some(_) => Exp::Nonsense,
    }
}
