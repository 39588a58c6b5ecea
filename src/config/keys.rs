//! Every key of the configuration, by section. The reader refuses all others.

/// At the top.
pub const TOP: &[&str] = &[
    "probe",
    "state_file",
    "refuse_exposed_credentials",
    "workspaces",
    "defaults",
    "tokens",
    "token_directories",
];

/// Of `probe`.
pub const PROBE: &[&str] = &[
    "interval",
    "scope_interval",
    "run_interval",
    "timeout",
    "confirm_after",
    "mass_rejection_hold",
    "rejected_interval",
    "max_concurrency",
];

/// Of each workspace.
pub const WORKSPACE: &[&str] =
    &["url", "org_id", "requests_per_minute", "ca_file", "proxy_url", "allow_http"];

/// Of a token, a token directory and `defaults` alike.
pub const PER_TOKEN: &[&str] = &[
    "workspace",
    "required_scopes",
    "projects",
    "least_privilege",
    "expires_at",
    "token_owner",
    "rotate_url",
    "expiry_warning",
    "expiry_critical",
];

/// Of a token alone: where its credential is.
pub const CREDENTIAL: &[&str] = &["credentials_file", "credentials_env"];

/// Of a token directory alone.
pub const DIRECTORY: &[&str] = &["path"];

/// What people write when they mean to put the token itself into the file.
const MEANT_AS_CREDENTIAL: &[&str] =
    &["token", "api_token", "api_key", "access_token", "bearer_token", "credential", "credentials", "secret"];

/// What to do about a key that is none of `known`.
pub(super) fn advice(key: &str, known: &[&str]) -> String {
    if known.contains(&CREDENTIAL[0]) && MEANT_AS_CREDENTIAL.contains(&key) {
        return "a token is never in the configuration; put it into a file and name that in \
                `credentials_file`, or a variable in `credentials_env`"
            .to_owned();
    }
    if CREDENTIAL.contains(&key) {
        return "each token has its own credential; name it under `tokens`".to_owned();
    }
    match nearest(key, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys here are {}", known.join(", ")),
    }
}

/// The known word that `word` is a misspelling of.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let similarity = |known: &str| strsim::jaro_winkler(&word.to_ascii_lowercase(), known);
    let best = known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)))?;
    (similarity(best) > 0.85).then_some(*best)
}
