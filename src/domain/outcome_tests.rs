//! Every status with every form of body, against the documented rows; and what can never be a verdict.

use proptest::prelude::*;

use super::*;
use crate::domain::{Name, Phases, Question, Uuid};

fn object(error_form: bool, names_plan: bool, expected_key: bool) -> Body {
    Body::Object { error_form, names_plan, expected_key, facts: Facts::None }
}

fn answer(status: u16, body: Body) -> Answer {
    Answer { json_content: true, ..Answer::bare(status, body) }
}

fn observed(check: Check, seen: Seen) -> Observation {
    let id = Uuid::parse("5a8591dd-4039-49df-9202-96385ba3eff8").unwrap();
    let question = Question::about(check, &Name::parse("kpis").unwrap(), &id);
    Observation { question, seen, duration: Duration::ZERO, phases: Phases::default() }
}

fn reason(answer: Answer) -> Reason {
    classify(&observed(Check::Identity, Seen::Answer(answer))).reason
}

fn bodies() -> Vec<Body> {
    let mut bodies = vec![
        Body::OtherJson,
        Body::UnauthorizedText,
        Body::Html,
        Body::NotJson,
        Body::Truncated,
        Body::TooLarge,
        Body::Other,
    ];
    for bits in 0..8 {
        bodies.push(object(bits & 1 != 0, bits & 2 != 0, bits & 4 != 0));
    }
    bodies
}

#[test]
fn a_redirect_within_hex_is_no_verdict_and_tells_that_the_workspace_has_moved() {
    let redirect = Answer { moved_within_hex: true, ..answer(308, Body::Html) };
    let outcome = |answer| classify(&observed(Check::Identity, Seen::Answer(answer)));
    let moved = outcome(redirect.clone());
    assert_eq!((moved.reason, moved.by_hex, moved.moved), (Reason::WrongUrl, false, true));
    assert!(!outcome(answer(308, Body::Html)).moved);
    assert!(!outcome(Answer { cached: true, ..redirect }).moved, "a cache may be behind the times");
}

#[test]
fn every_row_of_the_table() {
    use Reason as R;
    let (error, plan, expected, other) = (
        object(true, false, false),
        object(false, true, false),
        object(false, false, true),
        object(false, false, false),
    );
    for (status, body, expected) in [
        (200, expected.clone(), R::Ok),
        (201, expected.clone(), R::Ok),
        (401, error.clone(), R::Unauthorized),
        (401, Body::UnauthorizedText, R::Unauthorized),
        (401, Body::Html, R::Blocked),
        (401, other.clone(), R::Blocked),
        (401, Body::OtherJson, R::Blocked),
        (401, Body::Other, R::Blocked),
        (401, Body::NotJson, R::Blocked),
        (403, error.clone(), R::Forbidden),
        (403, plan.clone(), R::Blocked),
        (403, object(true, true, false), R::Plan),
        (403, Body::Html, R::Blocked),
        (403, other.clone(), R::Blocked),
        (403, Body::UnauthorizedText, R::Blocked),
        (404, error.clone(), R::NotFound),
        (404, Body::Html, R::WrongUrl),
        (404, other.clone(), R::WrongUrl),
        (404, Body::Other, R::WrongUrl),
        (429, error.clone(), R::RateLimited),
        (429, Body::Html, R::RateLimited),
        (429, Body::Truncated, R::RateLimited),
        (500, error.clone(), R::ServerError),
        (503, Body::Html, R::ServerError),
        (599, Body::TooLarge, R::ServerError),
        (407, error.clone(), R::Blocked),
        (407, Body::Html, R::Blocked),
        (301, Body::Html, R::WrongUrl),
        (302, Body::Other, R::WrongUrl),
        (304, expected.clone(), R::WrongUrl),
        (200, Body::Html, R::WrongUrl),
        (400, Body::Html, R::WrongUrl),
        (200, other.clone(), R::Unexpected),
        (200, error.clone(), R::Unexpected),
        (200, Body::OtherJson, R::Unexpected),
        (200, Body::Other, R::Unexpected),
        (204, Body::Other, R::Unexpected),
        (400, error.clone(), R::Unexpected),
        (422, error.clone(), R::Unexpected),
        (418, Body::Other, R::Unexpected),
        (200, Body::NotJson, R::Protocol),
        (200, Body::Truncated, R::Protocol),
        (401, Body::Truncated, R::Protocol),
        (200, Body::TooLarge, R::BodyTooLarge),
        (403, Body::TooLarge, R::BodyTooLarge),
    ] {
        assert_eq!(reason(answer(status, body.clone())), expected, "{status} {body:?}");
    }
    // Of a scope a plan may speak in any form.
    assert_eq!(
        classify(&observed(Check::QueriedTablesRead, Seen::Answer(answer(403, plan)))).reason,
        R::Plan
    );
}

