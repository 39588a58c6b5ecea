//! What is said of a token, case by case: the reason, and words that are true.

use std::{sync::Arc, time::Duration};

use super::*;
use crate::domain::{
    Cadence, Exp, Facts, Moment, Outcome, Question, Uuid, Workspace, heard::Heard, life::Peers,
};

const HEX_START: i64 = 1_790_000_000;

fn at(second: u64) -> Timestamp {
    Timestamp::from_second(HEX_START + i64::try_from(second).unwrap()).unwrap()
}

fn project() -> (Name, Uuid) {
    (Name::parse("kpis").unwrap(), Uuid::parse("5a8591dd-4039-49df-9202-96385ba3eff8").unwrap())
}

/// A token whose answers are made up, one a second, or one a minute where it is denied something.
struct Told {
    record: TokenRecord,
    spec: TokenSpec,
    problem: Option<CredentialProblem>,
    second: u64,
}

impl Told {
    fn requiring(scopes: &[Scope]) -> Self {
        let workspace = Workspace::new(Name::parse("production").unwrap(), "https://hex.example");
        let workspace = Workspace { org_id: Some("ours".to_owned()), ..workspace };
        let spec = TokenSpec {
            required_scopes: scopes.iter().copied().collect(),
            projects: [project()].into(),
            ..TokenSpec::new(Name::parse("airflow").unwrap(), Arc::new(workspace))
        };
        Self { record: TokenRecord::new(Kind::Workspace, at(0)), spec, problem: None, second: 0 }
    }

    fn hear(&mut self, check: Check, reason: Reason, facts: Facts) {
        let moved = false;
        self.hear_outcome(check, &Outcome { reason, by_hex: reason.is_conclusive(), moved, facts });
    }

    fn hear_outcome(&mut self, check: Check, outcome: &Outcome) {
        let reason = outcome.reason;
        self.second += if reason == Reason::Ok { 1 } else { 60 };
        let (name, id) = project();
        let question =
            if check.is_about_project() { Question::about(check, &name, &id) } else { Question::of(check) };
        let heard = Heard {
            question: &question,
            outcome,
            status: 0,
            duration: Duration::ZERO,
            now: Moment { at: at(self.second), up: Duration::from_secs(self.second) },
            hex_now: at(self.second),
            dated: at(self.second),
            peers: Peers::default(),
        };
        self.record.apply(&heard, &self.spec, &Cadence::default());
    }

    /// An answer, again until it counts.
    fn see(&mut self, check: Check, reason: Reason) {
        for _ in 0..3 {
            self.hear(check, reason, Facts::None);
        }
    }

    fn alive(&mut self, org: &str, exp: Exp) {
        let facts = Facts::Identity { exp, org_id: Some(org.into()), describes_user: false };
        self.hear(Check::Identity, Reason::Ok, facts);
    }

    fn granted(&mut self, checks: &[Check]) {
        for check in checks {
            self.see(*check, Reason::Ok);
        }
    }

    /// It is the project's own fault once the scope is known to be there.
    fn cannot_see(&mut self, reason: Reason) {
        self.see(Check::ProjectVisible, reason);
        self.see(Check::ProjectsRead, Reason::Ok);
    }

    fn advice(&self) -> Advice {
        of_token(&self.record, &self.spec, self.problem, at(self.second))
    }

    /// The reason, and cause and remedy in one.
    #[track_caller]
    fn says(&self, state: TokenState, reason: Reason, words: &[&str]) -> String {
        let Advice { reason: told, cause, remedy } = self.advice();
        let text = format!("{} -> {}", cause.unwrap_or_default(), remedy.unwrap_or_default());
        assert_eq!((self.record.state(), told), (state, reason), "{text}");
        for word in words {
            assert!(text.contains(word), "{word} in {text}");
        }
        text
    }
}

const RUNNER: [Scope; 2] = [Scope::ProjectsRead, Scope::ProjectsRun];
const ALL: [Check; 3] = [Check::ProjectsRead, Check::ProjectVisible, Check::ProjectsRun];

