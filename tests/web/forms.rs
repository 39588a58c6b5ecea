//! Requests of odd forms: those that two servers might read in two ways, and those that make no sense.

use crate::stand::{Answer, Stand};

const GET: &str = "GET /ok HTTP/1.1\r\n";
const POST: &str = "POST /ok HTTP/1.1\r\nHost: localhost\r\n";

/// What must not be found behind a body.
const SMUGGLED: &str = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Whether what follows on the connection was taken for a second request.
fn was_smuggled(answer: &Answer) -> bool {
    answer.text.matches("HTTP/1.1 ").count() > 1
}

#[tokio::test]
async fn a_body_of_two_lengths_hides_no_request() {
    let stand = Stand::start("").await;
    for head in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
    ] {
        let request = format!("{POST}{head}\r\n0\r\n\r\n{SMUGGLED}");
        let answer = Answer::of_bytes(stand.connect().await, request.as_bytes()).await;
        assert_eq!(answer.header("connection"), Some("close"), "{head:?}: {answer:?}");
        assert!(!was_smuggled(&answer), "{head:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_body_of_doubtful_length_is_refused_and_hides_no_request() {
    let stand = Stand::start("").await;
    for head in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: y\r\n Content-Length: 6\r\n",
        "X: y\r\n\tfolded\r\n",
        "X: y\rContent-Length: 6\r\n",
        "X: y\0z\r\n",
        "X\0: y\r\n",
        ": y\r\n",
        "X y\r\n",
        "X: y\r\r\n",
    ] {
        let request = format!("{POST}{head}\r\n0\r\n\r\n{SMUGGLED}");
        let answer = Answer::of_bytes(stand.connect().await, request.as_bytes()).await;
        assert_eq!(answer.status, 400, "{head:?}: {answer:?}");
        assert!(!was_smuggled(&answer), "{head:?}: {answer:?}");
        assert!(!answer.text.contains("healthy"), "{head:?}: {answer:?}");
    }
    assert_eq!(stand.status("/ok", "").await, 200, "it serves on");
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_taken_for_a_request() {
    let stand = Stand::start("").await;
    let inner = SMUGGLED;
    let chunk = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    for (request, answers) in [
        (format!("{POST}Content-Length: {}\r\n\r\n{inner}", inner.len()), 2),
        (format!("{POST}Transfer-Encoding: chunked\r\n\r\n{chunk}"), 2),
        (format!("{GET}Host: localhost\r\nContent-Length: {}\r\n\r\n{inner}", inner.len()), 2),
        // What is no body is a request, and would be seen.
        (format!("{POST}Content-Length: 0\r\n\r\n{inner}"), 3),
    ] {
        let last = format!("{GET}Host: localhost\r\nConnection: close\r\n\r\n");
        let answer = Answer::of_bytes(stand.connect().await, (request.clone() + &last).as_bytes()).await;
        assert_eq!(answer.text.matches("HTTP/1.1 200").count(), answers, "{request:?}: {answer:?}");
    }
}

#[tokio::test]
async fn there_is_one_host_and_it_is_one() {
    let stand = Stand::start("").await;
    for (hosts, status) in [
        ("Host: localhost\r\n", 200),
        ("Host: localhost:9847\r\n", 200),
        ("Host: [::1]:9847\r\n", 200),
        ("Host: evil.example\r\n", 200),
        ("", 400),
        ("Host:\r\n", 400),
        ("Host: a\r\nHost: a\r\n", 400),
        ("Host: a\r\nHost: b\r\n", 400),
        ("Host: a, b\r\n", 400),
        ("Host: a/b\r\n", 400),
        ("Host: user@localhost\r\n", 400),
        ("Host: a b\r\n", 400),
        ("Host: a?b\r\n", 400),
        ("Host: \u{e4}\r\n", 400),
    ] {
        let answer = Answer::of(stand.connect().await, &format!("{GET}{hosts}")).await;
        assert_eq!(answer.status, status, "{hosts:?}: {answer:?}");
    }
    let old = Answer::of(stand.connect().await, "GET /ok HTTP/1.0\r\n").await;
    assert_eq!(old.status, 200, "a host is no duty in HTTP/1.0");
}

#[tokio::test]
async fn odd_targets_are_answered_cleanly() {
    let stand = Stand::start("").await;
    let long = format!("GET /ok?{} HTTP/1.1", "x".repeat(9_000));
    let too_long = format!("GET /ok?{} HTTP/1.1", "x".repeat(40_000));
    for (line, statuses) in [
        ("GET /ok?%00%ff=%&&&=;==%zz HTTP/1.1", &[200][..]),
        ("GET /ok?<script>'\" HTTP/1.1", &[200, 400]),
        (&long, &[200]),
        (&too_long, &[414, 431]),
        ("GET /../../etc/passwd HTTP/1.1", &[404]),
        ("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", &[404]),
        ("GET //ok HTTP/1.1", &[404]),
        ("GET /ok/ HTTP/1.1", &[404]),
        ("GET /%6fk HTTP/1.1", &[200, 404]),
        ("GET /ok%00 HTTP/1.1", &[404]),
        ("GET http://evil.example/ok HTTP/1.1", &[200]),
        ("GET http://user:password@evil.example/ok HTTP/1.1", &[200, 400]),
        ("GET ok HTTP/1.1", &[400, 404]),
        ("OPTIONS * HTTP/1.1", &[404, 405]),
        ("GET * HTTP/1.1", &[400, 404]),
        ("CONNECT evil.example:443 HTTP/1.1", &[400, 404, 405]),
        ("TRACE /ok HTTP/1.1", &[405]),
        ("NONSENSE /ok HTTP/1.1", &[405]),
        ("GET /ok HTTP/2.0", &[400, 505]),
        ("GET /ok HTTP/1.9", &[200, 400, 505]),
        ("GET  /ok HTTP/1.1", &[400]),
        ("GET\t/ok\tHTTP/1.1", &[400]),
        ("GET /ok\u{7f} HTTP/1.1", &[400]),
        ("PRI * HTTP/2.0", &[400, 505]),
        ("\u{1}\u{2}\u{3}", &[400]),
    ] {
        let request = format!("{line}\r\nHost: localhost\r\n");
        let answer = Answer::of(stand.connect().await, &request).await;
        assert!(statuses.contains(&answer.status), "{line:?}: {answer:?}");
        for asked in ["passwd", "script", "evil"] {
            assert!(!answer.text.contains(asked), "{line:?} is repeated: {answer:?}");
        }
    }
    let nine = Answer::of_bytes(stand.connect().await, b"GET /ok\r\n\r\n").await;
    assert!(matches!(nine.status, 0 | 400 | 505), "{nine:?}");
    assert_eq!(stand.status("/ok", "").await, 200);
}

#[tokio::test]
async fn heads_are_bounded() {
    let stand = Stand::start("").await;
    let many = "X: y\r\n".repeat(200);
    let large = format!("X: {}\r\n", "y".repeat(20_000));
    let spread = format!("X: {}\r\n", "y".repeat(500)).repeat(50);
    for headers in [many, large, spread] {
        assert_eq!(stand.status("/ok", &headers).await, 431);
    }
    assert_eq!(stand.status("/ok", &format!("X: {}\r\n", "y".repeat(4_000))).await, 200);
}

#[tokio::test]
async fn what_a_page_of_another_site_sends_changes_nothing() {
    let stand = Stand::start("").await;
    for (headers, status) in [
        ("", 200),
        ("Origin: http://localhost\r\n", 200),
        ("Origin: http://LOCALHOST\r\n", 200),
        ("Sec-Fetch-Site: same-origin\r\nOrigin: http://localhost\r\n", 200),
        ("Sec-Fetch-Site: none\r\n", 200),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Sec-Fetch-Site: same-site\r\n", 403),
        ("Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n", 403),
        ("Sec-Fetch-Site: whatever\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Origin: http://evil.example\r\n", 403),
        ("Origin: http://localhost:1\r\n", 403),
        ("Origin: http://localhost.evil.example\r\n", 403),
        ("Origin: http://localhost\r\nOrigin: http://evil.example\r\n", 403),
        ("Sec-Fetch-Site: same-origin\r\nOrigin: http://evil.example\r\n", 403),
    ] {
        for method in ["POST", "PUT", "DELETE", "NONSENSE"] {
            let request = format!("{method} /ok HTTP/1.1\r\nHost: localhost\r\n{headers}");
            let answer = Answer::of(stand.connect().await, &request).await;
            let wanted = if method == "POST" || status == 403 { status } else { 405 };
            assert_eq!(answer.status, wanted, "{method}, {headers:?}");
        }
        // What changes nothing may be linked to from anywhere.
        assert_eq!(stand.status("/ok", headers).await, 200, "{headers:?}");
    }
}
