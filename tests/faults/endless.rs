//! Answers that never end, in real time: each is left within the timeout, and its connection with it.

use std::time::Duration;

use hex_token_exporter::{
    domain::{Body, Check, Failure, Question, Secret, Seen},
    probe::{HexProber, Prober},
};
use jiff::Timestamp;

use crate::{
    raw_upstream::{Step, Upstream},
    stage,
};

async fn left_as(steps: Vec<Step>) -> Seen {
    let mut upstream = Upstream::start(move |_| steps.clone()).await;
    let prober = HexProber::new(Duration::from_millis(300), || Timestamp::UNIX_EPOCH);
    let workspace = stage::workspace(&upstream.origin("http"), 30);
    let secret = Secret::credential("some-credential").unwrap();
    let observation = prober.ask(&workspace, &secret, Question::of(Check::Identity)).await;
    upstream.all_closed().await;
    observation.seen
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_left_in_time() {
    let head = || Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec());
    let chunked = || Step::Send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec());
    for (what, steps) in [
        ("interim answers at once", vec![Step::Flood(b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100))]),
        ("interim answers, slowly", vec![Step::Trickle(b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec())]),
        ("headers, slowly", vec![head(), Step::Trickle(b"x: y\r\n".to_vec())]),
        ("one header, slowly", vec![head(), Step::Trickle(b"x".to_vec())]),
        ("chunks, slowly", vec![chunked(), Step::Trickle(b"1\r\n \r\n".to_vec())]),
        ("one chunk's length, slowly", vec![chunked(), Step::Trickle(b"0".to_vec())]),
        (
            "one chunk's extension at once",
            vec![chunked(), Step::Send(b"1;".to_vec()), Step::Flood(vec![b'x'; 999])],
        ),
        ("headers at once", vec![head(), Step::Flood(b"x: y\r\n".repeat(100))]),
        (
            "trailers at once",
            vec![chunked(), Step::Send(b"0\r\n".to_vec()), Step::Flood(b"x: y\r\n".repeat(99))],
        ),
    ] {
        let seen = left_as([vec![Step::Request], steps].concat()).await;
        let is_left = match &seen {
            Seen::Failed(failure) => matches!(failure, Failure::Timeout | Failure::Protocol),
            Seen::Answer(answer) => answer.body == Body::Truncated,
        };
        assert!(is_left, "{what}: {seen:?}");
    }
}