#[test]
fn a_bearer_challenge_makes_any_401_hexs_and_nothing_else() {
    for body in bodies() {
        let challenged = Answer { bearer_challenge: true, ..answer(401, body.clone()) };
        let expected = match body {
            Body::Truncated => Reason::Protocol,
            Body::TooLarge => Reason::BodyTooLarge,
            _ => Reason::Unauthorized,
        };
        assert_eq!(reason(challenged), expected, "{body:?}");
        let forbidden = Answer { bearer_challenge: true, ..answer(403, body.clone()) };
        assert_eq!(reason(forbidden), reason(answer(403, body)));
    }
}

#[test]
fn json_under_another_content_type_is_no_ok() {
    let disguised = Answer { json_content: false, ..answer(200, object(false, false, true)) };
    assert_eq!(reason(disguised), Reason::Unexpected);
}

#[test]
fn a_cached_answer_is_cached_whatever_it_says() {
    for body in bodies() {
        for status in [200, 304, 401, 403, 404, 429, 500] {
            let cached = Answer { cached: true, ..answer(status, body.clone()) };
            assert_eq!(reason(cached), Reason::Cached, "{status} {body:?}");
        }
    }
}

#[test]
fn only_the_look_at_a_project_knows_unavailable_ones() {
    let unavailable = || Body::Object {
        error_form: false,
        names_plan: false,
        expected_key: true,
        facts: Facts::Project { unavailable: true },
    };
    for check in Check::ALL {
        let outcome = classify(&observed(check, Seen::Answer(answer(200, unavailable()))));
        let expected = if check == Check::ProjectVisible { Reason::Unavailable } else { Reason::Ok };
        assert_eq!(outcome.reason, expected, "{check:?}");
        assert_eq!(outcome.facts, Facts::Project { unavailable: true });
    }
}

#[test]
fn who_answered_is_told_by_the_form() {
    for (status, body, by_hex) in [
        (200, object(false, false, true), true),
        (401, Body::UnauthorizedText, true),
        (403, object(true, false, false), true),
        (404, object(true, false, false), true),
        (422, object(true, false, false), true),
        (400, object(false, false, false), false),
        (429, Body::Html, true),
        (503, object(true, false, false), false),
        (401, Body::Html, false),
        (404, Body::Html, false),
        (200, Body::Html, false),
        (200, object(true, false, false), false),
    ] {
        let outcome = classify(&observed(Check::Identity, Seen::Answer(answer(status, body.clone()))));
        assert_eq!(outcome.by_hex, by_hex, "{status} {body:?}");
    }
}

