//! What may happen, and histories made of it.

use std::{fmt, ops::Range, time::Duration};

use hex_token_exporter::domain::{Cadence, Scope};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{
    cast::{Date, PROJECTS, SCOPES, STACKS},
    hex::{Denial, Standing, Weather},
};

/// One thing that happens. `usize` first is the token's slot.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    // What becomes true at Hex.
    Dies(usize),
    Revives(usize),
    /// The expiry that it tells, in seconds from now, and whether Hex keeps to it.
    Expires(usize, Date, bool),
    Foreign(usize, bool),
    /// Hex no longer tells a token about itself, by 403.
    Mute(usize, bool),
    Scope(usize, Scope, Option<Denial>),
    Project(usize, usize, Standing),
    // What comes between, for a workspace or for one token.
    Weather(usize, Option<Weather>),
    TokenWeather(usize, Option<Weather>),
    RejectsAll(usize, bool),
    IgnoresDryRun(usize, bool),
    IsOlder(usize, bool),
    // What is done to credentials.
    /// Another credential, which Hex accepts or not.
    Rotate(usize, bool),
    Readable(usize, bool),
    // What is edited.
    Owner(usize),
    Require(usize, Scope, bool),
    List(usize, usize, bool),
    LeastPrivilege(usize, bool),
    /// The declared expiry, in seconds from now.
    Declare(usize, Date),
    Listed(usize, bool),
    Rename(usize),
    /// To the other workspace; the token itself goes with it or not.
    Move(usize, bool),
    Budget(usize, u32),
    Reload,
    // What is done to the process.
    Ask(usize),
    Restart(bool),
}

/// A token at the start.
#[derive(Debug, Clone)]
pub(crate) struct Birth {
    pub(crate) stack: usize,
    pub(crate) personal: bool,
    pub(crate) alive: bool,
    pub(crate) required: Vec<Scope>,
    pub(crate) projects: usize,
}

/// A history from its start on.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) cadence: Cadence,
    pub(crate) budget: u32,
    pub(crate) skew: i64,
    pub(crate) tokens: Vec<Birth>,
    /// What happens after how long.
    pub(crate) events: Vec<(Duration, Event)>,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cadence, budget, skew, tokens, events } = self;
        writeln!(f, "{cadence:?}, {budget} requests a minute, a clock {skew} s off")?;
        tokens.iter().try_for_each(|token| writeln!(f, "  {token:?}"))?;
        events.iter().try_for_each(|(gap, event)| writeln!(f, "  {gap:?} later: {event:?}"))
    }
}

/// Histories of life and death: few rights, much weather.
pub(crate) fn of_lives(length: Range<usize>) -> impl Strategy<Value = History> {
    history(
        4,
        0,
        length,
        prop_oneof![
            6 => lives(), 4 => weather(), 2 => credentials(), 1 => edits(), 2 => process(),
        ],
    )
}

/// Histories of scopes and projects.
pub(crate) fn of_rights(length: Range<usize>) -> impl Strategy<Value = History> {
    history(
        2,
        2,
        length,
        prop_oneof![
            6 => rights(), 2 => weather(), 3 => edits(), 1 => credentials(), 1 => lives(), 1 => process(),
        ],
    )
}

/// Histories of everything.
pub(crate) fn of_everything(length: Range<usize>) -> impl Strategy<Value = History> {
    history(
        4,
        2,
        length,
        prop_oneof![
            2 => lives(), 2 => weather(), 2 => rights(), 2 => credentials(), 2 => edits(), 2 => process(),
        ],
    )
}

fn history(
    most_tokens: usize,
    most_projects: usize,
    length: Range<usize>,
    event: impl Strategy<Value = Event>,
) -> impl Strategy<Value = History> {
    let birth = (0..STACKS * 2, any::<bool>(), 0..8u8, vec(select(SCOPES.to_vec()), 0..3), 0..=most_projects)
        .prop_map(move |(stack, personal, dead, required, projects)| Birth {
            // Most are of one workspace, so that they have company.
            stack: usize::from(stack == 0),
            personal,
            alive: dead > 0,
            required: if most_projects == 0 { Vec::new() } else { required },
            projects,
        });
    let budget = select(vec![2, 6, 30, 120]);
    let tokens = vec(birth, 1..=most_tokens);
    let events = vec((gap(), event), length);
    (cadence(), budget, -90..90i64, tokens, events)
        .prop_map(|(cadence, budget, skew, tokens, events)| History { cadence, budget, skew, tokens, events })
}

fn cadence() -> impl Strategy<Value = Cadence> {
    let minutes =
        |choices: &[u64]| select(choices.iter().map(|it| Duration::from_mins(*it)).collect::<Vec<_>>());
    let confirm = select(vec![Duration::from_secs(15), Duration::from_secs(30), Duration::from_mins(2)]);
    (
        minutes(&[5, 30, 60]),
        minutes(&[60, 180]),
        minutes(&[120, 360]),
        confirm,
        minutes(&[5, 10, 20]),
        minutes(&[15, 60]),
    )
        .prop_map(
            |(
                interval,
                scope_interval,
                run_interval,
                confirm_after,
                mass_rejection_hold,
                rejected_interval,
            )| {
                let timeout = Duration::from_secs(10);
                Cadence {
                    interval,
                    scope_interval,
                    run_interval,
                    timeout,
                    confirm_after,
                    mass_rejection_hold,
                    rejected_interval,
                }
            },
        )
}