#[test]
fn a_credential_that_cannot_be_used_is_told_by_what_is_wrong_with_it() {
    use CredentialProblem as P;
    for (problem, words) in [
        (P::Missing, ["does not exist", "Mount"]),
        (P::NotSet, ["variable", "Set the variable"]),
        (P::PermissionDenied, ["permission denied", "Let the exporter's user read"]),
        (P::NotAFile, ["no plain file", "plain file"]),
        (P::TooLarge, ["larger than a token", "Put the token alone"]),
        (P::LinkLoop, ["links", "the file itself"]),
        (P::Unreadable, ["cannot be read", "check the mount"]),
        (P::Empty, ["is empty", "Write the token"]),
        (P::Exposed, ["every user of the machine", "chmod"]),
        (P::IllegalHeaderValue, ["characters that no token has", "one line"]),
    ] {
        let mut told = Told::requiring(&[]);
        told.hear(Check::Identity, Reason::CredentialUnreadable, Facts::None);
        told.problem = Some(problem);
        told.says(TokenState::Unknown, Reason::CredentialUnreadable, &words);
    }
}

#[test]
fn a_state_that_was_the_old_credentials_says_so() {
    type Before = fn(&mut Told);
    let states: [(TokenState, Before); 5] = [
        (TokenState::UnderScoped, |told| told.see(Check::ProjectsRead, Reason::Forbidden)),
        (TokenState::ProjectUnavailable, |told| told.cannot_see(Reason::NotFound)),
        (TokenState::WrongWorkspace, |told| told.alive("theirs", Exp::Absent)),
        (TokenState::Invalid, |told| told.see(Check::Identity, Reason::Unauthorized)),
        (TokenState::Expired, |told| {
            told.alive("ours", Exp::Number(1_790_000_100.0));
            told.second = 300;
            told.see(Check::Identity, Reason::Unauthorized);
        }),
    ];
    for (state, before) in states {
        let mut told = Told::requiring(&RUNNER);
        told.alive("ours", Exp::Absent);
        told.granted(&ALL);
        before(&mut told);
        assert_eq!(told.record.state(), state);
        told.record.rotate(Kind::Workspace);
        let replaced = "The credential was replaced, and Hex has given no verdict on the new one yet";
        told.says(state, Reason::Ok, &[replaced, "the state is the old one's"]);
        told.hear(Check::Identity, Reason::Timeout, Facts::None);
        let text = told.says(state, Reason::Timeout, &[replaced, "no answer came in time"]);
        assert!(
            !text.contains("rejects") && !text.contains("\"\"") && !text.contains("has expired"),
            "{text}"
        );

        told.alive("ours", Exp::Number(1_799_000_000.0));
        let accepted =
            "Hex accepts the token now; not settled yet: projects_read, projects_run, project kpis";
        let text = told.says(state, Reason::Ok, &[accepted, "the state is the one of before"]);
        assert!(!text.contains("rejects") && !text.contains("has expired"), "{text}");
        told.granted(&[Check::ProjectsRead, Check::ProjectVisible]);
        told.hear(Check::ProjectsRun, Reason::ServerError, Facts::None);
        told.says(state, Reason::ServerError, &["not settled yet: projects_run;", "(projects_run of kpis)"]);
        told.hear(Check::Identity, Reason::Connect, Facts::None);
        told.says(state, Reason::Connect, &["Hex has accepted the token; not", "no connection"]);
        told.alive("ours", Exp::Absent);
        told.granted(&[Check::ProjectsRun]);
        assert_eq!(told.advice().cause, None);
    }
}

#[test]
fn a_401_of_the_new_credential_is_told_as_pending() {
    let mut told = Told::requiring(&[]);
    told.spec.projects.clear();
    told.see(Check::Identity, Reason::Unauthorized);
    told.says(TokenState::Invalid, Reason::Unauthorized, &["Hex rejects the token"]);
    told.record.rotate(Kind::Workspace);
    told.hear(Check::Identity, Reason::Unauthorized, Facts::None);
    told.says(TokenState::Invalid, Reason::Unauthorized, &["was replaced", "awaits its confirmation"]);
}

#[test]
fn an_expiry_by_date_alone_is_no_rejection() {
    let mut told = Told::requiring(&[]);
    told.spec.projects.clear();
    told.alive("ours", Exp::Number(1_790_000_100.0));
    told.second = 400;
    told.hear(Check::Identity, Reason::Timeout, Facts::None);
    let text = told.says(TokenState::Expired, Reason::Timeout, &["The token has expired, on 2026-09-21"]);
    assert!(text.contains("no answer came in time"), "{text}");
    told.see(Check::Identity, Reason::Unauthorized);
    told.says(TokenState::Expired, Reason::Unauthorized, &["The token has expired, on 2026-09-21"]);
}

