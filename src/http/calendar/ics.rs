//! The form of a calendar (RFC 5545): lines, folding, escaping, dates and durations. Of it no more than
//! the entries need, so it can be read against the standard in a minute; the crate that would do it brings
//! a second library of dates.

use std::time::Duration;

use jiff::Timestamp;

/// The most octets of a line, without its end (section 3.1).
const LINE: usize = 75;

/// A calendar that is being written.
#[derive(Debug)]
pub(super) struct Calendar(String);

impl Calendar {
    pub(super) fn begin() -> Self {
        let mut calendar = Self(String::new());
        calendar.value("BEGIN", "VCALENDAR");
        calendar
    }

    pub(super) fn end(mut self) -> String {
        self.value("END", "VCALENDAR");
        self.0
    }

    /// A line whose value has no reserved characters, or may keep them. `name` may hold parameters.
    pub(super) fn value(&mut self, name: &str, value: &str) {
        self.line(&format!("{name}:{value}"));
    }

    /// A line of free text (section 3.3.11).
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.value(name, &escaped(text));
    }

    /// A line with a date in UTC (section 3.3.5), to the second.
    pub(super) fn date(&mut self, name: &str, date: Timestamp) {
        self.value(name, &date.strftime("%Y%m%dT%H%M%SZ").to_string());
    }

    /// Folds a line where it is too long (section 3.1), never within a character.
    fn line(&mut self, line: &str) {
        let mut width = 0;
        for letter in line.chars() {
            if width + letter.len_utf8() > LINE {
                self.0.push_str("\r\n ");
                width = 1;
            }
            width += letter.len_utf8();
            self.0.push(letter);
        }
        self.0.push_str("\r\n");
    }
}

/// Nothing in a text may end a line or a value. Control characters have no place in it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | ';' | ',' => escaped.extend(['\\', letter]),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push(letter),
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A duration (section 3.3.6), in whole days where it is.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds.is_multiple_of(86_400) {
        format!("P{}D", seconds / 86_400)
    } else if seconds.is_multiple_of(3_600) {
        format!("PT{}H", seconds / 3_600)
    } else if seconds.is_multiple_of(60) {
        format!("PT{}M", seconds / 60)
    } else {
        format!("PT{seconds}S")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(line: impl FnOnce(&mut Calendar)) -> String {
        let mut calendar = Calendar(String::new());
        line(&mut calendar);
        calendar.0
    }

    #[test]
    fn text_is_escaped_so_that_it_ends_nothing() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a;b,c\\d", "a\\;b\\,c\\\\d"),
            ("two\nlines\r\n", "two\\nlines\\n"),
            ("\r\nEND:VEVENT", "\\nEND:VEVENT"),
            ("bell\u{7} and \u{85}next\u{0}", "bell and next"),
            ("quotes \" and colons : stay", "quotes \" and colons : stay"),
        ] {
            assert_eq!(written(|it| it.text("X", text)), format!("X:{expected}\r\n"));
        }
    }

    #[test]
    fn durations_are_told_in_the_largest_unit_that_holds_them_whole() {
        for (seconds, expected) in
            [(86_400 * 14, "P14D"), (86_400 + 3_600, "PT25H"), (5_400, "PT90M"), (61, "PT61S"), (0, "P0D")]
        {
            assert_eq!(duration(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn dates_are_in_utc_to_the_second() {
        let date = "2027-03-01T00:00:00.9Z".parse().unwrap();
        assert_eq!(written(|it| it.date("DTSTART", date)), "DTSTART:20270301T000000Z\r\n");
    }

    proptest! {
        #[test]
        fn lines_are_short_and_unfold_to_what_they_were(text in "\\PC{0,300}") {
            let lines = written(|it| it.value("X", &text));
            for line in lines.strip_suffix("\r\n").unwrap().split("\r\n") {
                prop_assert!(line.len() <= LINE);
            }
            prop_assert_eq!(lines.replace("\r\n ", ""), format!("X:{text}\r\n"));
        }
    }
}
