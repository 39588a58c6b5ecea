//! Nothing that is logged or shown holds a piece of a credential.

use std::{
    io,
    sync::{Arc, Mutex},
};

use hex_token_exporter::domain::{Check, Secret, Workspace};
use tracing_subscriber::util::SubscriberInitExt;

use crate::{
    PATIENT, RANDOM, ask, prober,
    raw_upstream::{Step, TestCa, Upstream, answer},
    workspace,
};

const PASSWORD: &str = "pr0xy-p4ssw0rd";

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn assert_holds_no_secret(text: &str) {
    let pieces = (0..=RANDOM.len() - 8).map(|start| &RANDOM[start..start + 8]);
    for piece in pieces.chain([PASSWORD, "c29tZW9uZTpwcjB4eS1wNHNzdzByZA"]) {
        let line = text.lines().find(|line| line.contains(piece));
        assert_eq!(line, None, "holds {piece}");
    }
}

/// Listens to everything that any crate says, at its most talkative.
#[tokio::test(flavor = "multi_thread")]
async fn no_log_of_any_crate_holds_a_credential() {
    let captured = Captured::default();
    let writer = captured.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish()
        .init();

    let ca = TestCa::new();
    let serving = || vec![Step::Serve(answer(401, &[], "Unauthorized"))];
    let encrypted = Upstream::start_tls(ca.identity("app.hex.test", 2999), move |_| serving()).await;
    let target = encrypted.address();
    let relay =
        Upstream::start(move |_| vec![Step::Request, Step::Send(answer(200, &[], "")), Step::Tunnel(target)])
            .await;
    let plain = Upstream::start(move |_| serving()).await;
    let broken = Upstream::start(|_| vec![Step::Request, Step::Send(b"no HTTP\r\n\r\n".to_vec())]).await;
    let gone = Upstream::start(|_| vec![Step::Reset]).await;

    let proxied = |proxy: &Upstream| Workspace {
        ca_pem: Some(ca.pem()),
        proxy: Some(Secret::opaque(&format!("http://someone:{PASSWORD}@{}", proxy.address()))),
        ..workspace("https://app.hex.test")
    };
    let workspaces = [
        proxied(&relay),
        proxied(&broken),
        Workspace { origin: plain.origin("http"), ..proxied(&relay) },
        Workspace { proxy: Some(Secret::opaque(&format!("no proxy {PASSWORD}"))), ..proxied(&relay) },
        workspace(&plain.origin("http")),
        workspace(&broken.origin("http")),
        workspace(&gone.origin("http")),
        Workspace { ca_pem: Some(TestCa::new().pem()), ..workspace(&encrypted.origin("https")) },
    ];
    let mut shown = Vec::new();
    for workspace in workspaces {
        let prober = prober(PATIENT);
        let configured = prober.configure(PATIENT, &[Arc::new(workspace.clone())]);
        for check in [Check::Identity, Check::ProjectsRun] {
            shown.push(format!("{:?}", ask(workspace.clone(), check).await));
        }
        shown.push(format!("{prober:?} {workspace:?} {configured:?}"));
    }
    assert_holds_no_secret(&shown.join("\n"));

    let logged = String::from_utf8_lossy(&captured.0.lock().unwrap()).into_owned();
    for voice in ["hyper_util::client", "reqwest::connect", "hex_token_exporter::probe"] {
        assert!(logged.contains(voice), "{voice} was not heard");
    }
    assert_holds_no_secret(&logged);
}
