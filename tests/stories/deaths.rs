//! Stories of life and death.

use std::sync::Arc;

use hex_token_exporter::{
    clock::ManualClock,
    domain::{Check, Exp, Expiry, Reason, TokenState, expiry::Told, heard::Remembered},
};

use crate::stage::{Reply, Stage, WrongClock, dawn, exp_after, minutes, seconds};

#[tokio::test(start_paused = true)]
async fn a_twenty_second_auth_blip_changes_nothing() {
    let stage = Stage::new(60, |_, _, _| Reply::Fine).token("a", &[], &[]).begin();
    stage.until(minutes(10)).await;
    stage.script(|_, _, _| Reply::Unauthorized);
    stage.probe_now("a").await;
    assert!(stage.view("a").record.pending().is_some());
    assert_eq!(stage.state("a"), TokenState::Valid);
    stage.until(minutes(10) + seconds(20)).await;
    stage.script(|_, _, _| Reply::Fine);
    stage.until(minutes(12)).await;
    assert_eq!((stage.state("a"), stage.view("a").record.pending()), (TokenState::Valid, None));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_invalid_after_three_401s_and_backs_off() {
    let stage = Stage::new(60, |_, _, _| Reply::Unauthorized).token("a", &[], &[]).begin();
    stage.until(seconds(89)).await;
    assert_eq!(stage.state("a"), TokenState::Unknown);
    stage.until(seconds(92)).await;
    assert_eq!(stage.state("a"), TokenState::Invalid);
    stage.until(minutes(90)).await;
    let times = stage.times("a", Check::Identity);
    assert_eq!(times[..3], [0, 30, 90]);
    let pauses: Vec<u64> = times[2..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses, [60, 120, 300, 600, 1800, 1800]);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn hex_answering_401_to_everyone_for_nine_minutes_changes_no_state() {
    let stage = Stage::new(60, |_, _, at| match at.as_secs() {
        1200..1740 => Reply::Unauthorized,
        _ => Reply::Fine,
    });
    let stage = stage.token("a", &[], &[]).token("b", &[], &[]).token("c", &[], &[]).begin();
    for minute in 1..60 {
        stage.until(minutes(minute)).await;
        for token in ["a", "b", "c"] {
            assert_eq!(stage.state(token), TokenState::Valid, "{token} after {minute} minutes");
        }
    }
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn hex_answering_401_to_everyone_for_thirty_minutes_is_believed_after_the_hold_and_taken_back() {
    let stage = Stage::new(60, |_, _, at| match at.as_secs() {
        1200..3000 => Reply::Unauthorized,
        _ => Reply::Fine,
    });
    let stage = stage.token("a", &[], &[]).token("b", &[], &[]).begin();
    stage.until(minutes(29)).await;
    assert_eq!((stage.state("a"), stage.state("b")), (TokenState::Valid, TokenState::Valid));
    stage.until(minutes(37)).await;
    assert_eq!((stage.state("a"), stage.state("b")), (TokenState::Invalid, TokenState::Invalid));
    stage.until(minutes(85)).await;
    assert_eq!((stage.state("a"), stage.state("b")), (TokenState::Valid, TokenState::Valid));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn two_tokens_of_a_deactivated_user_die_while_a_third_lives() {
    let stage =
        Stage::new(
            60,
            |token, _, at| {
                if token != "c" && at >= minutes(20) { Reply::Unauthorized } else { Reply::Fine }
            },
        );
    let stage = stage.token("a", &[], &[]).token("b", &[], &[]).token("c", &[], &[]).begin();
    stage.until(minutes(35)).await;
    let states = ["a", "b", "c"].map(|token| stage.state(token));
    assert_eq!(states, [TokenState::Invalid, TokenState::Invalid, TokenState::Valid]);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_regenerated_token_is_valid_again_without_ever_being_unknown() {
    let mut stage = Stage::new(60, |token, _, at| {
        if (token == "old") == (at < minutes(20)) { Reply::Fine } else { Reply::Unauthorized }
    });
    stage = stage.token("old", &[], &[]).begin();
    stage.until(minutes(30)).await;
    assert_eq!(stage.state("old"), TokenState::Invalid);
    stage.rotate("old", "new");
    assert_eq!(stage.state("old"), TokenState::Invalid, "held until the new one is answered");
    stage.until(minutes(30) + seconds(5)).await;
    assert_eq!(stage.state("old"), TokenState::Valid);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_arrives_late_in_kubernetes_ends_the_pending_rejection() {
    let mut stage = Stage::new(60, |token, _, at| {
        if (token == "old") == (at < minutes(10)) { Reply::Fine } else { Reply::Unauthorized }
    });
    stage = stage.token("old", &[], &[]).begin();
    stage.until(minutes(10)).await;
    stage.probe_now("old").await;
    stage.until(minutes(11)).await;
    assert_eq!(stage.state("old"), TokenState::Valid);
    stage.rotate("old", "new");
    stage.until(minutes(40)).await;
    assert_eq!((stage.state("old"), stage.view("old").record.pending()), (TokenState::Valid, None));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_death_before_the_known_expiry_is_invalid_and_one_after_it_is_expired() {
    for (exp, expected) in [(7200, TokenState::Invalid), (1200, TokenState::Expired)] {
        let stage =
            Stage::new(
                60,
                move |_, _, at| {
                    if at < minutes(20) { Reply::Me(exp_after(exp)) } else { Reply::Unauthorized }
                },
            );
        let stage = stage.token("a", &[], &[]).begin();
        stage.until(minutes(30)).await;
        assert_eq!(stage.state("a"), expected);
        stage.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_expiry_that_passes_during_an_outage_is_told() {
    let stage =
        Stage::new(60, |_, _, at| if at < minutes(10) { Reply::Me(exp_after(1200)) } else { Reply::Down });
    let stage = stage.token("a", &[], &[]).begin();
    stage.until(seconds(25 * 60 - 1)).await;
    assert_eq!((stage.state("a"), stage.api_up()), (TokenState::Valid, Some(false)));
    stage.until(minutes(25) + seconds(5)).await;
    assert_eq!(stage.state("a"), TokenState::Expired);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_expiry_moves_earlier_and_later_with_what_hex_says_and_is_disproved_by_acceptance() {
    let stage = Stage::new(60, |_, _, at| {
        Reply::Me(exp_after(if at < minutes(10) {
            86_400
        } else if at < minutes(20) {
            43_200
        } else {
            172_800
        }))
    });
    let stage = stage.token("a", &[], &[]).begin();
    let expiry = |stage: &Stage| {
        let view = stage.view("a");
        view.record.expiry(&view.spec).date().unwrap().as_second() - dawn().as_second()
    };
    for (minute, expected) in [(9, 86_400), (19, 43_200), (29, 172_800)] {
        stage.until(minutes(minute)).await;
        assert_eq!(expiry(&stage), expected);
    }
    stage.script(|_, _, _| Reply::Me(exp_after(1_800)));
    stage.until(minutes(50)).await;
    let view = stage.view("a");
    assert_eq!((view.record.expiry(&view.spec), view.record.state()), (Expiry::Unknown, TokenState::Valid));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_extra_identity_runs_thirty_seconds_after_a_known_expiry() {
    let stage = Stage::new(60, |_, _, _| Reply::Me(exp_after(1_000)));
    let stage = stage.token("a", &[], &[]).begin();
    stage.until(minutes(20)).await;
    let times = stage.times("a", Check::Identity);
    assert!(times.contains(&1_030), "{times:?}");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_local_clock_does_not_kill_a_token() {
    for wrong_by in [-86_400, 86_400] {
        let clock = Arc::new(WrongClock(ManualClock::at(dawn()), wrong_by));
        let stage = Stage::with_clock(60, clock, |_, _, at| {
            if at < minutes(10) { Reply::Me(exp_after(40_000)) } else { Reply::Silent }
        });
        let stage = stage.token("a", &[], &[]).begin();
        stage.until(minutes(60)).await;
        assert_eq!(stage.state("a"), TokenState::Valid, "wrong by {wrong_by}");
        stage.until(seconds(40_310)).await;
        assert_eq!(stage.state("a"), TokenState::Expired, "wrong by {wrong_by}");
        stage.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_during_an_outage_knows_nothing_without_and_the_dead_with_a_state_file() {
    let stage = Stage::new(60, |_, _, _| Reply::Silent).token("a", &[], &[]).begin();
    stage.until(minutes(30)).await;
    assert_eq!(stage.state("a"), TokenState::Unknown);
    stage.end().await;
    let since = "2026-11-20T00:00:00Z".parse().unwrap();
    let remembered =
        Remembered { told: Told::Nothing, death: Some((TokenState::Invalid, since)), last_success: None };
    let stage = Stage::new(60, |_, _, _| Reply::Silent).token("a", &[], &[]).begin_remembering(remembered);
    stage.until(minutes(30)).await;
    assert_eq!((stage.state("a"), stage.view("a").record.state_since()), (TokenState::Invalid, Some(since)));
    stage.script(|_, _, _| Reply::Fine);
    stage.until(minutes(61)).await;
    assert_eq!(stage.state("a"), TokenState::Valid);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_rename_keeps_record_and_counters() {
    let mut stage = Stage::new(60, |_, _, _| Reply::Unauthorized).token("a", &[], &[]).begin();
    stage.until(minutes(5)).await;
    let before = stage.view("a");
    stage.rename("a", "b");
    let after = stage.view("b");
    assert_eq!(
        (after.record.state(), after.record.state_since()),
        (TokenState::Invalid, before.record.state_since())
    );
    assert_eq!(after.counts, before.counts);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stack_without_users_me_is_judged_by_its_projects_until_it_has_one() {
    let stage = Stage::new(60, |_, question, at| match question.check {
        Check::Identity if at < minutes(90) => Reply::NotFound,
        _ if at > minutes(30) && at < minutes(50) => Reply::Unauthorized,
        _ => Reply::Fine,
    });
    let stage = stage.token("a", &[], &[]).begin();
    stage.until(minutes(20)).await;
    assert_eq!(stage.state("a"), TokenState::Valid);
    assert_eq!(stage.view("a").probe_success(), Some(true));
    stage.until(minutes(40)).await;
    assert_eq!(stage.state("a"), TokenState::Invalid);
    stage.until(minutes(240)).await;
    assert_eq!(stage.state("a"), TokenState::Valid);
    assert_eq!(stage.view("a").record.life_check(), Check::Identity);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_403_on_identity_is_alive_and_nothing_inconclusive_changes_a_state() {
    let stage = Stage::new(60, |_, _, _| Reply::Forbidden).token("a", &[], &[]).begin();
    stage.until(minutes(3)).await;
    assert_eq!((stage.state("a"), stage.view("a").probe_success()), (TokenState::Valid, Some(true)));
    for reply in [Reply::Down, Reply::Silent, Reply::Slow(1)] {
        let start = stage.asked().last().unwrap().at;
        stage.script(move |_, _, _| reply.clone());
        stage.until(start + minutes(30)).await;
        assert_eq!(stage.state("a"), TokenState::Valid);
        let latest = stage.view("a").record.last_try(Check::Identity, None).unwrap().reason;
        assert!(matches!(latest, Reason::ServerError | Reason::Timeout | Reason::RateLimited));
    }
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn exp_null_means_never_for_no_unprefixed_token() {
    let stage = Stage::new(60, |_, _, _| Reply::Me(Exp::Null)).token("a", &[], &[]).begin();
    stage.until(minutes(1)).await;
    let view = stage.view("a");
    assert_eq!(view.record.expiry(&view.spec), Expiry::Unknown);
    stage.end().await;
}
