//! What a fault does to an answer, byte by byte.

use std::{
    io::Write,
    sync::{Arc, LazyLock},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;

use crate::{
    catalogue::Fault,
    chance::Chance,
    hex::{Told, date_header},
    raw_upstream::{Step, answer},
};

const JSON: &str = "content-type: application/json";

/// Small on the wire, 4 MiB unpacked.
static BOMB: LazyLock<Arc<Vec<u8>>> = LazyLock::new(|| Arc::new(gzip(&vec![0; 4 * 1024 * 1024])));

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Values of `Retry-After`, and the longest pause that may come of each.
pub(crate) const RETRY_AFTER: [(&str, u64); 12] = [
    ("0", 0),
    ("7", 7),
    ("-1", 60),
    ("", 60),
    ("soon", 60),
    ("NaN", 60),
    ("1e9", 900),
    ("999999999", 900),
    ("99999999999999999999999999", 900),
    ("Wed, 21 Oct 2099 07:28:00 GMT", 900),
    ("Wed, 21 Oct 2015 07:28:00 GMT", 60),
    ("\u{fffd}", 60),
];

/// The steps that answer a request under a fault. `told` is the truth, `lie` its opposite.
pub(crate) fn steps(fault: Fault, told: &Told, lie: &Told, request: &str, chance: &mut Chance) -> Vec<Step> {
    let truth = told.bytes();
    match fault {
        Fault::None | Fault::OverTls => vec![Step::Send(truth)],
        Fault::ByteByByte => vec![Step::Drip(truth)],
        Fault::OneByteChunks => {
            vec![Step::Send(told.head(&["transfer-encoding: chunked"])), chunks(&told.body)]
        }
        Fault::Gzipped => vec![Step::Send(packed(told, &gzip(told.body.as_bytes())))],
        Fault::UntilTheEnd => {
            vec![Step::Send([told.head(&[]), told.body.clone().into()].concat()), Step::Close]
        }
        Fault::Interim => vec![Step::Send(interim(1 + chance.below(5))), Step::Send(truth)],
        Fault::CloseAnnounced => vec![Step::Send(told.with(&["connection: close"])), Step::Close],
        Fault::ClosedUnannounced => vec![Step::Send(told.with(&["connection: keep-alive"])), Step::Close],
        Fault::SecondAnswer => vec![Step::Send([truth, lie.bytes()].concat())],
        Fault::Cut => vec![Step::Send(beginning(&truth, chance)), Step::Close],
        Fault::ResetWithin => vec![Step::Send(beginning(&truth, chance)), Step::Reset],
        Fault::NoAnswer => vec![Step::Close],
        Fault::Silence => vec![Step::Hang],
        Fault::HalfThenSilence => vec![Step::Send(beginning(&truth, chance)), Step::Hang],
        Fault::Trickle => {
            let head = told.head(&["transfer-encoding: chunked"]);
            vec![Step::Send(head), Step::Trickle(b"1\r\n \r\n".to_vec())]
        }
        Fault::InterimFlood => vec![Step::Send(interim(1_000)), Step::Close],
        Fault::HugeHeader => vec![Step::Send(told.with(&[&format!("x-long: {}", "x".repeat(600_000))]))],
        Fault::ManyHeaders => vec![Step::Send(told.with(&["x-many: 1"; 500]))],
        Fault::Garbage => {
            vec![Step::Send((0..200).map(|_| chance.next().to_le_bytes()[0]).collect()), Step::Close]
        }
        Fault::TwoLengths => vec![Step::Send(told.with(&["content-length: 3"])), Step::Close],
        Fault::LengthTooLong => vec![Step::Send(told_with_length(told, told.body.len() + 1)), Step::Close],
        Fault::LengthTooShort => vec![Step::Send(told_with_length(told, told.body.len() - 1)), Step::Close],
        _ => replacement(fault, told, lie, request, chance),
    }
}

/// Something else in place of the answer.
fn replacement(fault: Fault, told: &Told, lie: &Told, request: &str, chance: &mut Chance) -> Vec<Step> {
    let bytes = match fault {
        Fault::HugeBody => answer(200, &[JSON], vec![b' '; 1024 * 1024 + 1]),
        Fault::EndlessBody => {
            return vec![Step::Send(told.head(&[])), Step::Flood(vec![b' '; 65_536])];
        }
        Fault::GzipBomb => answer(200, &[JSON, "content-encoding: gzip"], BOMB.as_slice()),
        Fault::BadGzip => packed(told, told.body.as_bytes()),
        Fault::BadUtf8 => answer(200, &[JSON], b"{\"org\":\"\xff\xfe\",\"values\":[],\"id\":1}"),
        Fault::BadJson => {
            let bad = ["", "{", "{\"org\":}", "{\"values\":[}", "nul", "{\"id\":1}{}", "{\"org\":1e999}"];
            answer(200, &[JSON], chance.pick(&bad))
        }
        Fault::DepthBomb => answer(200, &[JSON], format!("{{\"org\":{}", "[".repeat(50_000))),
        Fault::WrongShape => {
            answer(200, &[JSON], chance.pick(&["{}", "[]", "null", "42", "\"text\"", "{\"ok\":true}"]))
        }
        Fault::WrongType => {
            let content = chance.pick(&["text/plain", "application/octet-stream", "image/png"]);
            answer(200, &[&format!("content-type: {content}")], r#"{"org":{},"values":[],"id":"1"}"#)
        }
        Fault::Status => {
            let status = chance.pick(&[204, 302, 308, 400, 402, 407, 409, 418, 451, 500, 502, 503, 504, 599]);
            let body = if status == 204 { "" } else { r#"{"org":{},"values":[],"id":"1"}"# };
            answer(status, &[JSON], body)
        }
        Fault::Firewall => {
            let body = chance.pick(&["<html>denied</html>", r#"{"error":"denied"}"#, "denied", ""]);
            answer(chance.pick(&[401, 403]), &["content-type: text/html"], body)
        }
        Fault::Portal => answer(200, &["content-type: text/html"], "<!doctype html><title>Welcome</title>"),
        Fault::Elsewhere => {
            answer(302, &["location: http://127.0.0.1:1/api/v1/users/me", JSON], r#"{"reason":"Moved"}"#)
        }
        Fault::Cached => lie.with(&[chance.pick(&["age: 30", "x-cache: HIT"])]),
        Fault::Echo => {
            let secret = request.lines().find(|it| it.starts_with("authorization")).unwrap_or_default();
            let mut bytes = format!("HTTP/1.1 502 {secret}\r\nx-echo: {secret}\r\n{secret}\r\n").into_bytes();
            bytes.extend_from_slice(format!("content-length: {}\r\n\r\n{request}", request.len()).as_bytes());
            bytes
        }
        Fault::WrongDate => {
            let date: Timestamp =
                chance.pick(&["2099-01-01T00:00:00Z", "1995-01-01T00:00:00Z"]).parse().unwrap();
            let status = chance.pick(&[400, 409, 422, 500]);
            answer(status, &[JSON, &date_header(date)], r#"{"reason":"BadRequestException","traceId":"1"}"#)
        }
        Fault::QuotaSpent => {
            let reset = chance.pick(&["0", "1e18", "99999999999999999999", "-3", "soon"]);
            let headers = ["x-ratelimit-remaining: 0", &format!("x-ratelimit-reset: {reset}"), JSON];
            answer(503, &headers, "{}")
        }
        _ => panic!("{fault:?} is no fault of an answer"),
    };
    vec![Step::Send(bytes)]
}

/// A 429, and the longest pause that it may cause.
pub(crate) fn rate_limited(chance: &mut Chance) -> (Vec<Step>, Duration) {
    let (after, seconds) = chance.pick(&RETRY_AFTER);
    let date: Timestamp = "2099-01-01T00:00:00Z".parse().unwrap();
    let mut headers = vec![format!("retry-after: {after}"), JSON.to_owned()];
    if chance.percent(30) {
        headers.push(date_header(date));
    }
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let bytes = answer(429, &headers, chance.pick(&["", "{}", r#"{"reason":"TooManyRequests"}"#]));
    (vec![Step::Send(bytes)], Duration::from_secs(seconds))
}

/// All but at least the last byte.
fn beginning(bytes: &[u8], chance: &mut Chance) -> Vec<u8> {
    bytes[..chance.below(bytes.len())].to_vec()
}

fn chunks(body: &str) -> Step {
    let mut chunks = Vec::new();
    for byte in body.bytes() {
        chunks.extend_from_slice(b"1\r\n");
        chunks.push(byte);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    Step::Send(chunks)
}

fn interim(count: usize) -> Vec<u8> {
    b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(count)
}

fn packed(told: &Told, body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}", body.len());
    [told.head(&["content-encoding: gzip", &length]), body.to_vec()].concat()
}

fn told_with_length(told: &Told, length: usize) -> Vec<u8> {
    [told.head(&[&format!("content-length: {length}")]), told.body.clone().into_bytes()].concat()
}
