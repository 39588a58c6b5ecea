//! Writes Prometheus' text format, version 0.0.4.
//!
//! `HELP` and `TYPE` come once a family, before its first sample; a family without samples leaves no
//! trace. Names are taken from the catalogue and need no escaping; label values and help texts get it.

use std::{fmt::Write, time::Duration};

use jiff::Timestamp;

use super::catalogue::Metric;

/// The content type of a page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// A page being written.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// Starts a family. Its samples must all be written before the next one starts.
    pub fn family(&mut self, metric: &'static Metric) -> Family<'_> {
        Family { text: &mut self.text, metric, is_announced: false }
    }

    /// The page.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// All series of one metric.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    metric: &'static Metric,
    is_announced: bool,
}

impl Family<'_> {
    /// Writes one series: of the subject, and with a value for each label of the metric's own.
    pub fn sample(&mut self, subject: &Labels, own: &[&str], value: impl Into<Value>) {
        debug_assert_eq!(own.len(), self.metric.labels.len(), "{}", self.metric.name);
        if !self.is_announced {
            self.announce();
        }
        self.text.push_str(self.metric.name);
        let mut separator = '{';
        if !subject.0.is_empty() {
            self.text.push(separator);
            self.text.push_str(&subject.0);
            separator = ',';
        }
        for (name, value) in self.metric.labels.iter().zip(own) {
            self.text.push(separator);
            push_label(self.text, name, value);
            separator = ',';
        }
        self.text.push_str(if separator == '{' { " " } else { "} " });
        value.into().push_to(self.text);
        self.text.push('\n');
    }

    fn announce(&mut self) {
        let Metric { name, kind, help, .. } = self.metric;
        for part in ["# HELP ", name, " "] {
            self.text.push_str(part);
        }
        push_escaped(self.text, help, &['\\', '\n']);
        for part in ["\n# TYPE ", name, " ", kind.as_str(), "\n"] {
            self.text.push_str(part);
        }
        self.is_announced = true;
    }
}

/// The labels that all series of one subject share, written once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels(String);

impl Labels {
    /// These labels, in this order.
    pub fn new(pairs: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        for (name, value) in pairs {
            if !text.is_empty() {
                text.push(',');
            }
            push_label(&mut text, name, value);
        }
        Self(text)
    }
}

/// A sample's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A whole number.
    Count(u64),
    /// Any number.
    Number(f64),
}

impl Value {
    fn push_to(self, text: &mut String) {
        let written = match self {
            Self::Count(0) => return text.push('0'),
            Self::Count(1) => return text.push('1'),
            Self::Count(count) => write!(text, "{count}"),
            Self::Number(number) if number.is_nan() => text.write_str("NaN"),
            Self::Number(number) if number.is_infinite() => {
                text.write_str(if number > 0.0 { "+Inf" } else { "-Inf" })
            }
            Self::Number(number) => write!(text, "{number}"),
        };
        debug_assert!(written.is_ok(), "writing to memory does not fail");
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Count(flag.into())
    }
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<u32> for Value {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

impl From<u16> for Value {
    fn from(count: u16) -> Self {
        Self::Count(count.into())
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<Duration> for Value {
    /// In seconds.
    fn from(duration: Duration) -> Self {
        Self::Number(duration.as_secs_f64())
    }
}

impl From<Timestamp> for Value {
    /// In seconds since 1970.
    fn from(date: Timestamp) -> Self {
        Self::Number(date.as_duration().as_secs_f64())
    }
}

fn push_label(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str("=\"");
    push_escaped(text, value, &['\\', '\n', '"']);
    text.push('"');
}

fn push_escaped(text: &mut String, value: &str, special: &[char]) {
    let mut rest = value;
    while let Some(at) = rest.find(special) {
        let (plain, from_special) = rest.split_at(at);
        text.push_str(plain);
        text.push('\\');
        text.push(if from_special.starts_with('\n') { 'n' } else { char::from(from_special.as_bytes()[0]) });
        rest = &from_special[1..];
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalogue::{Kind, Subject};

    static PLAIN: Metric =
        Metric { name: "plain", kind: Kind::Gauge, subject: Subject::Exporter, labels: &[], help: "a\\b\nc" };
    static LABELLED: Metric = Metric {
        name: "labelled_total",
        kind: Kind::Counter,
        subject: Subject::Token,
        labels: &["a", "b"],
        help: "\"help\"",
    };

    #[test]
    fn a_family_is_announced_once_and_escaped() {
        let mut page = Exposition::default();
        page.family(&LABELLED);
        page.family(&PLAIN).sample(&Labels::default(), &[], true);
        let mut family = page.family(&LABELLED);
        family.sample(&Labels::new(&[("token", "t"), ("workspace", "w")]), &["\\\"\n", "ä"], 7_u64);
        family.sample(&Labels::default(), &["", "\\n"], 0_u64);
        assert_eq!(
            page.into_text(),
            "# HELP plain a\\\\b\\nc\n# TYPE plain gauge\nplain 1\n\
             # HELP labelled_total \"help\"\n# TYPE labelled_total counter\n\
             labelled_total{token=\"t\",workspace=\"w\",a=\"\\\\\\\"\\n\",b=\"ä\"} 7\n\
             labelled_total{a=\"\",b=\"\\\\n\"} 0\n"
        );
    }

    #[test]
    fn numbers_are_plain_where_whole_and_exact_where_not() {
        let shown = |value: Value| {
            let mut text = String::new();
            value.push_to(&mut text);
            text
        };
        for (value, expected) in [
            (Value::from(true), "1"),
            (Value::from(u64::MAX), "18446744073709551615"),
            (Value::from(1.0), "1"),
            (Value::from(-2.5), "-2.5"),
            (Value::from(1.7e9), "1700000000"),
            (Value::from(0.1), "0.1"),
            (Value::from(f64::NAN), "NaN"),
            (Value::from(f64::INFINITY), "+Inf"),
            (Value::from(f64::NEG_INFINITY), "-Inf"),
            (Value::from(Duration::from_millis(250)), "0.25"),
            (Value::from(Timestamp::from_second(1_790_000_000).unwrap()), "1790000000"),
        ] {
            assert_eq!(shown(value), expected);
        }
    }
}
