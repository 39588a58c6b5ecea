//! Those who do nothing, or read nothing, or come in crowds, and a scrape that is answered all the same.

use std::sync::atomic::Ordering;

use hex_token_exporter::http::server::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

use crate::stand::{Answer, BIG, Client, Stand, within};

/// A tenth of what there usually is.
const FEW: Limits = Limits { connections: 50, requests: 4, probes: 25 };
const TLS: &str = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n";

/// Twice as many as there is room for, each with the beginning of a request.
async fn crowd(stand: &Stand, begins: &[u8]) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..FEW.connections * 2 {
        let mut stream = stand.connect().await;
        stream.write_all(begins).await.unwrap();
        crowd.push(stream);
    }
    crowd
}

#[tokio::test]
async fn slow_clients_do_not_keep_out_a_scrape() {
    for begins in [
        &b""[..],
        b"G",
        b"GET /ok HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        b"POST /ok HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n",
    ] {
        let stand = Stand::within("", FEW).await;
        let crowd = crowd(&stand, begins).await;
        for _ in 0..3 {
            assert_eq!(within(stand.status("/ok", "")).await, 200);
        }
        drop(crowd);
    }
}

#[tokio::test]
async fn slow_handshakes_do_not_keep_out_a_scrape() {
    let stand = Stand::within(TLS, FEW).await;
    for begins in [&b""[..], &[0x16, 3, 1, 2, 0, 1]] {
        let crowd = crowd(&stand, begins).await;
        assert!(within(stand.connect_tls(Client::default())).await.is_ok());
        drop(crowd);
    }
}

#[tokio::test]
async fn clients_that_read_nothing_do_not_keep_out_a_scrape() {
    let stand = Stand::within("", FEW).await;
    let mut readers = Vec::new();
    // All but one of the places; those that are not served at once wait, before the scrape, until the first
    // give way.
    for _ in 1..FEW.connections {
        let mut stream = stand.connect().await;
        stream.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        readers.push(stream);
    }
    assert_eq!(within(stand.status("/ok", "")).await, 200);
    assert_eq!(stand.bodies.most.load(Ordering::SeqCst), FEW.requests, "answers wait for others to be read");
}

#[tokio::test]
async fn a_reader_gets_all_of_a_large_answer() {
    let stand = Stand::start("").await;
    let answer = Answer::of(stand.connect().await, "GET /big HTTP/1.1\r\nHost: localhost\r\n").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-length"), Some(BIG.to_string().as_str()));
    assert_eq!(answer.text.split_once("\r\n\r\n").unwrap().1.len(), BIG);
}

#[tokio::test]
async fn requests_of_probe_wait_in_a_room_of_their_own() {
    let stand = Stand::within("", FEW).await;
    let mut waiting = Vec::new();
    for _ in 0..FEW.probes {
        let mut stream = stand.connect().await;
        stream.write_all(b"GET /probe HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        waiting.push(stream);
    }
    // All others are told to come again, and leave their places, so that everything else is served.
    for _ in FEW.probes..FEW.connections * 2 {
        let ask = b"GET /probe HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let refused = within(Answer::of_bytes(stand.connect().await, ask)).await;
        assert_eq!((refused.status, refused.header("connection")), (503, Some("close")));
    }
    assert_eq!(within(stand.status("/ok", "")).await, 200);
    assert_eq!(within(stand.status("/-/healthy", "")).await, 200);
    for mut stream in waiting {
        stand.release.notify_one();
        let mut status = [0; 12];
        within(stream.read_exact(&mut status)).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
    }
}

#[tokio::test]
async fn a_crowd_that_asks_is_answered_to_the_last() {
    let stand = Stand::within("", FEW).await;
    let mut crowd = JoinSet::new();
    for _ in 0..200 {
        let address = stand.address;
        crowd.spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            Answer::of(stream, "GET /ok HTTP/1.1\r\nHost: localhost\r\n").await.status
        });
    }
    let answers = within(crowd.join_all()).await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_sent_away_in_time() {
    let stand = Stand::start("").await;
    let mut silent = stand.connect().await;
    let mut idle = stand.connect().await;
    idle.write_all(b"GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let began = Instant::now();
    let mut said = Vec::new();
    silent.read_to_end(&mut said).await.unwrap();
    assert_eq!((said.len(), began.elapsed().as_secs()), (0, 10));
    idle.read_to_end(&mut said).await.unwrap();
    assert!(began.elapsed().as_secs() < 100, "{:?}", began.elapsed());
}

#[tokio::test]
async fn at_the_end_what_is_under_way_is_answered_and_slow_clients_are_not_waited_for() {
    let mut stand = Stand::start("").await;
    let slow = crowd(&stand, b"GET /ok HTTP/1.1\r\n").await;
    let mut held = stand.connect().await;
    held.write_all(b"GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(stand.status("/ok", "").await, 200);
    stand.stop.cancel();
    stand.release.notify_one();
    let mut answer = String::new();
    within(held.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("released"), "{answer}");
    while let Some(ended) = within(stand.tasks.join_next()).await {
        ended.unwrap();
    }
    drop(slow);
}
