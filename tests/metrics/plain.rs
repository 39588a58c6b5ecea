//! The writer of the page is made to be fast; this one is made to be plain, and both must tell the same.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hex_token_exporter::{
    domain::{Check, Exp, Expiry, Facts, Scope, TokenSpec, TokenState},
    metrics::{self, Page as Pieces},
    store::{Snapshot, TokenView},
};
use jiff::Timestamp;
use proptest::prelude::*;
use tokio::time::advance;

use crate::{
    exposed::Page,
    own,
    scripted::{Script, answer, identity, runner, status, token, workspace},
};

type Values = BTreeMap<String, f64>;

/// The series of one token.
struct Plain<'a> {
    view: &'a TokenView,
    values: &'a mut Values,
}

impl Plain<'_> {
    fn tell(&mut self, name: &str, own: &[(&str, &str)], value: impl Into<f64>) {
        let subject = [("token", &self.view.spec.name), ("workspace", &self.view.spec.workspace.name)];
        let subject = subject.iter().map(|(label, name)| format!("{label}={name}"));
        let own = own.iter().map(|(label, value)| format!("{label}={value}"));
        let mut labels: Vec<String> = own.chain(subject).collect();
        labels.sort();
        let series = format!("hex_token_{name}{{{}}}", labels.join(","));
        assert_eq!(self.values.insert(series, value.into()), None);
    }

    fn all(&mut self, hex_now: Timestamp) {
        let view = self.view;
        let (record, spec) = (&view.record, &view.spec);
        let expiry = record.expiry(spec);
        if let Some(success) = view.probe_success() {
            self.tell("probe_success", &[], success);
        }
        for check in Check::ALL {
            let label = [("check", check.as_label())];
            let of_check = view.record.tries().iter().filter(|((of, _), _)| *of == check);
            if let Some((_, tried)) = of_check.max_by_key(|(_, tried)| tried.at) {
                self.tell("probe_duration_seconds", &label, seconds(tried.duration));
                self.tell("probe_http_status_code", &label, tried.status);
            }
            if let Some(interval) = view.interval(check) {
                self.tell("probe_interval_seconds", &label, seconds(interval));
            }
            if let Some(at) = view.last_conclusive(check) {
                self.tell("last_conclusive_timestamp_seconds", &label, date(at));
            }
        }
        if let Some(days) = expiry.days_left(hex_now) {
            self.tell("days_until_expiry", &[], days);
        }
        for (name, at) in [
            ("expiry_timestamp_seconds", expiry.date()),
            ("state_since_timestamp_seconds", record.state_since()),
            ("last_probe_timestamp_seconds", view.last_probe),
            ("last_success_timestamp_seconds", record.last_success()),
            ("credential_loaded_timestamp_seconds", view.credential.loaded_at),
        ] {
            if let Some(at) = at {
                self.tell(name, &[], date(at));
            }
        }
        for label in Expiry::LABELS {
            self.tell("expiry", &[("expiry", label)], label == expiry.as_label());
        }
        self.tell("expiry_warning_seconds", &[], seconds(spec.expiry_warning));
        self.tell("expiry_critical_seconds", &[], seconds(spec.expiry_critical));
        for state in TokenState::ALL {
            self.tell("state", &[("state", state.as_label())], state == record.state());
        }
        self.tell("rejection_pending", &[], record.pending().is_some());
        for scope in view.checked_scopes() {
            let label = [("scope", scope.as_label())];
            self.tell("scope_required", &label, spec.required_scopes.contains(&scope));
            if let Some(granted) = record.granted(spec, scope) {
                self.tell("scope_granted", &label, granted);
            }
        }
        if let Some(excess) = view.excess_read_scopes() {
            self.tell("excess_read_scopes", &[], u32::try_from(excess).unwrap());
        }
        for project in view.project_rights() {
            let label = [("project", project.name.as_str())];
            for (name, right) in
                [("project_visible", project.visible), ("project_runnable", project.runnable)]
            {
                if let Some(right) = right {
                    self.tell(name, &label, right);
                }
            }
        }
        self.tell("probes_total", &[], u32::try_from(view.counts.probes).unwrap());
        for (reason, count) in view.counts.failures() {
            let label = [("reason", reason.as_label())];
            self.tell("probe_failures_total", &label, u32::try_from(count).unwrap());
        }
        let owner = spec.token_owner.as_deref().unwrap_or_default();
        let url = spec.rotate_url.as_deref().unwrap_or_default();
        let labels = [("kind", record.kind().as_label()), ("token_owner", owner), ("rotate_url", url)];
        self.tell("info", &labels, true);
    }
}

fn seconds(duration: Duration) -> f64 {
    Duration::from_micros(duration.as_micros().try_into().unwrap()).as_secs_f64()
}

