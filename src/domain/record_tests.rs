//! What outcomes do to a record: the precedence of states, and that nothing inconclusive changes one.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::{DeclaredExpiry, Exp, Outcome, Uuid, Workspace, life::Peers};

const HEX_START: i64 = 1_790_000_000;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn project() -> (Name, Uuid) {
    (name("kpis"), Uuid::parse("5a8591dd-4039-49df-9202-96385ba3eff8").unwrap())
}

fn spec() -> TokenSpec {
    let workspace = Workspace::new(name("production"), "https://hex.example");
    let workspace = Workspace { org_id: Some("ours".to_owned()), ..workspace };
    TokenSpec {
        required_scopes: [Scope::ProjectsRead, Scope::ProjectsRun, Scope::GroupsRead].into(),
        projects: [project()].into(),
        least_privilege: true,
        ..TokenSpec::new(name("airflow"), Arc::new(workspace))
    }
}

/// A record that hears answers, at times that it is told.
struct Ear {
    record: TokenRecord,
    spec: TokenSpec,
    cadence: Cadence,
    /// By how many seconds the local clock is slow.
    behind: i64,
}

impl Ear {
    fn new() -> Self {
        let start = Timestamp::from_second(HEX_START).unwrap();
        Self {
            record: TokenRecord::new(Kind::Workspace, start),
            spec: spec(),
            cadence: Cadence::default(),
            behind: 0,
        }
    }

    fn hear(&mut self, second: u64, check: Check, reason: Reason, facts: Facts) -> Effects {
        let (name, id) = project();
        let question =
            if check.is_about_project() { Question::about(check, &name, &id) } else { Question::of(check) };
        let hex_now = Timestamp::from_second(HEX_START + i64::try_from(second).unwrap()).unwrap();
        let at = hex_now - jiff::SignedDuration::from_secs(self.behind);
        let heard = Heard {
            question: &question,
            outcome: &Outcome { reason, by_hex: reason.is_conclusive(), moved: false, facts },
            status: 0,
            duration: Duration::ZERO,
            now: Moment { at, up: Duration::from_secs(second) },
            hex_now,
            dated: hex_now,
            peers: Peers::default(),
        };
        self.record.apply(&heard, &self.spec, &self.cadence)
    }

    fn identity(&mut self, second: u64, org: &str, exp: Exp) {
        let facts = Facts::Identity { exp, org_id: Some(org.into()), describes_user: false };
        self.hear(second, Check::Identity, Reason::Ok, facts);
    }

    /// A denial, and its repeat.
    fn deny(&mut self, second: u64, check: Check, reason: Reason) {
        self.hear(second, check, reason, Facts::None);
        self.hear(second + 60, check, reason, Facts::None);
    }

    fn grant(&mut self, second: u64) {
        for check in [Check::ProjectsRead, Check::GroupsRead, Check::ProjectsRun] {
            self.hear(second, check, Reason::Ok, Facts::None);
        }
        self.hear(second, Check::ProjectVisible, Reason::Ok, Facts::Project { unavailable: false });
    }
}

#[test]
fn states_take_precedence_in_the_documented_order() {
    use TokenState as S;
    let exp = Exp::Number(1_790_003_600.0);
    let mut ear = Ear::new();
    assert_eq!(ear.record.state(), S::Unknown);
    ear.identity(0, "ours", exp);
    assert_eq!(ear.record.state(), S::Unknown, "nothing required has been answered");
    ear.grant(1);
    assert_eq!(ear.record.state(), S::Valid);
    ear.hear(2, Check::ProjectVisible, Reason::Unavailable, Facts::Project { unavailable: true });
    assert_eq!(ear.record.state(), S::ProjectUnavailable);
    ear.deny(10, Check::GroupsRead, Reason::Forbidden);
    assert_eq!(ear.record.state(), S::UnderScoped);
    ear.identity(100, "theirs", exp);
    assert_eq!(ear.record.state(), S::WrongWorkspace);
    for second in [200, 230, 290] {
        ear.hear(second, Check::Identity, Reason::Unauthorized, Facts::None);
    }
    assert_eq!(ear.record.state(), S::Invalid);
    let late = Timestamp::from_second(1_790_003_901).unwrap();
    let now = Moment { at: late, up: Duration::from_secs(3_901) };
    assert_eq!(ear.record.settle(&ear.spec.clone(), now, late), Some((S::Invalid, S::Expired)));
}

#[test]
fn a_rejection_is_an_expiry_up_to_five_minutes_before_the_date() {
    for (date, expected) in [(590, TokenState::Expired), (591, TokenState::Invalid)] {
        let mut ear = Ear::new();
        ear.identity(0, "ours", Exp::Number(1_790_000_000.0 + f64::from(date)));
        for second in [200, 230, 290] {
            ear.hear(second, Check::Identity, Reason::Unauthorized, Facts::None);
        }
        assert_eq!(ear.record.state(), expected, "{date}");
    }
}

