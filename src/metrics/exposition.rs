//! Writes Prometheus' text format, version 0.0.4.
//!
//! `HELP` and `TYPE` come once a family, before its first sample; a family without samples leaves no
//! trace. Names are taken from the catalogue and need no escaping; label values and help texts get it.

use std::{fmt::Write, ops::Range, time::Duration};

use jiff::Timestamp;

use super::catalogue::Metric;

/// The content type of a page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// A family whose series are being written.
#[derive(Debug)]
pub struct Family {
    metric: &'static Metric,
    is_announced: bool,
    /// How its samples ended, by their place among those of a subject: mostly, those of the next end alike.
    ends: Vec<End>,
}

/// What comes between a sample's subject and its value.
#[derive(Debug, Default)]
struct End {
    /// The values that it is made of.
    own: Vec<String>,
    of_subject: bool,
    text: String,
}

impl Family {
    /// Starts a family. Its samples must all be written before the next one starts.
    pub fn of(metric: &'static Metric) -> Self {
        Self { metric, is_announced: false, ends: Vec::new() }
    }

    /// Its series about one subject, whose labels are written as [`push_labels`] does.
    pub fn about<'a>(&'a mut self, subject: &'a str, page: &'a mut String) -> Series<'a> {
        Series { family: self, subject, page, written: 0, head: 0..0 }
    }

    fn announce(&mut self, page: &mut String) {
        let Metric { name, kind, help, .. } = self.metric;
        for part in ["# HELP ", name, " "] {
            page.push_str(part);
        }
        push_escaped(page, help, b"\\\n");
        for part in ["\n# TYPE ", name, " ", kind.as_str(), "\n"] {
            page.push_str(part);
        }
        self.is_announced = true;
    }

    /// The end of the sample at a place. Only one that differs from the last there is written anew.
    fn end(&mut self, place: usize, own: &[&str], of_subject: bool) -> &str {
        if self.ends.len() <= place {
            self.ends.resize_with(place + 1, End::default);
        }
        let end = &mut self.ends[place];
        if end.text.is_empty() || end.of_subject != of_subject || end.own != own {
            end.write(self.metric.labels, own, of_subject);
        }
        &end.text
    }
}

impl End {
    fn write(&mut self, labels: &[&str], own: &[&str], of_subject: bool) {
        self.own.resize_with(own.len(), String::new);
        for (kept, value) in self.own.iter_mut().zip(own) {
            kept.clear();
            kept.push_str(value);
        }
        self.of_subject = of_subject;
        self.text.clear();
        let mut separator = if of_subject { ',' } else { '{' };
        for (name, value) in labels.iter().zip(own) {
            self.text.push(separator);
            push_label(&mut self.text, name, value);
            separator = ',';
        }
        self.text.push_str(if of_subject || !own.is_empty() { "} " } else { " " });
    }
}

/// The series of one family about one subject.
#[derive(Debug)]
pub struct Series<'a> {
    family: &'a mut Family,
    subject: &'a str,
    page: &'a mut String,
    written: usize,
    /// Where the beginning that all of them share stands on the page.
    head: Range<usize>,
}

impl Series<'_> {
    /// Writes the only one, where there is something to tell.
    pub fn one(&mut self, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.sample(&[], value);
        }
    }

    /// Writes one for each value of the family's own label.
    pub fn each<'v, V: Into<Value>>(&mut self, values: impl IntoIterator<Item = (&'v str, V)>) {
        for (label, value) in values {
            self.sample(&[label], value);
        }
    }

    /// Writes one, with a value for each label of the family's own.
    pub fn sample(&mut self, own: &[&str], value: impl Into<Value>) {
        let metric = self.family.metric;
        debug_assert_eq!(own.len(), metric.labels.len(), "{}", metric.name);
        if self.written > 0 {
            self.page.extend_from_within(self.head.clone());
        } else {
            if !self.family.is_announced {
                self.family.announce(self.page);
            }
            let start = self.page.len();
            self.page.push_str(metric.name);
            if !self.subject.is_empty() {
                self.page.push('{');
                self.page.push_str(self.subject);
            }
            self.head = start..self.page.len();
        }
        let end = self.family.end(self.written, own, !self.subject.is_empty());
        self.page.push_str(end);
        value.into().push_to(self.page);
        self.page.push('\n');
        self.written += 1;
    }
}

/// Writes labels, as a subject's series all begin with.
pub fn push_labels(text: &mut String, pairs: &[(&str, &str)]) {
    for (place, (name, value)) in pairs.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        push_label(text, name, value);
    }
}

/// A sample's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A whole number.
    Count(u64),
    /// A number of seconds, told in millionths.
    Micros(i64),
    /// Any number.
    Number(f64),
}

impl Value {
    fn push_to(self, text: &mut String) {
        match self {
            Self::Count(count) => push_digits(text, count),
            Self::Micros(micros) => push_micros(text, micros),
            Self::Number(number) if number.is_nan() => text.push_str("NaN"),
            Self::Number(number) if number.is_infinite() => {
                text.push_str(if number > 0.0 { "+Inf" } else { "-Inf" });
            }
            Self::Number(number) => {
                let written = write!(text, "{number}");
                debug_assert!(written.is_ok(), "writing to memory does not fail");
            }
        }
    }
}

/// The machinery of formatting would cost more than the rest of the line.
fn push_digits(text: &mut String, number: u64) {
    text.push_str(itoa::Buffer::new().format(number));
}

/// Without trailing zeros, as a number would be.
fn push_micros(text: &mut String, micros: i64) {
    if micros < 0 {
        text.push('-');
    }
    let micros = micros.unsigned_abs();
    push_digits(text, micros / 1_000_000);
    let fraction = micros % 1_000_000;
    if fraction > 0 {
        text.push('.');
        // With a digit before it that keeps its leading zeros.
        let mut digits = itoa::Buffer::new();
        text.push_str(digits.format(1_000_000 + fraction)[1..].trim_end_matches('0'));
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
        Self::Micros(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }
}

impl From<Timestamp> for Value {
    /// In seconds since 1970.
    fn from(date: Timestamp) -> Self {
        Self::Micros(date.as_microsecond())
    }
}

fn push_label(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str("=\"");
    push_escaped(text, value, b"\\\n\"");
    text.push('"');
}

/// `special` are ASCII alone, which is never a part of another letter.
fn push_escaped(text: &mut String, value: &str, special: &[u8]) {
    let mut rest = value;
    while let Some(at) = rest.bytes().position(|byte| special.contains(&byte)) {
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
        let mut page = String::new();
        let _without_samples = Family::of(&LABELLED);
        Family::of(&PLAIN).about("", &mut page).one(Some(true));
        let mut family = Family::of(&LABELLED);
        let mut subject = String::new();
        push_labels(&mut subject, &[("token", "t"), ("workspace", "w")]);
        family.about(&subject, &mut page).sample(&["\\\"\n", "ä"], 7_u64);
        family.about("", &mut page).sample(&["", "\\n"], 0_u64);
        assert_eq!(
            page,
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
            (Value::from(Duration::from_nanos(1_000_001_999)), "1.000001"),
            (Value::from(Timestamp::from_microsecond(-1_500_000).unwrap()), "-1.5"),
            (Value::from(Timestamp::from_second(1_790_000_000).unwrap()), "1790000000"),
        ] {
            assert_eq!(shown(value), expected);
        }
    }
}
