//! The `healthcheck` command: which address it asks, for what, and what it says of an answer.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it too")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output},
    thread,
    time::Duration,
};

/// Reads a request to its end.
fn request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

/// Answers one request with these bytes, and tells what was asked for.
fn serve(answer: &'static [u8]) -> (u16, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = request(&mut stream);
        stream.write_all(answer).unwrap();
        request
    });
    (port, served)
}

fn healthcheck(url: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hex-token-exporter"));
    let Output { status, stderr, .. } =
        command.env_clear().args(["healthcheck", "--url", url]).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn every_address_of_a_name_is_tried_and_the_whole_url_is_asked_for() {
    let (port, served) = serve(b"HTTP/1.1 200 OK\r\n\r\n");
    // Where the machine has IPv6, this name leads to ::1 first.
    let (code, said) = healthcheck(&format!("http://localhost:{port}/-/healthy?a=1&b=2"));
    assert_eq!(code, Some(0), "{said}");
    let request = served.join().unwrap();
    assert!(request.starts_with("GET /-/healthy?a=1&b=2 HTTP/1.1\r\n"), "{request}");
}

#[test]
fn what_is_no_200_is_not_healthy_and_is_told() {
    for (answer, words) in [
        (&b"HTTP/1.1 503 Service Unavailable\r\n\r\n"[..], "503"),
        (b"HTTP/1.1 2", "the connection ended before the answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no HTTP"),
    ] {
        let (port, served) = serve(answer);
        let (code, said) = healthcheck(&format!("http://127.0.0.1:{port}/"));
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(words) && !said.contains("in time"), "{words} in {said}");
        served.join().unwrap();
    }
}

#[test]
fn an_answer_that_drips_is_none_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let dripping = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        request(&mut stream);
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        for byte in b"HTTP/1.1 200 OK\r\n\r\n" {
            // A byte a second, until whoever asks has gone.
            if stream.write_all(&[*byte]).is_err() || stream.read(&mut [0]).is_ok() {
                return;
            }
        }
    });
    let (code, said) = healthcheck(&format!("http://127.0.0.1:{port}/"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no answer within 5s"), "{said}");
    dripping.join().unwrap();
}

#[test]
fn where_nothing_listens_the_address_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (code, said) = healthcheck(&format!("http://{address}/"));
    assert_eq!(code, Some(1));
    assert!(said.contains(&address.to_string()) && said.contains("cannot connect"), "{said}");
}
