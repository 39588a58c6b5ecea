//! The arguments of every command.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use tracing::level_filters::LevelFilter;

use crate::{config::Source, telemetry::Format};

/// What monitoring plugins know of `check` by its exit code.
const CHECK_EXITS: &str = "Exit codes, as of monitoring plugins; the worst of all tokens counts, in the order 2, 3, 1, 0:
  0  all is well, as far as was asked
  1  a token expires within its warning threshold
  2  a token is expired, invalid or of the wrong workspace, lacks a scope or a project, or expires within its \
critical threshold; or a dry run started a real run
  3  nothing can be said: no conclusive answer, no token, a bad configuration or a usage error";

/// Tells Prometheus and people whether Hex API tokens still live, why not, and for how long.
#[derive(Debug, Parser)]
#[command(name = "hex-token-exporter", version, args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Watches the configured tokens and serves what is known (the default)
    Run(RunArgs),
    /// Asks about every token once, now, and tells what was found
    #[command(after_help = CHECK_EXITS)]
    Check(CheckArgs),
    /// Proves the configuration: all problems at once, no value printed
    Validate(ConfigArgs),
    /// Shows what the configuration costs Hex, against the budget
    #[command(
        after_help = "Exit code: 1 where the plan is over the budget of a workspace, or the configuration is wrong"
    )]
    Plan(ConfigArgs),
    /// Shows every kind of trouble, with a fake Hex in the same process; needs nothing
    Demo(DemoArgs),
    /// Serves the fake Hex API alone
    FakeHex(FakeHexArgs),
    /// Asks a running exporter whether it is healthy
    Healthcheck(HealthcheckArgs),
    /// Prints a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Prints the manual page
    Man,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ConfigArgs {
    /// The configuration file; without one, `HEX_API_TOKEN` makes one token
    #[arg(long = "config.file", value_name = "FILE")]
    pub(super) config_file: Option<PathBuf>,
}

impl ConfigArgs {
    pub(super) fn source(&self) -> Source {
        match &self.config_file {
            Some(file) => Source::File(file.clone()),
            None => Source::ZeroConfig { directory: PathBuf::from(".") },
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct LogArgs {
    /// The least severe level that is logged: error, warn, info, debug or trace
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "info")]
    pub(super) level: LevelFilter,
    /// The form of the log lines
    #[arg(long = "log.format", value_name = "FORMAT", value_enum, default_value_t)]
    pub(super) format: Format,
}

#[derive(Debug, ClapArgs)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
    /// Where to serve; may be given several times
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = ":9847")]
    pub(super) listen: Vec<String>,
    /// TLS and users for these addresses, in the format of the Prometheus exporters; read again when it
    /// changes
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub(super) web_config: Option<PathBuf>,
    /// Where to serve /-/healthy and /-/ready alone, without TLS and users
    #[arg(long = "web.health-address", value_name = "ADDRESS")]
    pub(super) health: Option<String>,
    /// Where people open the status page, such as <https://monitoring.example/hex-tokens>; for links in the calendar
    #[arg(long = "web.external-url", value_name = "URL")]
    pub(super) external_url: Option<String>,
    /// Allows POST /-/reload
    #[arg(long = "web.enable-lifecycle")]
    pub(super) enable_lifecycle: bool,
    /// The number of this process among those that share the tokens, from 0
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub(super) shard: u32,
    /// How many processes share the tokens, at most 1024; each spends its own `requests_per_minute`
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub(super) total_shards: u32,
    /// How long requests under way may take to end at shutdown
    #[arg(long = "shutdown.grace-period", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(super) grace: Duration,
}

#[derive(Debug, ClapArgs)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    /// Only this token; may be given several times
    #[arg(long = "name", value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// Also makes dry runs, where `projects_run` is required
    #[arg(long)]
    pub(super) dry_run: bool,
    /// How to tell it
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Output {
    /// For people.
    #[default]
    Table,
    /// For machines: the objects of /api/v1/tokens.
    Json,
}

#[derive(Debug, ClapArgs)]
pub(super) struct DemoArgs {
    #[command(flatten)]
    pub(super) log: LogArgs,
    /// Where the exporter serves
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = "127.0.0.1:9847")]
    pub(super) listen: String,
    /// Where the first stack of the fake Hex serves; the others follow. Port 0: any free port
    #[arg(long = "fake-hex.listen-address", value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(super) fake_hex: SocketAddr,
}

#[derive(Debug, ClapArgs)]
pub(super) struct FakeHexArgs {
    #[command(flatten)]
    pub(super) log: LogArgs,
    /// Where the first stack serves; each further one takes the next port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9848")]
    pub(super) listen_address: SocketAddr,
    /// The scenario to play; without one, the built-in
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Prints the scenario and ends
    #[arg(long)]
    pub(super) print_scenario: bool,
    /// Writes the tokens' credentials into this directory, one file a token
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) credentials_directory: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct HealthcheckArgs {
    /// What to ask
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9847/-/healthy")]
    pub(super) url: String,
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "give a duration with its unit, such as 10s".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_hold_together() {
        super::Args::command().debug_assert();
    }
}
