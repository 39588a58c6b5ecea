//! Logs: one line an event, in logfmt or JSON, on standard error.

use std::{
    io::{self, Write},
    panic,
};

use tracing::{error, level_filters::LevelFilter};
use tracing_subscriber::{Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::domain::secret::redact;

/// The form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// `key=value` pairs.
    #[default]
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// Starts to log. To be called once; a second call changes nothing.
pub fn start(level: LevelFilter, format: Format) {
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Logfmt => {
            Box::new(tracing_logfmt::builder().with_span_path(false).layer().with_writer(Redacting::stderr))
        }
        Format::Json => Box::new(fmt::layer().json().flatten_event(true).with_writer(Redacting::stderr)),
    };
    let started = tracing_subscriber::registry().with(layer.with_filter(level)).try_init();
    if started.is_ok() {
        panic::set_hook(Box::new(|panic| error!("panicked: {}", redact(&panic.to_string()))));
    }
}

/// The last line of defence: nothing that looks like a Hex token leaves by the log. Each event arrives in
/// one piece.
struct Redacting<W>(W);

impl Redacting<io::Stderr> {
    fn stderr() -> Self {
        Self(io::stderr())
    }
}

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(redact(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_token_is_not_logged() {
        let mut sink = Redacting(Vec::new());
        let token = format!("hxtp_{}", "12ab".repeat(24));
        write!(sink, "level=error msg=\"{token}\"").unwrap();
        assert_eq!(sink.0, b"level=error msg=\"hxtp_...\"");
    }
}
