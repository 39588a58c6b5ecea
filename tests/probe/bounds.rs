//! Answers that are too large, too slow, cut off or not what they claim.

use std::{io::Write, sync::Arc, time::Duration};

use flate2::{Compression, write::GzEncoder};
use hex_token_exporter::{
    domain::{Body, Check, Failure, Seen},
    probe::Prober,
};

use crate::{
    answered, failed, identity, identity_of, prober, question,
    raw_upstream::{Step, Upstream, answer},
    secret, workspace,
};

const OK: &str = r#"{"org":{"id":"0195fa0d-a0b5-7001-b18f-ec09baa16d1a"},"token":{"exp":null}}"#;
const JSON: &str = "content-type: application/json";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn is_identity(body: &Body) -> bool {
    matches!(body, Body::Object { expected_key: true, .. })
}

/// The same answer in its three framings: by length, by chunks, by the end of the connection.
fn framings() -> [Vec<u8>; 3] {
    let (start, rest) = OK.split_at(20);
    [
        answer(200, &[JSON], OK),
        format!(
            "HTTP/1.1 200 OK\r\n{JSON}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{start}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n",
            start.len(),
            rest.len()
        )
        .into_bytes(),
        format!("HTTP/1.1 200 OK\r\n{JSON}\r\n\r\n{OK}").into_bytes(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_framing_is_read_in_one_piece_and_byte_by_byte() {
    for bytes in framings() {
        let whole = answered(identity(bytes.clone()).await);
        let dripped = answered(identity_of(vec![Step::Request, Step::Drip(bytes)]).await);
        assert!(is_identity(&whole.body) && is_identity(&dripped.body));
    }
}

/// A connection may end after any byte, in order or by a reset: nothing of that is ever an answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_cut_at_any_byte_is_inconclusive() {
    for bytes in framings() {
        for cut in 0..bytes.len() {
            for reset in [false, true] {
                let mut steps = vec![Step::Request, Step::Send(bytes[..cut].to_vec())];
                steps.extend(reset.then_some(Step::Reset));
                let observation = identity_of(steps).await;
                let inconclusive = match &observation.seen {
                    Seen::Failed(failure) => *failure == Failure::Connect,
                    // A body without a length cannot be seen to be cut, but half an object is none.
                    Seen::Answer(answer) => {
                        matches!(answer.body, Body::Truncated | Body::NotJson | Body::Other)
                    }
                };
                assert!(inconclusive, "cut at {cut}, reset {reset}: {observation:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_truncated_at_every_status() {
    for status in [200, 401, 403, 404, 429, 503] {
        let mut bytes = answer(status, &["content-type: text/plain"], "Unauthorized and more");
        bytes.truncate(bytes.len() - 9);
        let seen = answered(identity(bytes).await);
        assert_eq!((seen.status, seen.body), (status, Body::Truncated));
    }
    let chunked = format!("HTTP/1.1 200 OK\r\n{JSON}\r\ntransfer-encoding: chunked\r\n\r\nx\r\n{OK}");
    assert_eq!(answered(identity(chunked).await).body, Body::Truncated);
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_is_read_and_bad_gzip_is_truncated() {
    let packed = gzip(OK.as_bytes());
    let headers = [JSON, "content-encoding: gzip"];
    assert!(is_identity(&answered(identity(answer(200, &headers, &packed)).await).body));
    for bad in [&packed[..packed.len() / 2], &packed[..packed.len() - 1], OK.as_bytes()] {
        assert_eq!(answered(identity(answer(200, &headers, bad)).await).body, Body::Truncated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_hold_one_mebibyte_and_no_more() {
    let padded = |length: usize| format!("{OK}{}", " ".repeat(length - OK.len()));
    let largest = 1024 * 1024;
    assert!(is_identity(&answered(identity(answer(200, &[JSON], padded(largest))).await).body));
    for too_long in [largest + 1, 2 * largest] {
        let seen = answered(identity(answer(200, &[JSON], padded(too_long))).await);
        assert_eq!(seen.body, Body::TooLarge);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_left() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let flood = vec![Step::Request, Step::Send(head), Step::Flood(vec![b'x'; 65536])];
    let mut upstream = Upstream::start(move |_| flood.clone()).await;
    let prober = prober(crate::PATIENT);
    let workspace = Arc::new(workspace(&upstream.origin("http")));
    let observation = prober.ask(&workspace, &secret(), question(Check::Identity)).await;
    assert_eq!(answered(observation).body, Body::TooLarge);
    upstream.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gzip_bomb_is_too_large() {
    let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
    assert!(bomb.len() < 1024 * 1024);
    let seen = answered(identity(answer(200, &[JSON, "content-encoding: gzip"], bomb)).await);
    assert_eq!(seen.body, Body::TooLarge);
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_json_does_no_harm() {
    let (open, close) = ("[".repeat(400_000), "]".repeat(400_000));
    let deep = format!(r#"{{"org":{open}{close}}}"#);
    assert!(is_identity(&answered(identity(answer(200, &[JSON], deep)).await).body));
    assert_eq!(answered(identity(answer(200, &[JSON], open)).await).body, Body::NotJson);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_a_protocol_failure() {
    let endless_header = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(1024 * 1024));
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-many: 1\r\n".repeat(5000));
    for bytes in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "<html>an answer of HTTP 0.9</html>\r\n\r\n",
        "HTTP/1.1 two hundred\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &endless_header,
        &many_headers,
    ] {
        let observation = identity(bytes).await;
        let shown = &bytes[..bytes.len().min(40)];
        assert_eq!(failed(&observation), Some(Failure::Protocol), "{shown}");
        assert_eq!(observation.status(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_answers_are_passed_over() {
    let mut bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".to_vec();
    bytes.extend(answer(200, &[JSON], OK));
    let seen = answered(identity(bytes).await);
    assert_eq!(seen.status, 200);
    assert!(is_identity(&seen.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeout_covers_every_part_of_a_request() {
    let head = format!("HTTP/1.1 200 OK\r\n{JSON}\r\ncontent-length: {}\r\n\r\n", OK.len()).into_bytes();
    let half = [head.as_slice(), &OK.as_bytes()[..OK.len() / 2]].concat();
    for (part, scheme, steps) in [
        ("handshake", "https", vec![Step::Hang]),
        ("head", "http", vec![Step::Request, Step::Hang]),
        ("half a head", "http", vec![Step::Request, Step::Send(head[..30].to_vec()), Step::Hang]),
        ("body", "http", vec![Step::Request, Step::Send(head), Step::Hang]),
        ("half a body", "http", vec![Step::Request, Step::Send(half), Step::Hang]),
    ] {
        let mut upstream = Upstream::start(move |_| steps.clone()).await;
        let mut workspace = workspace(&upstream.origin(scheme));
        workspace.ca_pem = Some(crate::raw_upstream::TestCa::new().pem());
        let limit = Duration::from_millis(300);
        let prober = prober(limit);
        let observation = prober.ask(&Arc::new(workspace), &secret(), question(Check::Identity)).await;
        assert_eq!(failed(&observation), Some(Failure::Timeout), "{part}");
        assert!(observation.duration >= limit, "{part}");
        assert_eq!(observation.phases.transfer, None, "{part}");
        upstream.all_closed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_drip_does_not_outlast_the_timeout() {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let mut upstream = Upstream::start(move |_| {
        vec![Step::Request, Step::Send(head.clone()), Step::Trickle(b"1\r\n \r\n".to_vec())]
    })
    .await;
    let prober = prober(Duration::from_millis(300));
    let workspace = Arc::new(workspace(&upstream.origin("http")));
    let observation = prober.ask(&workspace, &secret(), question(Check::Identity)).await;
    assert_eq!(failed(&observation), Some(Failure::Timeout));
    upstream.all_closed().await;
}
