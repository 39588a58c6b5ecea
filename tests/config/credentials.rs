//! Credentials as they are found, and what is said about them.

use hex_token_exporter::{
    clock::{Clock, SystemClock},
    config::{DesiredToken, Gathered, gather, load},
    domain::{Credential, CredentialProblem, advice},
};

use crate::support::{Place, holds, lines, variables, workspace_token};

const ONE_FILE: &str = "tokens: {airflow: {credentials_file: secret}}";

fn gathered(place: &Place, config: &str, environment: &[(&str, &str)]) -> Gathered {
    gather(&place.load(config, environment).unwrap().config, &SystemClock::start())
}

fn warnings(gathered: &Gathered) -> String {
    lines(&gathered.warnings)
}

fn private(place: &Place, name: &str, content: &str) {
    place.write(name, content);
    place.set_mode(name, 0o600);
}

fn problem(token: &DesiredToken) -> Option<CredentialProblem> {
    match token.credential {
        Credential::Unreadable(problem) => Some(problem),
        Credential::Loaded { .. } => None,
    }
}

fn lies_in_memory(place: &Place) -> bool {
    let filesystem = rustix::fs::statfs(place.path("")).unwrap();
    [0x0102_1994, 0x8584_58f6].contains(&(filesystem.f_type & 0xffff_ffff))
}

#[test]
fn a_file_is_trimmed_and_dated() {
    let place = Place::new();
    private(&place, "secret", &format!(" {}\r\n", workspace_token('a')));
    let modified = place.set_age("secret", 1_700_000_000);
    let found = gathered(&place, ONE_FILE, &[]);
    assert!(holds(&found.tokens[0].credential, &workspace_token('a')));
    assert!(
        matches!(found.tokens[0].credential, Credential::Loaded { loaded_at, .. } if loaded_at == modified)
    );
    assert_eq!(warnings(&found), "");
}

#[test]
fn a_variable_is_read_as_it_is_and_dated_by_the_start() {
    let place = Place::new();
    let clock = SystemClock::start();
    let before = clock.now().at;
    let config = "tokens: {airflow: {credentials_env: AIRFLOW}}";
    let loaded = place.load(config, &[("AIRFLOW", "0123456789")]).unwrap();
    let found = gather(&loaded.config, &clock);
    assert!(holds(&found.tokens[0].credential, "0123456789"));
    assert!(
        matches!(found.tokens[0].credential, Credential::Loaded { loaded_at, .. } if loaded_at >= before)
    );
}

#[test]
fn what_cannot_be_sent_is_a_warning_and_never_an_error() {
    let place = Place::new();
    place.directory("folder");
    place.write("empty", " \n");
    place.write("two-lines", "a\nb\n");
    place.write("binary", [0xff, 0xfe, 0x00]);
    place.write("huge", "a".repeat(65 * 1024));
    let fifo = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_bits_truncate(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, place.path("fifo"), fifo, mode, 0).unwrap();
    place.link("loop", "loop");
    for (file, expected) in [
        ("no-such-file", CredentialProblem::Missing),
        ("empty", CredentialProblem::Empty),
        ("two-lines", CredentialProblem::IllegalHeaderValue),
        ("binary", CredentialProblem::IllegalHeaderValue),
        ("huge", CredentialProblem::TooLarge),
        ("folder", CredentialProblem::NotAFile),
        ("fifo", CredentialProblem::NotAFile),
        ("loop", CredentialProblem::LinkLoop),
    ] {
        let found = gathered(&place, &format!("tokens: {{airflow: {{credentials_file: {file}}}}}"), &[]);
        assert_eq!(problem(&found.tokens[0]), Some(expected), "{file}");
        let (cause, _) = advice::of_credential(expected);
        let words = format!("tokens.airflow.credentials_file: no usable credential: {cause}; it is probed");
        assert!(warnings(&found).contains(&words), "{}", warnings(&found));
    }
    let found = gathered(&place, "tokens: {airflow: {credentials_env: NOT_SET}}", &[]);
    assert_eq!(problem(&found.tokens[0]), Some(CredentialProblem::NotSet));
    assert!(
        warnings(&found).contains("the variable that should hold the credential is not set;"),
        "{}",
        warnings(&found)
    );
}

#[test]
fn a_file_that_everyone_can_read_is_told_once_it_lies_on_a_disk() {
    let place = Place::on_disk();
    let in_memory = lies_in_memory(&place);
    private(&place, "secret", "x");
    assert_eq!(warnings(&gathered(&place, ONE_FILE, &[])), "");
    place.set_mode("secret", 0o604);
    let said = warnings(&gathered(&place, ONE_FILE, &[]));
    assert_eq!(said.contains("mode lets every user of this machine read it"), !in_memory, "{said}");
}