fn date(at: Timestamp) -> f64 {
    format!("{}e-6", at.as_microsecond()).parse().unwrap()
}

fn plain(snapshot: &Snapshot) -> Values {
    let mut values = Values::new();
    for view in &snapshot.tokens {
        let hex_now = snapshot.hex_now(&view.spec.workspace.name);
        Plain { view, values: &mut values }.all(hex_now);
    }
    values
}

/// An odd token, and what it was told, in the order of time.
#[derive(Debug, Clone)]
struct Odd {
    runs: bool,
    least_privilege: bool,
    owner: Option<String>,
    elsewhere: bool,
    told: Vec<Told>,
}

#[derive(Debug, Clone)]
struct Told {
    /// Since what was told before. Never nothing: two answers of one moment have no newest.
    after: Duration,
    check: Check,
    /// Of which project, where the check is about one.
    project: &'static str,
    status: u16,
}

fn told() -> impl Strategy<Value = Told> {
    let status = prop::sample::select(&[200, 401, 403, 404, 500][..]);
    let project = prop::sample::select(&["kpis", "churn"][..]);
    (1..100_000_u64, prop::sample::select(&Check::ALL[..]), project, status).prop_map(
        |(milliseconds, check, project, status)| Told {
            after: Duration::from_millis(milliseconds),
            check,
            project,
            status,
        },
    )
}

fn odd() -> impl Strategy<Value = Odd> {
    let told = prop::collection::vec(told(), 0..24);
    (any::<bool>(), any::<bool>(), any::<Option<String>>(), any::<bool>(), told).prop_map(
        |(runs, least_privilege, owner, elsewhere, told)| Odd {
            runs,
            least_privilege,
            owner,
            elsewhere,
            told,
        },
    )
}

/// A store of odd tokens.
async fn scripted(odd: &[Odd]) -> Script {
    let (here, elsewhere) = (workspace("here"), workspace("elsewhere"));
    let spec = |(number, odd): (usize, &Odd)| {
        let place = if odd.elsewhere { &elsewhere } else { &here };
        let name = format!("t{number}");
        let spec = if odd.runs { runner(&name, place) } else { token(&name, place) };
        let required_scopes = if odd.runs { spec.required_scopes } else { [Scope::UsersRead].into() };
        TokenSpec {
            required_scopes,
            least_privilege: odd.least_privilege,
            token_owner: odd.owner.clone(),
            ..spec
        }
    };
    let script = Script::start(odd.iter().enumerate().map(spec).collect());
    for (number, odd) in odd.iter().enumerate() {
        let name = format!("t{number}");
        for told in &odd.told {
            advance(told.after).await;
            tell(&script, &name, odd.runs, told);
        }
    }
    script
}

fn tell(script: &Script, name: &str, runs: bool, told: &Told) {
    let seen = match (told.check, told.status) {
        (Check::Identity, 200) => identity(Exp::Number(1_900_000_000.5)),
        (check, 200) if check.is_about_project() => answer(200, Facts::Project { unavailable: false }),
        (_, code) => status(code),
    };
    if told.check.is_about_project() && runs {
        script.see_project(name, told.check, told.project, seen);
    } else {
        script.see(name, told.check, seen);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_fast_writer_tells_what_the_plain_one_does(odd in prop::collection::vec(odd(), 0..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let snapshot = runtime.unwrap().block_on(async { scripted(&odd).await.store.snapshot() });
        let own = own(&["here", "elsewhere"]);
        let page = Page::parse(&metrics::page(&snapshot, &own));
        let about_tokens = |(series, value): (&String, &f64)| {
            let told = series.starts_with("hex_token_") && !series.starts_with("hex_token_exporter_");
            told.then(|| (series.clone(), *value))
        };
        let told: Values = page.values.iter().filter_map(about_tokens).collect();
        prop_assert_eq!(told, plain(&snapshot));
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_page_comes_in_pieces_and_loses_nothing_between_them() {
    let told = Told { after: Duration::from_secs(1), check: Check::Identity, project: "kpis", status: 200 };
    let odd = Odd { runs: true, least_privilege: true, owner: None, elsewhere: false, told: vec![told] };
    let snapshot = scripted(&vec![odd; 200]).await.store.snapshot();
    let own = own(&["here"]);
    let pieces: Vec<String> = Pieces::of(snapshot.clone(), Arc::clone(&own)).collect();
    assert!(pieces.len() > 5 && pieces.iter().all(|piece| piece.ends_with('\n')), "{}", pieces.len());
    let page = Page::parse(&pieces.concat());
    assert!(plain(&snapshot).iter().all(|(series, value)| page.values.get(series) == Some(value)));
}
