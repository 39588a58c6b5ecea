//! Changes of inputs, by chance that can be repeated.

use std::{fs, path::Path};

use crate::chance::Chance;

/// No input grows longer.
const LONGEST: usize = 16 * 1024;

/// What parsers trip over.
const BYTES: [u8; 16] = *b"\0\n\r\t \"'&<>{}[]:\xff";

/// The words of a dictionary, as libFuzzer reads it: `name="text"` or `"text"` a line, with `\xAB`, `\\` and
/// `\"`.
pub(crate) fn words(file: &Path) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(unescaped(line.split_once('"')?.1.strip_suffix('"')?))).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut word, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, behind @ ..] = rest {
        (rest, word) = match (first, behind) {
            (b'\\', [b'x', high, low, behind @ ..]) => {
                let digits = [*high, *low];
                let byte = u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap();
                (behind, [word, vec![byte]].concat())
            }
            (b'\\', [escaped, behind @ ..]) => (behind, [word, vec![*escaped]].concat()),
            _ => (behind, [word, vec![*first]].concat()),
        };
    }
    word
}

/// One of the inputs, changed in one place to eight.
pub(crate) fn mutate(inputs: &[&[u8]], words: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut input = chance.pick(inputs).to_vec();
    for _ in 0..=chance.below(8) {
        let start = chance.below(input.len() + 1);
        let end = (start + chance.below(24)).min(input.len());
        let piece = match chance.below(7) {
            0 => Vec::new(),
            1 => vec![chance.pick(&BYTES)],
            2 => vec![chance.next().to_le_bytes()[0]],
            3 if !words.is_empty() => chance.pick(words),
            4 => chance.pick(&["0", "-1", "1e999", "18446744073709551616", "null", "\u{feff}"]).into(),
            // Once more, or many times.
            5 => input[start..end].repeat(2 + chance.below(3)),
            _ => {
                let other = chance.pick(inputs);
                let from = chance.below(other.len() + 1);
                other[from..(from + chance.below(200)).min(other.len())].to_vec()
            }
        };
        let end = if chance.percent(50) { end } else { start };
        input.splice(start..end, piece);
    }
    input.truncate(LONGEST);
    input
}