/// From one thing to the next: at once, while a request is on its way, within a rhythm, or a long time.
fn gap() -> impl Strategy<Value = Duration> {
    prop_oneof![
        1 => Just(Duration::ZERO),
        2 => (1..5_000u64).prop_map(Duration::from_millis),
        3 => (5..400u64).prop_map(Duration::from_secs),
        3 => (5..90u64).prop_map(Duration::from_mins),
        3 => (2..14u64).prop_map(Duration::from_hours),
    ]
}

fn slot() -> impl Strategy<Value = usize> {
    0..4usize
}

fn lives() -> impl Strategy<Value = Event> {
    let soon = prop_oneof![-4_000..20_000i64, Just(86_400 * 30)].prop_map(Date::At);
    let date = prop_oneof![4 => soon, 1 => Just(Date::Never), 1 => Just(Date::Untold)];
    prop_oneof![
        3 => slot().prop_map(Event::Dies),
        3 => slot().prop_map(Event::Revives),
        3 => (slot(), date, any::<bool>()).prop_map(|(slot, date, honoured)| Event::Expires(slot, date, honoured)),
        1 => (slot(), any::<bool>()).prop_map(|(slot, is)| Event::Foreign(slot, is)),
        1 => (slot(), any::<bool>()).prop_map(|(slot, is)| Event::Mute(slot, is)),
        2 => (0..STACKS, any::<bool>()).prop_map(|(stack, does)| Event::RejectsAll(stack / 2, does)),
        1 => (0..STACKS, any::<bool>()).prop_map(|(stack, is)| Event::IsOlder(stack, is)),
    ]
}

fn rights() -> impl Strategy<Value = Event> {
    let denial = option::of(prop_oneof![3 => Just(Denial::ByScope), 1 => Just(Denial::ByPlan)]);
    let standing =
        select(vec![Standing::Published, Standing::Unpublished, Standing::Hidden, Standing::NotRunnable]);
    prop_oneof![
        3 => (slot(), select(SCOPES.to_vec()), denial).prop_map(|(slot, scope, why)| Event::Scope(slot, scope, why)),
        3 => (slot(), 0..PROJECTS, standing).prop_map(|(slot, project, is)| Event::Project(slot, project, is)),
        1 => (0..STACKS, any::<bool>()).prop_map(|(stack, does)| Event::IgnoresDryRun(stack, does)),
    ]
}

fn weather() -> impl Strategy<Value = Event> {
    let pause = prop_oneof![Just(None), (1..1_200u32).prop_map(Some)];
    let weather = prop_oneof![
        6 => Just(None),
        8 => select(vec![
            Weather::Failing,
            Weather::Silent,
            Weather::Unreachable,
            Weather::Firewall,
            Weather::Portal,
            Weather::Page,
            Weather::Cached,
            Weather::OtherShape,
        ]).prop_map(Some),
        2 => pause.prop_map(Weather::Limited).prop_map(Some),
    ];
    (any::<bool>(), slot(), weather).prop_map(|(all, slot, weather)| {
        if all { Event::Weather(slot / 3, weather) } else { Event::TokenWeather(slot, weather) }
    })
}

fn credentials() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (slot(), any::<bool>()).prop_map(|(slot, good)| Event::Rotate(slot, good)),
        1 => (slot(), any::<bool>()).prop_map(|(slot, readable)| Event::Readable(slot, readable)),
    ]
}

fn edits() -> impl Strategy<Value = Event> {
    let declared = prop_oneof![Just(Date::Untold), Just(Date::Never), (-4_000..20_000i64).prop_map(Date::At)];
    prop_oneof![
        2 => slot().prop_map(Event::Owner),
        3 => (slot(), select(SCOPES.to_vec()), any::<bool>()).prop_map(|(slot, scope, is)| Event::Require(slot, scope, is)),
        2 => (slot(), 0..PROJECTS, any::<bool>()).prop_map(|(slot, project, is)| Event::List(slot, project, is)),
        1 => (slot(), any::<bool>()).prop_map(|(slot, is)| Event::LeastPrivilege(slot, is)),
        1 => (slot(), declared).prop_map(|(slot, date)| Event::Declare(slot, date)),
        2 => (slot(), any::<bool>()).prop_map(|(slot, is)| Event::Listed(slot, is)),
        2 => slot().prop_map(Event::Rename),
        1 => (slot(), any::<bool>()).prop_map(|(slot, follows)| Event::Move(slot, follows)),
        1 => (0..STACKS, select(vec![6, 30, 120])).prop_map(|(stack, budget)| Event::Budget(stack, budget)),
    ]
}

fn process() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => Just(Event::Reload),
        3 => slot().prop_map(Event::Ask),
        1 => any::<bool>().prop_map(Event::Restart),
    ]
}