#[test]
fn runs_that_the_plan_lacks_are_the_plans_fault() {
    let mut told = Told::requiring(&RUNNER);
    told.alive("ours", Exp::Absent);
    told.granted(&[Check::ProjectsRead, Check::ProjectVisible]);
    told.see(Check::ProjectsRun, Reason::Plan);
    told.says(
        TokenState::UnderScoped,
        Reason::Plan,
        &["(projects_run): the workspace's plan", "Upgrade the plan"],
    );
    told.see(Check::ProjectsRead, Reason::Forbidden);
    let both = ["(projects_run): the workspace's plan", "also lacks projects_read", "and \"Projects: Read\""];
    told.says(TokenState::UnderScoped, Reason::Plan, &both);
    told.see(Check::ProjectsRun, Reason::Forbidden);
    let both = ["scope: projects_read, projects_run", "\"Projects: Read\", \"Projects: Run\""];
    told.says(TokenState::UnderScoped, Reason::Forbidden, &both);
}

#[test]
fn what_keeps_a_token_unknown_is_told() {
    for (check, reason, words) in [
        (Check::GroupsRead, Reason::NotFound, ["answers with a 404", "(groups_read)"]),
        (
            Check::GroupsRead,
            Reason::Unauthorized,
            ["accepts the token, and answered this check", "(groups_read)"],
        ),
        (Check::GroupsRead, Reason::Unexpected, ["nothing that is known of Hex", "(groups_read)"]),
        (Check::ProjectsRun, Reason::NotFound, ["knows no such object", "(projects_run of kpis)"]),
    ] {
        let mut told = Told::requiring(&[Scope::ProjectsRead, Scope::ProjectsRun, Scope::GroupsRead]);
        told.alive("ours", Exp::Absent);
        told.granted(&[Check::ProjectsRead, Check::ProjectVisible]);
        let other = if check == Check::GroupsRead { Check::ProjectsRun } else { Check::GroupsRead };
        told.granted(&[other]);
        told.see(check, reason);
        let text = told.says(TokenState::Unknown, reason, &words);
        assert!(!text.contains("Wait for the first probes"), "{text}");
    }
    let mut told = Told::requiring(&RUNNER);
    let others = (1..=9).map(|index| (Name::parse(&format!("p{index}")).unwrap(), project().1));
    told.spec.projects.extend(others);
    told.alive("ours", Exp::Absent);
    told.says(
        TokenState::Unknown,
        Reason::Ok,
        &["projects_run, project kpis, project p1, project p2 and 7 more"],
    );
    let mut told = Told::requiring(&[]);
    told.says(TokenState::Unknown, Reason::Ok, &["no conclusive answer about the token yet", "Wait"]);
    told.hear(Check::Identity, Reason::Dns, Facts::None);
    told.says(TokenState::Unknown, Reason::Dns, &["token yet: the workspace's host name has no address"]);
}

#[test]
fn a_project_that_cannot_be_seen_is_told_by_the_answer() {
    for (reason, words) in [
        (Reason::NotFound, ["does not exist or is not shared", "share it"]),
        (Reason::Forbidden, ["Project kpis is not shared", "share it"]),
        (Reason::Plan, ["the workspace's plan does not include", "Upgrade the plan"]),
    ] {
        let mut told = Told::requiring(&RUNNER);
        told.alive("ours", Exp::Absent);
        told.granted(&ALL);
        told.cannot_see(reason);
        told.says(TokenState::ProjectUnavailable, reason, &words);
    }
}

#[test]
fn a_workspace_that_has_moved_is_told_apart_from_a_wrong_url() {
    let words = ["the workspace has moved", "Change the workspace's url"];
    for moved in [true, false] {
        let mut told = Told::requiring(&[]);
        let outcome = Outcome { reason: Reason::WrongUrl, by_hex: false, moved, facts: Facts::None };
        told.hear_outcome(Check::Identity, &outcome);
        let text = told.says(TokenState::Unknown, Reason::WrongUrl, &[]);
        assert_eq!(words.map(|word| text.contains(word)), [moved; 2], "{text}");
    }
}

#[test]
fn a_404_of_the_life_check_is_about_the_url() {
    let mut told = Told::requiring(&[]);
    told.spec.projects.clear();
    told.see(Check::Identity, Reason::NotFound);
    told.see(Check::ProjectsRead, Reason::NotFound);
    let text = told.says(TokenState::Unknown, Reason::NotFound, &["404", "Verify the workspace's url"]);
    assert!(!text.contains("configured id") && !text.contains("share"), "{text}");
    // An older stack: then the other check speaks for the token.
    told.see(Check::ProjectsRead, Reason::Ok);
    assert_eq!(told.advice().cause, None);
}