#[test]
fn a_plan_that_lacks_is_under_scoped_and_never_valid() {
    let mut ear = Ear::new();
    ear.identity(0, "ours", Exp::Null);
    ear.grant(1);
    ear.deny(10, Check::GroupsRead, Reason::Plan);
    assert_eq!(ear.record.state(), TokenState::UnderScoped);
    assert!(ear.record.scope(Scope::GroupsRead).unwrap().is_denied_by_plan());
}

#[test]
fn a_scope_that_nobody_requires_counts_at_once() {
    let mut ear = Ear::new();
    ear.hear(0, Check::UsersRead, Reason::Forbidden, Facts::None);
    assert_eq!(ear.record.granted(&ear.spec, Scope::UsersRead), Some(false));
    ear.hear(0, Check::GroupsRead, Reason::Forbidden, Facts::None);
    assert_eq!(ear.record.granted(&ear.spec, Scope::GroupsRead), None);
}

#[test]
fn without_an_interval_a_first_denial_counts() {
    let mut ear = Ear::new();
    ear.cadence.interval = Duration::ZERO;
    ear.hear(0, Check::GroupsRead, Reason::Forbidden, Facts::None);
    assert_eq!(ear.record.granted(&ear.spec, Scope::GroupsRead), Some(false));
}

#[test]
fn a_rotation_keeps_state_and_last_success_and_nothing_else() {
    let mut ear = Ear::new();
    ear.identity(0, "ours", Exp::Number(1_790_003_600.0));
    ear.grant(1);
    let before = ear.record.clone();
    ear.record.rotate(Kind::Personal);
    let after = &ear.record;
    assert_eq!((after.state(), after.state_since()), (before.state(), before.state_since()));
    assert_eq!(after.last_success(), before.last_success());
    assert_eq!(after.life(), Life::Unseen);
    assert_eq!(after.expiry(&ear.spec), Expiry::Unknown);
    assert_eq!(after.granted(&ear.spec, Scope::GroupsRead), None);
    assert!(after.tries().iter().all(|(_, tried)| !tried.current));
}

#[test]
fn a_second_death_has_a_time_of_its_own_though_the_first_was_still_shown() {
    let mut ear = Ear::new();
    let mut since = Vec::new();
    for start in [10, 1_000] {
        for second in [0, 30, 90] {
            ear.hear(start + second, Check::Identity, Reason::Unauthorized, Facts::None);
        }
        since.push(ear.record.state_since().unwrap().as_second() - HEX_START);
        ear.record.rotate(Kind::Workspace);
        ear.identity(start + 500, "ours", Exp::Null);
        assert_eq!(ear.record.state(), TokenState::Invalid, "held until all is answered");
    }
    assert_eq!(since, [100, 1_090]);
}

#[test]
fn no_acceptance_seems_newer_than_a_death_because_the_clock_was_set_back() {
    let mut ear = Ear::new();
    ear.identity(0, "ours", Exp::Null);
    ear.grant(1);
    ear.identity(3_600, "ours", Exp::Null);
    ear.behind = 7_200;
    for second in [3_700, 3_730, 3_790] {
        ear.hear(second, Check::Identity, Reason::Unauthorized, Facts::None);
    }
    assert_eq!(ear.record.state(), TokenState::Invalid);
    assert!(ear.record.last_success() <= ear.record.state_since());
}

#[test]
fn a_date_is_told_to_be_disproved_once_whether_or_not_it_was_believed_before() {
    let mut ear = Ear::new();
    let past = Facts::Identity { exp: Exp::Number(1_789_999_000.0), org_id: None, describes_user: false };
    let told =
        |ear: &mut Ear, second| ear.hear(second, Check::Identity, Reason::Ok, past.clone()).expiry_disproved;
    assert_eq!([told(&mut ear, 0), told(&mut ear, 300)], [true, false]);
    let mut ear = Ear::new();
    ear.identity(0, "ours", Exp::Number(1_790_000_100.0));
    let accepted = |ear: &mut Ear, second| {
        ear.hear(second, Check::Identity, Reason::Forbidden, Facts::None).expiry_disproved
    };
    assert_eq!([400, 401, 700].map(|second| accepted(&mut ear, second)), [false, true, false]);
}

#[test]
fn a_declared_date_that_an_earlier_process_saw_disproved_stays_so() {
    let at = |second: i64| Timestamp::from_second(HEX_START + second).unwrap();
    // Of a date that Hex has told, the state file holds none that was disproved, and our clock may be another.
    for (last_success, told, expected) in [
        (Some(at(-300)), Told::Nothing, Expiry::Unknown),
        (None, Told::Nothing, Expiry::Config(at(-900))),
        (Some(at(-300)), Told::At(at(-800)), Expiry::Api(at(-800))),
    ] {
        let mut ear = Ear::new();
        ear.spec.expires_at = Some(DeclaredExpiry::At(at(-900)));
        let remembered = Remembered { told, death: None, last_success };
        ear.record = TokenRecord::restored(Kind::Workspace, at(0), &remembered);
        assert_eq!(ear.record.expiry(&ear.spec), expected, "{last_success:?} {told:?}");
    }
}

