//! How headers are read, case by case.

use reqwest::header::{HeaderName, HeaderValue};

use super::*;

fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn one(name: &'static str, value: &str) -> HeaderMap {
    headers(&[(name, value.as_bytes())])
}

#[test]
fn content_types_are_recognised_in_all_their_spellings() {
    for (text, expected) in [
        ("application/json", Content::Json),
        ("Application/JSON; charset=utf-8", Content::Json),
        ("application/problem+json", Content::Json),
        ("text/json", Content::Json),
        ("text/html;charset=utf-8", Content::Html),
        ("application/xhtml+xml", Content::Html),
        ("text/plain", Content::Other),
        ("application/jsonp", Content::Other),
        ("", Content::Other),
    ] {
        assert_eq!(content(&one("content-type", text)), expected, "{text}");
    }
    assert_eq!(content(&HeaderMap::new()), Content::Other);
}

#[test]
fn a_bearer_challenge_is_found_among_others() {
    for good in [
        "Bearer",
        "bearer",
        "  BEARER realm=\"Users\", error=\"invalid_token\"",
        "Basic realm=\"a, b\", Bearer",
        "Negotiate, Basic realm=\"x\" , Bearer error=\"invalid_token\"",
        "Basic realm=\"a \\\" b\", Bearer",
    ] {
        assert!(bearer_challenge(&one("www-authenticate", good)), "{good}");
    }
    for bad in [
        "",
        "Basic realm=\"Bearer\"",
        "Basic realm=\"x, Bearer\"",
        "Basic realm=\"x\\\", Bearer\"",
        "Digest a=b, bearer=c",
        "Digest a=b, bearer = c",
        "BearerX",
        "Negotiate",
    ] {
        assert!(!bearer_challenge(&one("www-authenticate", bad)), "{bad}");
    }
    let second = [("www-authenticate", b"Basic realm=\"\xe4\"".as_slice()), ("www-authenticate", b"Bearer")];
    assert!(bearer_challenge(&headers(&second)));
    assert!(bearer_challenge(&headers(&[("www-authenticate", b"Basic realm=\"\xe4\", Bearer")])));
}

#[test]
fn caches_are_told_by_age_and_hit() {
    for (name, good) in [
        ("age", "1"),
        ("age", "99999999999999999999999"),
        ("x-cache", "HIT"),
        ("x-cache", "Hit from cloudfront"),
        ("x-cache", "TCP_HIT"),
        ("x-cache", "HIT, HIT"),
        ("x-cache", "HIT, MISS"),
        ("x-cache", "MISS, HIT"),
    ] {
        assert!(cached(&one(name, good)), "{name}: {good}");
    }
    for (name, bad) in [
        ("age", "0"),
        ("age", "-1"),
        ("age", "old"),
        ("x-cache", "MISS"),
        ("x-cache", "Miss from cloudfront"),
        ("x-cache", "TCP_MISS"),
        ("x-cache", "Error from cloudfront"),
        ("x-cache", "white"),
    ] {
        assert!(!cached(&one(name, bad)), "{name}: {bad}");
    }
    assert!(!cached(&HeaderMap::new()));
}

#[test]
fn a_delay_comes_in_seconds_or_as_a_date() {
    let now = date(&one("date", "Tue, 24 Nov 2026 08:00:00 GMT")).unwrap();
    assert_eq!(now.to_string(), "2026-11-24T08:00:00Z");
    for (text, seconds) in [
        ("0", Some(0)),
        (" 120 ", Some(120)),
        ("99999999999999999999999", Some(u64::MAX)),
        ("Tue, 24 Nov 2026 08:01:30 GMT", Some(90)),
        ("Tue, 24 Nov 2026 07:59:59 GMT", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ] {
        let delay = retry_after(&one("retry-after", text), now);
        assert_eq!(delay, seconds.map(Duration::from_secs), "{text}");
    }
    assert_eq!(date(&one("date", "yesterday")), None);
}

#[test]
fn only_a_redirect_to_another_origin_of_hex_is_a_move() {
    let asked = Url::parse("https://app.hex.tech/api/v1/users/me").unwrap();
    for (location, moved) in [
        ("https://eu.hex.tech/api/v1/users/me", true),
        ("//eu.hex.tech/x", true),
        ("https://app.hex.tech:8443/", true),
        ("https://app.hex.tech/login", false),
        ("/login", false),
        ("http://eu.hex.tech/", false),
        ("https://hex.tech.example.com/", false),
        ("https://evilhex.tech/", false),
        ("https://sso.example.com/?to=https://eu.hex.tech/", false),
        ("https://", false),
        ("", false),
    ] {
        assert_eq!(moved_within_hex(&one("location", location), &asked), moved, "{location}");
    }
}
