//! `fake-hex`: the fake Hex API alone.

use std::{fs, io::Write, path::Path, process::ExitCode};

use anyhow::Context;

use super::{args::FakeHexArgs, block_on, print::print};
use crate::{
    fake_hex::{self, Scenario, Stack, Token},
    lifecycle::{Request, Signals},
    telemetry,
};

pub(super) fn run(args: &FakeHexArgs) -> anyhow::Result<ExitCode> {
    let text = match &args.scenario {
        Some(path) => fs::read_to_string(path)
            .with_context(|| format!("the scenario {} cannot be read", path.display()))?,
        None => Scenario::built_in_text().to_owned(),
    };
    if args.print_scenario {
        print(text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let scenario = Scenario::parse(&text).context("the scenario cannot be played")?;
    telemetry::start(args.log.level, args.log.format);
    block_on(async {
        let mut signals = Signals::listen()?;
        let stop = async move { while signals.next().await != Request::Stop {} };
        if let Some(directory) = &args.credentials_directory {
            for stack in &scenario.stacks {
                write_credentials(directory, stack)?;
            }
        }
        fake_hex::run(args.listen_address, scenario, stop).await?;
        Ok(ExitCode::SUCCESS)
    })?
}

/// Writes the credentials of a stack's tokens, one file a token.
pub(super) fn write_credentials(directory: &Path, stack: &Stack) -> anyhow::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, token) in &stack.tokens {
        write_credential(directory, name, &first_credential(name, token))?;
    }
    Ok(())
}

/// Puts a credential into place as rotation tools do: whole, by renaming, for nobody else to read.
pub(super) fn write_credential(directory: &Path, name: &str, credential: &str) -> anyhow::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".").tempfile_in(directory)?;
    file.write_all(credential.as_bytes())?;
    file.persist(directory.join(name))?;
    Ok(())
}

fn first_credential(name: &str, token: &Token) -> String {
    token.value.clone().unwrap_or_else(|| fake_hex::credential(token.kind, name, 0))
}