fn any_reason(conclusive: bool) -> impl Strategy<Value = Reason> {
    let all: Vec<_> = Reason::ALL.into_iter().filter(|it| it.is_conclusive() == conclusive).collect();
    proptest::sample::select(all)
}

fn any_check() -> impl Strategy<Value = Check> {
    proptest::sample::select(Check::ALL.to_vec())
}

fn any_facts(check: Check, reason: Reason, dice: u8) -> Facts {
    match (check, reason) {
        (Check::Identity, Reason::Ok) => Facts::Identity {
            exp: [
                Exp::Null,
                Exp::Absent,
                Exp::Nonsense,
                Exp::Number(1_790_000_000.0 + 40.0 * f64::from(dice)),
            ][usize::from(dice % 4)],
            org_id: (!dice.is_multiple_of(3)).then(|| if dice % 3 == 1 { "ours" } else { "theirs" }.into()),
            describes_user: dice.is_multiple_of(2),
        },
        (Check::ProjectVisible, Reason::Ok) => Facts::Project { unavailable: false },
        (Check::ProjectsRead, Reason::Ok) => Facts::Projects { count: usize::from(dice), more: false },
        _ => Facts::None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn nothing_inconclusive_changes_state_expiry_scopes_or_projects(
        history in proptest::collection::vec(
            (any_check(), prop_oneof![3 => any_reason(true), 1 => any_reason(false)], 0u64..400, any::<u8>()),
            0..40,
        ),
        check in any_check(),
        reason in any_reason(false),
    ) {
        let mut ear = Ear::new();
        let mut second = 0;
        for (check, reason, pause, dice) in history {
            second += pause;
            ear.hear(second, check, reason, any_facts(check, reason, dice));
        }
        let before = ear.record.clone();
        let effects = ear.hear(second, check, reason, Facts::None);
        let after = &ear.record;
        prop_assert_eq!(effects.change, None);
        prop_assert!(!effects.accepted && !effects.revived && !effects.expiry_disproved);
        prop_assert_eq!((after.state(), after.state_since()), (before.state(), before.state_since()));
        prop_assert_eq!(after.expiry(&ear.spec), before.expiry(&ear.spec));
        prop_assert_eq!((after.life(), after.pending()), (before.life(), before.pending()));
        prop_assert_eq!((&after.scopes, &after.projects), (&before.scopes, &before.projects));
        prop_assert_eq!((after.org_id(), after.kind()), (before.org_id(), before.kind()));
        prop_assert_eq!((after.last_success(), after.answered()), (before.last_success(), before.answered()));
        prop_assert_eq!(after.life_check(), before.life_check());
    }

    #[test]
    fn a_verdict_is_lost_only_where_it_is_a_death_that_hex_disproves_twice(
        history in proptest::collection::vec((any_check(), any_reason(true), 0u64..400, any::<u8>()), 0..60),
        rotations in proptest::collection::vec(any::<bool>(), 60),
    ) {
        let mut ear = Ear::new();
        let (mut second, mut verdict) = (0, None);
        for ((check, reason, pause, dice), rotates) in history.into_iter().zip(rotations) {
            second += pause;
            ear.hear(second, check, reason, any_facts(check, reason, dice));
            if rotates && dice > 200 {
                ear.record.rotate(Kind::Workspace);
            }
            let shown = Some(ear.record.state()).filter(|state| *state != TokenState::Unknown);
            let is_disproved = |verdict: TokenState| verdict.is_dead() && ear.record.is_accepted_again();
            prop_assert!(shown.is_some() || verdict.is_none_or(is_disproved));
            verdict = shown;
        }
    }

    #[test]
    fn fewer_than_three_401s_in_a_row_never_kill(
        answers in proptest::collection::vec(prop_oneof![
            2 => Just(Reason::Unauthorized), 1 => Just(Reason::Ok), 1 => any_reason(false),
        ], 0..60),
    ) {
        let mut ear = Ear::new();
        let (mut row, mut dead) = (0, false);
        for (index, reason) in answers.into_iter().enumerate() {
            ear.hear(index as u64 * 30, Check::Identity, reason, any_facts(Check::Identity, Reason::ServerError, 0));
            match reason {
                Reason::Unauthorized => row += 1,
                Reason::Ok => (row, dead) = (0, false),
                _ => {}
            }
            dead |= row >= 3;
            prop_assert_eq!(matches!(ear.record.life(), Life::Rejected(_)), dead);
        }
    }
}
