//! Users and passwords.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{task::JoinSet, time::Instant};

use crate::stand::{Answer, Stand, within};

/// The lowest cost there is: what is tested is who comes in, and not how long it takes.
const COST: u32 = 4;

fn users(users: &[(&str, &str)], cost: u32) -> String {
    let lines = users.iter().map(|(user, password)| {
        format!("  {user}: '{}'\n", bcrypt::hash(password, cost).unwrap().replacen("$2b", "$2y", 1))
    });
    format!("basic_auth_users:\n{}", lines.collect::<String>())
}

fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn who_knows_a_password_comes_in_and_nobody_else() {
    let web = users(&[("prometheus", "correct horse"), ("ada", "ba:tt:ery ä")], COST);
    let stand = Stand::start(&web).await;
    let (good, token) = (basic("prometheus", "correct horse"), "Authorization: Bearer x\r\n");
    for (headers, status) in [
        (good.clone(), 200),
        (good.clone(), 200),
        (good.replace("Basic", "bAsIc"), 200),
        (basic("ada", "ba:tt:ery ä"), 200),
        (String::new(), 401),
        (basic("prometheus", "wrong"), 401),
        (basic("prometheus", "wrong"), 401),
        (basic("prometheus", ""), 401),
        (basic("prometheus", "correct horse "), 401),
        (basic("ada", "correct horse"), 401),
        (basic("nobody", "correct horse"), 401),
        (basic("", "correct horse"), 401),
        (basic("prometheus\0", "correct horse"), 401),
        (format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode("no colon")), 401),
        ("Authorization: Basic %%%\r\n".to_owned(), 401),
        ("Authorization: Basic\r\n".to_owned(), 401),
        (token.to_owned(), 401),
        (format!("{good}{token}"), 401),
        (format!("{good}{good}"), 401),
        (basic("prometheus", &"x".repeat(4000)), 401),
    ] {
        assert_eq!(stand.status("/ok", &headers).await, status, "{headers}");
    }
    let refusal = Answer::of(stand.connect().await, "GET /nothing HTTP/1.1\r\nHost: localhost\r\n").await;
    assert_eq!(refusal.status, 401, "what is there is not told");
    assert!(refusal.header("www-authenticate").unwrap().starts_with("Basic realm="));
    for (name, value) in [("x-content-type-options", "nosniff"), ("cache-control", "no-store")] {
        assert_eq!(refusal.header(name), Some(value));
    }
    assert_eq!(stand.status("/-/healthy", "").await, 401, "health is told without users at its own address");
}

#[tokio::test]
async fn a_right_password_is_checked_once() {
    // A check takes far longer than all else, so that none can go unseen.
    let stand = Stand::start(&users(&[("prometheus", "correct")], 9)).await;
    // What nobody has sent before is checked. A busy machine only makes that longer: the shortest is a check.
    let mut check = Duration::MAX;
    for guess in 0..3 {
        let began = Instant::now();
        assert_eq!(stand.status("/ok", &basic("prometheus", &format!("wrong {guess}"))).await, 401);
        check = check.min(began.elapsed());
    }
    let good = basic("prometheus", "correct");
    assert_eq!(stand.status("/ok", &good).await, 200);
    let mut checked = 0;
    for _ in 0..20 {
        let began = Instant::now();
        assert_eq!(stand.status("/ok", &good).await, 200);
        checked += usize::from(began.elapsed() >= check / 2);
    }
    assert!(checked < 10, "{checked} of 20 repeats took as long as a check, which is {check:?}");
}

#[tokio::test]
async fn an_unknown_user_costs_what_a_known_one_does() {
    let stand = Stand::start(&users(&[("prometheus", "correct")], 8)).await;
    // A busy machine only makes a check longer: the shortest tells what it costs.
    let mut took = [Duration::MAX; 2];
    for round in 0..9 {
        for (which, user) in ["prometheus", "nobody"].into_iter().enumerate() {
            let began = Instant::now();
            assert_eq!(stand.status("/ok", &basic(user, &format!("wrong {round}"))).await, 401);
            took[which] = took[which].min(began.elapsed());
        }
    }
    let [known, unknown] = took;
    // Without a check, an unknown user would be told a hundred times faster.
    assert!(unknown * 4 > known && known * 4 > unknown, "known {known:?}, unknown {unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_guess_do_not_keep_out_those_who_know() {
    let stand = Arc::new(Stand::start(&users(&[("prometheus", "correct")], 8)).await);
    let good = basic("prometheus", "correct");
    assert_eq!(stand.status("/ok", &good).await, 200);
    let mut guesses = JoinSet::new();
    for guess in 0..200 {
        let stand = stand.clone();
        guesses.spawn(async move { stand.status("/ok", &basic("prometheus", &guess.to_string())).await });
    }
    for _ in 0..20 {
        assert_eq!(stand.status("/ok", &good).await, 200);
    }
    let answers = within(guesses.join_all()).await;
    assert!(answers.iter().all(|status| matches!(status, 401 | 503)), "{answers:?}");
    assert!(answers.contains(&503), "not all guesses are even checked");
    assert_eq!(stand.status("/ok", &good).await, 200, "and what is known stays known");
}

#[tokio::test]
async fn a_changed_list_of_users_holds_from_the_next_request_on() {
    let (one, two) = (users(&[("ada", "one")], COST), users(&[("ada", "two")], COST));
    let stand = Stand::start(&one).await;
    assert_eq!(stand.status("/ok", &basic("ada", "one")).await, 200);
    assert_eq!(stand.status("/ok", &basic("ada", "two")).await, 401);
    stand.reload(&two).await.unwrap();
    assert_eq!(stand.status("/ok", &basic("ada", "one")).await, 401);
    assert_eq!(stand.status("/ok", &basic("ada", "two")).await, 200);
    stand.reload("").await.unwrap();
    assert_eq!(stand.status("/ok", "").await, 200);
}
