//! The least that a probe can cost: a loop over hyper that sends a bearer token, reads the whole answer and
//! looks at its status alone.
//!
//! `scripts/compare.sh` measures the exporter against it, and drives the peer's `/probe` with it. It is no
//! benchmark of its own: built as an example, so that its path is known.

#![expect(clippy::print_stdout, reason = "its one line of figures is read by the script")]

use std::{
    fs,
    future::poll_fn,
    net::SocketAddr,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::Parser;
use hyper::{
    Request, StatusCode,
    body::Body,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, client::Resumption};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until},
};
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

/// Sends GET requests as fast, or as often, as told.
#[derive(Debug, Parser)]
struct Args {
    /// Where to: an address and a port
    address: SocketAddr,
    /// A file of what to ask for, a line each: a path, and after a space the bearer token where there is one
    requests: PathBuf,
    /// Certificates to trust; with them it speaks https
    #[arg(long)]
    ca: Option<PathBuf>,
    /// How long to go on
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Requests under way at once
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// Requests a second, evenly; without it as many as possible
    #[arg(long)]
    per_second: Option<f64>,
}

/// What all senders share.
struct Plan {
    address: SocketAddr,
    tls: Option<TlsConnector>,
    requests: Vec<(String, Option<String>)>,
    next: AtomicUsize,
    begin: Instant,
    end: Instant,
    spacing: Option<Duration>,
    tasks: TaskTracker,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let begin = Instant::now();
    let plan = Arc::new(Plan {
        address: args.address,
        tls: args.ca.as_ref().map(tls).transpose()?,
        requests: requests(&args.requests)?,
        next: AtomicUsize::new(0),
        begin,
        end: begin + args.duration,
        spacing: args.per_second.map(|often| Duration::from_secs_f64(often.recip())),
        tasks: TaskTracker::new(),
    });
    let senders: Vec<_> = (0..args.concurrency).map(|_| plan.tasks.spawn(send(plan.clone()))).collect();
    let mut durations = Vec::new();
    for sender in senders {
        durations.extend(sender.await??);
    }
    let seconds = begin.elapsed().as_secs_f64();
    durations.sort_unstable();
    let at = |share: usize| durations.get(durations.len() * share / 100).copied().unwrap_or_default();
    let (median, p99) = (at(50).as_secs_f64(), at(99).as_secs_f64());
    let answered = durations.len();
    println!(r#"{{"answered": {answered}, "seconds": {seconds}, "median": {median}, "p99": {p99}}}"#);
    Ok(())
}

/// Sends one request after the other, over one connection while the server keeps it.
async fn send(plan: Arc<Plan>) -> anyhow::Result<Vec<Duration>> {
    let mut kept = None;
    let mut durations = Vec::new();
    loop {
        let turn = plan.next.fetch_add(1, Ordering::Relaxed);
        if let Some(spacing) = plan.spacing {
            sleep_until(plan.begin + spacing * u32::try_from(turn)?).await;
        }
        let start = Instant::now();
        if start >= plan.end {
            return Ok(durations);
        }
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => connect(&plan).await?,
        };
        let (path, token) = plan.requests.get(turn % plan.requests.len()).context("nothing to ask for")?;
        let mut request = Request::get(path).header(header::HOST, plan.address.to_string());
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let mut answer = connection.send_request(request.body(String::new())?).await?;
        let closes = answer.headers().get(header::CONNECTION).is_some_and(|value| value == "close");
        ensure!(answer.status() == StatusCode::OK, "{path} was answered {}", answer.status());
        while let Some(frame) = poll_fn(|context| Pin::new(answer.body_mut()).poll_frame(context)).await {
            frame?;
        }
        durations.push(start.elapsed());
        if !closes {
            connection.ready().await?;
            kept = Some(connection);
        }
    }
}

async fn connect(plan: &Plan) -> anyhow::Result<SendRequest<String>> {
    let stream = TcpStream::connect(plan.address).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = &plan.tls else { return shake_hands(plan, stream).await };
    let name = ServerName::from(plan.address.ip());
    shake_hands(plan, tls.connect(name, stream).await?).await
}

async fn shake_hands<S>(plan: &Plan, stream: S) -> anyhow::Result<SendRequest<String>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end is seen by the sender.
    plan.tasks.spawn(connection);
    Ok(sender)
}

fn tls(ca: &PathBuf) -> anyhow::Result<TlsConnector> {
    let mut trusted = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        trusted.add(certificate?)?;
    }
    let mut config = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn requests(path: &PathBuf) -> anyhow::Result<Vec<(String, Option<String>)>> {
    let split = |line: &str| match line.split_once(' ') {
        Some((path, token)) => (path.to_owned(), Some(token.to_owned())),
        None => (line.to_owned(), None),
    };
    let requests: Vec<_> = fs::read_to_string(path)?.lines().map(split).collect();
    ensure!(!requests.is_empty(), "nothing to ask for");
    Ok(requests)
}
