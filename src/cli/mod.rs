//! The command line: one file a command. No rule about tokens lives here.

mod args;
mod check;
mod demo;
mod fake_hex;
mod healthcheck;
mod listen;
mod plan;
mod print;
mod run;
mod table;
mod validate;

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory, Parser};

use self::{
    args::{Args, Command},
    print::print,
};
use crate::{
    config::{Environment, Finding},
    domain::secret::token_like,
    lifecycle,
};

/// Exit codes, where a command has more to say than "well" and "not": those of monitoring plugins.
mod exit {
    /// All is well.
    pub(super) const OK: u8 = 0;
    /// Somebody should look.
    pub(super) const WARNING: u8 = 1;
    /// Somebody must act.
    pub(super) const CRITICAL: u8 = 2;
    /// Nothing can be said.
    pub(super) const UNKNOWN: u8 = 3;
}

/// How long what hangs in a thread of its own may keep the process from ending.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// Runs the command that the arguments ask for.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    if lifecycle::forbid_core_dumps().is_err() {
        complain("core dumps cannot be switched off: one would hold every credential");
        return ExitCode::FAILURE;
    }
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let usage_error = if is_check(&arguments) { exit::UNKNOWN } else { 2 };
    // Before anything can echo it.
    if let Some(shown) = arguments.iter().find_map(|argument| token_like(&argument.to_string_lossy())) {
        complain(&format!(
            "an argument looks like a Hex token ({shown}): credentials are never taken from the command line, where every process can read them; put it into a file or an environment variable"
        ));
        return ExitCode::from(usage_error);
    }
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { usage_error } else { exit::OK };
            // Where even the message can't be written, the exit code still tells.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let environment = Environment::of_process();
    let outcome = match args.command {
        None => run::run(&args.run, environment),
        Some(Command::Run(run)) => run::run(&run, environment),
        Some(Command::Check(check)) => return check::run(&check, &environment),
        Some(Command::Validate(validate)) => return validate::run(&validate, &environment),
        Some(Command::Plan(plan)) => plan::run(&plan, &environment),
        Some(Command::Demo(demo)) => demo::run(&demo),
        Some(Command::FakeHex(fake_hex)) => fake_hex::run(&fake_hex),
        Some(Command::Healthcheck(healthcheck)) => healthcheck::run(&healthcheck),
        Some(Command::Completions { shell }) => completions(shell),
        Some(Command::Man) => man(),
    };
    outcome.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

/// Whether the command is `check`: the first argument that is neither an option nor the value of one.
fn is_check(arguments: &[OsString]) -> bool {
    let command = Args::command();
    let takes_value = |option: &str| {
        let mut options = command.get_arguments();
        options.any(|it| it.get_long() == option.strip_prefix("--") && it.get_action().takes_values())
    };
    let mut arguments = arguments.iter().skip(1).map(|argument| argument.to_string_lossy());
    while let Some(argument) = arguments.next() {
        if !argument.starts_with('-') {
            return argument == "check";
        }
        if takes_value(&argument) {
            arguments.next();
        }
    }
    false
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "hex-token-exporter", &mut script);
    print(script)?;
    Ok(ExitCode::SUCCESS)
}

fn man() -> anyhow::Result<ExitCode> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Args::command()).render(&mut page)?;
    print(page)?;
    Ok(ExitCode::SUCCESS)
}

/// Says what is wrong. Where standard error is gone, the exit code still tells.
fn complain(text: &str) {
    let text = crate::domain::secret::redact(text);
    let _ = writeln!(anstream::stderr(), "error: {text}");
}

/// Says what deserves a look, apart from what a command prints.
fn warn_of<'a>(findings: impl IntoIterator<Item = &'a Finding>) {
    let mut out = anstream::stderr();
    for finding in findings {
        // Where standard error is gone, nobody is left to be warned.
        let _ = writeln!(out, "warning: {finding}");
    }
}

/// A number of things.
fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Runs a command's future to its end. A name resolution that hangs is left behind, and keeps nobody from
/// leaving.
fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    block_on_and_leave(future, LEAVE_WITHIN)
}

/// The same, for a command that says how long it is kept.
fn block_on_and_leave<T>(future: impl Future<Output = T>, within: Duration) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(future);
    runtime.shutdown_timeout(within);
    Ok(outcome)
}
