//! Stories of a budget that many share.

use std::time::Duration;

use hex_token_exporter::domain::{Check, Scope, TokenState};

use crate::stage::{Reply, Stage, minutes, seconds};

#[tokio::test(start_paused = true)]
async fn two_hundred_tokens_share_thirty_requests_a_minute_and_nobody_starves() {
    let mut stage = Stage::new(30, |_, question, _| match question.check {
        Check::DryRunGuard => Reply::NotFound,
        _ => Reply::Fine,
    });
    let scopes = [Scope::ProjectsRead, Scope::ProjectsRun, Scope::UsersRead, Scope::GroupsRead];
    for index in 0..200 {
        stage = stage.token(&format!("t{index}"), &scopes, &["kpi"]);
    }
    let stage = stage.begin();
    stage.until(minutes(180)).await;
    let asked = stage.asked();
    for window in asked.windows(31) {
        let minute = window[30].at.checked_sub(window[0].at).unwrap();
        assert!(minute >= Duration::from_mins(1), "31 requests in {minute:?}");
    }
    for window in asked.windows(4) {
        let burst = window[3].at.checked_sub(window[0].at).unwrap();
        assert!(burst >= Duration::from_secs(1), "4 requests in {burst:?}");
    }
    assert!(asked.len() > 180 * 30 * 9 / 10, "the budget is used: {}", asked.len());
    assert!(asked[..200].iter().all(|asked| asked.check == Check::Identity), "identity first");
    for index in 0..200 {
        let token = format!("t{index}");
        assert_eq!(stage.state(&token), TokenState::Valid, "{token}");
        let times = stage.times(&token, Check::Identity);
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(longest < 60 * 30, "{token} waited {longest} s");
    }
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_steady_token_keeps_its_rhythm() {
    let stage = Stage::new(60, |_, _, _| Reply::Fine).token("a", &[Scope::UsersRead], &[]).begin();
    stage.until(minutes(60 * 5)).await;
    let identity = stage.times("a", Check::Identity);
    assert!((identity[0], (150..450).contains(&identity[1])) == (0, true), "{identity:?}");
    assert!(identity[1..].windows(2).all(|pair| pair[1] - pair[0] == 300), "{identity:?}");
    let scope = stage.times("a", Check::UsersRead);
    assert!(scope[1..].windows(2).all(|pair| pair[1] - pair[0] == 3_600), "{scope:?}");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_its_token_as_long_as_it_asks_and_two_pause_the_workspace() {
    let stage = Stage::new(
        60,
        |token, _, at| {
            if token == "a" && at < seconds(5) { Reply::Slow(400) } else { Reply::Fine }
        },
    );
    let stage = stage.token("a", &[], &[]).token("b", &[], &[]).begin();
    stage.until(minutes(30)).await;
    assert!(stage.times("a", Check::Identity)[1] >= 400);
    assert_eq!(stage.state("a"), TokenState::Valid);
    stage.end().await;

    let stage = Stage::new(
        60,
        |token, _, at| {
            if token != "c" && at < seconds(60) { Reply::Slow(600) } else { Reply::Fine }
        },
    );
    let stage = stage.token("a", &[], &[]).token("b", &[], &[]).token("c", &[], &[]).begin();
    stage.until(minutes(30)).await;
    let in_pause = |asked: &crate::stage::Asked| (5..600).contains(&asked.at.as_secs());
    assert!(!stage.asked().iter().any(in_pause), "{:?}", stage.asked());
    stage.end().await;
}