#[test]
fn a_file_that_everyone_can_read_is_refused_where_the_configuration_says_so() {
    let place = Place::on_disk();
    let config = format!("refuse_exposed_credentials: true\n{ONE_FILE}");
    place.write("secret", "x");
    place.set_mode("secret", 0o604);
    let found = gathered(&place, &config, &[]);
    if lies_in_memory(&place) {
        assert!(holds(&found.tokens[0].credential, "x"));
        return;
    }
    assert_eq!(problem(&found.tokens[0]), Some(CredentialProblem::Exposed));
    let said = warnings(&found);
    assert_eq!(said.matches("every user of the machine").count(), 1, "{said}");
    place.set_mode("secret", 0o600);
    let found = gathered(&place, &config, &[]);
    assert!(holds(&found.tokens[0].credential, "x"));
    assert_eq!(warnings(&found), "");
}

#[test]
fn a_token_with_something_around_it_is_told_and_taken() {
    let place = Place::new();
    let token = workspace_token('a');
    for (content, is_told) in [
        (format!("HEX_API_TOKEN={token}"), true),
        (format!("\"{token}\""), true),
        (format!("'{token}'"), true),
        (format!("{{\"token\":\"{token}\"}}"), true),
        (format!("Bearer:{token}"), true),
        (token, false),
        ("0123456789abcdef".to_owned(), false),
        ("bmV3IGZvcm1hdA==".to_owned(), false),
    ] {
        private(&place, "secret", &content);
        let found = gathered(&place, ONE_FILE, &[]);
        assert!(holds(&found.tokens[0].credential, &content));
        let expected = "tokens.airflow.credentials_file: holds something around the token; leave the token alone \
                        there, without a name, quotes or braces";
        assert_eq!(warnings(&found), if is_told { expected } else { "" }, "{content}");
    }
}

#[test]
fn two_tokens_with_one_secret_are_told_by_name() {
    let place = Place::new();
    let config = "tokens: {a: {credentials_env: A}, b: {credentials_env: B}, c: {credentials_env: C}}";
    let environment = [("A", "same-secret"), ("B", "other-secret"), ("C", "same-secret")];
    let said = warnings(&gathered(&place, config, &environment));
    assert_eq!(said, "`a` and `c` hold the same credential, and are one token to Hex; keep one");
}

#[test]
fn what_does_not_go_with_a_personal_token_is_told() {
    let place = Place::new();
    let config = "tokens: {a: {credentials_env: A, least_privilege: true, expires_at: never}}";
    let personal = format!("hxtp_{}", "0".repeat(96));
    let said = warnings(&gathered(&place, config, &[("A", &personal)]));
    assert!(said.contains("a personal token has no scopes"), "{said}");
    assert!(said.contains("a personal token always expires"), "{said}");
    let said = warnings(&gathered(&place, config, &[("A", &workspace_token('0'))]));
    assert_eq!(said, "");
}

#[test]
fn each_file_of_a_directory_is_a_token() {
    let place = Place::new();
    place.directory("tokens/..2026_01");
    place.directory("tokens/subdirectory");
    for (name, secret) in [("airflow", "one"), ("dbt", "two"), (".hidden", "three"), ("no name", "four")] {
        private(&place, &format!("tokens/{name}"), secret);
    }
    let config = "
tokens: {dbt: {credentials_env: DBT}}
token_directories: [{path: tokens, token_owner: platform}]
";
    let found = gathered(&place, config, &[("DBT", "five")]);
    let names: Vec<_> = found.tokens.iter().map(|token| token.spec.name.as_str()).collect();
    assert_eq!(names, ["airflow", "dbt"]);
    assert!(holds(&found.tokens[0].credential, "one"));
    assert_eq!(found.tokens[0].spec.token_owner.as_deref(), Some("platform"));
    assert!(holds(&found.tokens[1].credential, "five"));
    let said = warnings(&found);
    assert!(said.contains("token_directories[0]: holds 1 file(s) whose names no token can have"), "{said}");
    assert!(said.contains("its file `dbt` is ignored: another token has that name"), "{said}");
    assert!(found.directories_readable);
}

#[test]
fn a_dotenv_file_serves_the_credential() {
    let place = Place::new();
    private(&place, ".env", &format!("HEX_API_TOKEN=\"{}\"\n", workspace_token('b')));
    let loaded = load(&place.zero_config(), &variables(&[])).unwrap();
    let found = gather(&loaded.config, &SystemClock::start());
    assert!(holds(&found.tokens[0].credential, &workspace_token('b')));
}