#[test]
fn how_a_probe_went_is_told_by_its_check_its_reason_who_answered_and_what_is_required() {
    use Course::{Inconclusive, Refused, Well};
    for (check, reason, by_hex, is_required, expected) in [
        (Check::Identity, Reason::Ok, true, false, Well),
        (Check::Identity, Reason::Forbidden, true, false, Well),
        (Check::Identity, Reason::NotFound, true, false, Well),
        (Check::Identity, Reason::Plan, true, false, Refused),
        (Check::Identity, Reason::Unauthorized, true, false, Refused),
        (Check::Identity, Reason::Timeout, false, false, Inconclusive),
        (Check::UsersRead, Reason::Forbidden, true, false, Well),
        (Check::UsersRead, Reason::Forbidden, true, true, Refused),
        (Check::QueriedTablesRead, Reason::Plan, true, false, Well),
        (Check::QueriedTablesRead, Reason::Plan, true, true, Refused),
        (Check::UsersRead, Reason::NotFound, true, false, Refused),
        (Check::ProjectVisible, Reason::Forbidden, true, false, Refused),
        (Check::ProjectVisible, Reason::Unavailable, true, false, Refused),
        (Check::DryRunGuard, Reason::Ok, true, false, Refused),
        (Check::DryRunGuard, Reason::NotFound, true, false, Well),
        (Check::DryRunGuard, Reason::Forbidden, true, false, Well),
        (Check::DryRunGuard, Reason::Unexpected, true, false, Well),
        (Check::DryRunGuard, Reason::Unexpected, false, false, Inconclusive),
        (Check::DryRunGuard, Reason::Unauthorized, true, false, Refused),
        (Check::DryRunGuard, Reason::RateLimited, true, false, Inconclusive),
        (Check::DryRunGuard, Reason::ServerError, false, false, Inconclusive),
    ] {
        let course = Course::of(check, reason, by_hex, is_required);
        assert_eq!(course, expected, "{check:?} {reason:?} {by_hex} {is_required}");
    }
}

#[test]
fn a_429_pauses_as_it_asks_within_bounds() {
    let pause = |retry_after| {
        let limited = Answer { retry_after, ..answer(429, Body::Other) };
        rate_limit_pause(&observed(Check::Identity, Seen::Answer(limited)))
    };
    assert_eq!(pause(None), Some(Duration::from_mins(1)));
    assert_eq!(pause(Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
    assert_eq!(pause(Some(Duration::from_hours(5))), Some(Duration::from_mins(15)));
    let ok = Answer { retry_after: Some(Duration::from_secs(7)), ..answer(503, Body::Other) };
    assert_eq!(rate_limit_pause(&observed(Check::Identity, Seen::Answer(ok))), None);
}

#[test]
fn labels_are_distinct_and_in_order() {
    let labels: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|it| it.as_label()).collect();
    assert_eq!(labels.len(), Reason::ALL.len());
    assert!(Reason::ALL.iter().enumerate().all(|(index, it)| *it as usize == index));
}

fn any_body() -> impl Strategy<Value = Body> {
    proptest::sample::select(bodies())
}

fn any_answer() -> impl Strategy<Value = Answer> {
    (100u16..600, any_body(), any::<[bool; 3]>()).prop_map(|(status, body, flags)| Answer {
        json_content: flags[0],
        bearer_challenge: flags[1],
        cached: flags[2],
        ..answer(status, body)
    })
}

proptest! {
    #[test]
    fn nothing_but_hexs_own_answers_is_ever_conclusive(
        it in any_answer(), check in proptest::sample::select(Check::ALL.to_vec()),
    ) {
        let outcome = classify(&observed(check, Seen::Answer(it.clone())));
        let hopeless = it.cached
            || !matches!(it.status, 200..=299 | 401 | 403 | 404)
            || matches!(it.body, Body::Truncated | Body::TooLarge)
            || (it.body == Body::Html && !(it.status == 401 && it.bearer_challenge));
        if hopeless {
            prop_assert!(!outcome.reason.is_conclusive(), "{:?}", outcome);
            prop_assert_eq!(&outcome.facts, &Facts::None);
        }
        if outcome.reason.is_conclusive() {
            prop_assert!(outcome.by_hex);
        }
        // A success is a 2xx, and a denial never is.
        let success = matches!(outcome.reason, Reason::Ok | Reason::Unavailable);
        prop_assert!(!success || (200..300).contains(&it.status));
        prop_assert_eq!(outcome.reason == Reason::Unauthorized, outcome.reason.is_conclusive() && it.status == 401);
    }

    #[test]
    fn no_failure_is_ever_conclusive(index in 0usize..6) {
        let all = [Failure::Timeout, Failure::Dns, Failure::Connect, Failure::Tls, Failure::Protocol,
            Failure::CredentialUnreadable];
        let outcome = classify(&observed(Check::Identity, Seen::Failed(all[index])));
        prop_assert!(!outcome.reason.is_conclusive() && !outcome.by_hex);
    }
}
