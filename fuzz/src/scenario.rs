//! The text of a scenario of the fake Hex: understood or refused without a value; and what is understood is
//! served, whatever it says.

use std::{net::SocketAddr, str, time::Duration};

use hex_token_exporter::fake_hex::{FakeHex, Scenario, Stack};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    time::timeout,
};

use super::canary;

/// What is asked with each token. The last one ends the connection.
const REQUESTS: [(&str, &str); 5] = [
    ("GET", "/api/v1/users/me"),
    ("GET", "/api/v1/projects?limit=2"),
    ("GET", "/api/v1/users?limit=1"),
    ("GET", "/api/v1/data-connections"),
    ("GET", "/api/v1/groups"),
];

/// More tokens than that tell nothing new.
const ASKED: usize = 3;

thread_local! {
    /// Its time is paused: whatever the scenario waits for comes at once.
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
}

pub(crate) fn run(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    match Scenario::parse(text) {
        Ok(scenario) => {
            RUNTIME.with(|runtime| {
                for stack in scenario.stacks.into_iter().take(2) {
                    runtime.block_on(serve(stack));
                }
            });
        }
        Err(error) => canary::no_token(&format!("{error} {error:?}"), "a refusal"),
    }
}

async fn serve(stack: Stack) {
    let names: Vec<String> = stack.tokens.keys().take(ASKED).cloned().collect();
    let mut projects: Vec<String> = stack.projects.iter().map(|(name, it)| it.id(name)).collect();
    projects.truncate(ASKED);
    let is_whole = stack.faults.is_empty();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fake = FakeHex::start(listener, stack).unwrap();
    for name in names {
        let credential = fake.update(|world| world.credential(&name)).unwrap();
        let answers = ask(fake.address(), &credential, &projects).await;
        if is_whole {
            assert!(answers.starts_with(b"HTTP/1.1 "), "no answer: {}", String::from_utf8_lossy(&answers));
        }
    }
    // Dropping the fake ends it at once.
    drop(fake);
}

/// All answers of one connection.
async fn ask(address: SocketAddr, credential: &str, projects: &[String]) -> Vec<u8> {
    let mut requests = Vec::new();
    let mut add = |method: &str, path: &str, end: &str| {
        // A value that a header can't hold is nobody's credential.
        let credential: String = credential.chars().filter(char::is_ascii_graphic).collect();
        requests.push(format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {credential}\r\n{end}"
        ));
    };
    for project in projects {
        add("GET", &format!("/api/v1/projects/{project}"), "\r\n");
        let body = "content-type: application/json\r\ncontent-length: 15\r\n\r\n{\"dryRun\":true}";
        add("POST", &format!("/api/v1/projects/{project}/runs"), body);
    }
    for (index, (method, path)) in REQUESTS.into_iter().enumerate() {
        let is_last = index + 1 == REQUESTS.len();
        add(method, path, if is_last { "connection: close\r\n\r\n" } else { "\r\n" });
    }
    let mut answers = Vec::new();
    let talk = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // It may hang up before it has heard all.
        let _ = stream.write_all(requests.concat().as_bytes()).await;
        let _ = stream.read_to_end(&mut answers).await;
    };
    // Longer than any latency that is worth a trial; a hanging answer ends here.
    let _ = timeout(Duration::from_hours(24), talk).await;
    answers
}
