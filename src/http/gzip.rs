//! A page as one gzip stream, of pieces that are each packed by themselves: one that was on the page before too
//! is not packed again.
//!
//! Most of what a page tells is the same as at the last scrape, and packing costs more than writing it. What is
//! kept for that is a packed page, a twentieth of one as it is written.

use std::{
    collections::HashMap,
    io::{self, Write},
    mem,
};

use flate2::{Compress, Compression, Crc, FlushCompress};
use twox_hash::XxHash3_128;

/// Deflate, no name, no date, the fastest level, an unknown system: RFC 1952, section 2.3.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// The last block, with nothing in it: RFC 1951, section 3.2.6.
const END: [u8; 2] = [3, 0];

/// How a piece ends: with an empty block, of which this is what comes after the type.
const MARK: [u8; 4] = [0, 0, 0xff, 0xff];

/// Packs pages, one after the other.
#[derive(Debug)]
pub struct Packer {
    compress: Compress,
    /// Where a piece is packed, kept for the next one.
    room: Vec<u8>,
    /// The pieces of the last page, by the hash of their text. At 128 bits, no two texts share one.
    known: HashMap<u128, Deflated>,
}

/// A piece, packed.
#[derive(Debug)]
struct Deflated {
    /// Blocks that end with a byte and point to nothing before them.
    blocks: Box<[u8]>,
    /// Of the text, and its length.
    crc: Crc,
}

impl Default for Packer {
    fn default() -> Self {
        Self { compress: Compress::new(Compression::fast(), false), room: Vec::new(), known: HashMap::new() }
    }
}

impl Packer {
    /// Packs a page into a sink, whose errors end it. What this page did not tell, or not any more, is forgotten:
    /// readers who leave early must not make it keep more and more.
    pub fn pack(&mut self, page: impl IntoIterator<Item = String>, sink: &mut impl Write) -> io::Result<()> {
        let mut before = mem::take(&mut self.known);
        let mut whole = Crc::new();
        sink.write_all(&HEADER)?;
        for text in page {
            let hash = XxHash3_128::oneshot(text.as_bytes());
            let packed = match before.remove(&hash) {
                Some(packed) => packed,
                None => self.deflate(text.as_bytes())?,
            };
            whole.combine(&packed.crc);
            sink.write_all(&packed.blocks)?;
            self.known.insert(hash, packed);
        }
        sink.write_all(&END)?;
        sink.write_all(&whole.sum().to_le_bytes())?;
        sink.write_all(&whole.amount().to_le_bytes())?;
        sink.flush()
    }

    fn deflate(&mut self, text: &[u8]) -> io::Result<Deflated> {
        self.compress.reset();
        // More than packing can add: where room runs out, miniz_oxide may leave the mark out
        // (https://github.com/Frommi/miniz_oxide/issues/105).
        self.room.clear();
        self.room.reserve(text.len() + text.len() / 8 + 1024);
        self.compress.compress_vec(text, &mut self.room, FlushCompress::Sync)?;
        if !self.room.ends_with(&MARK) {
            return Err(io::Error::other("a piece was not packed to its end"));
        }
        let mut crc = Crc::new();
        crc.update(text);
        Ok(Deflated { blocks: self.room.as_slice().into(), crc })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn packed(packer: &mut Packer, page: &[String]) -> Vec<u8> {
        let mut bytes = Vec::new();
        packer.pack(page.to_vec(), &mut bytes).unwrap();
        bytes
    }

    fn unpacked(bytes: &[u8]) -> String {
        let mut text = String::new();
        GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
        text
    }

    /// Of few letters or of many, up to some windows of deflate.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            ("[a-c]{0,9}", 0_usize..20_000).prop_map(|(word, times)| word.repeat(times)),
            ".{0,20}",
            (any::<u64>(), 0_u64..8_000).prop_map(|(seed, count)| {
                let number = |at: u64| at.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string();
                (0..count).map(number).collect()
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_unpacked_is_what_was_written(
            texts in prop::collection::vec(text(), 1..6),
            pages in prop::collection::vec(prop::collection::vec(0_usize..6, 0..8), 1..6),
        ) {
            let mut packer = Packer::default();
            for page in pages {
                let page: Vec<String> = page.into_iter().map(|at| texts[at % texts.len()].clone()).collect();
                prop_assert!(unpacked(&packed(&mut packer, &page)) == page.concat());
            }
        }
    }

    #[test]
    fn what_was_on_the_page_before_is_not_packed_again() {
        let [a, b, c, other] = ["a", "b", "c", "!"].map(|letter| letter.repeat(1_000));
        let mut packer = Packer::default();
        packed(&mut packer, &[a.clone(), b.clone()]);
        let planted = packer.deflate(other.as_bytes()).unwrap();
        packer.known.insert(XxHash3_128::oneshot(a.as_bytes()), planted);
        assert_eq!(unpacked(&packed(&mut packer, &[c.clone(), a.clone()])), [c.clone(), other].concat());
        // Nor is kept what was not on it.
        assert_eq!(packer.known.len(), 2);
        packed(&mut packer, std::slice::from_ref(&c));
        assert_eq!(unpacked(&packed(&mut packer, std::slice::from_ref(&a))), a);
    }

    #[test]
    fn pages_that_break_off_leave_little_behind_and_the_next_one_whole() {
        let page = |number: usize| [number.to_string(), "b".repeat(1_000), "c".repeat(1_000)];
        let mut packer = Packer::default();
        for number in 0..9 {
            // Room for the header and the first piece.
            let mut short = [0; 24];
            packer.pack(page(number), &mut short.as_mut_slice()).unwrap_err();
        }
        assert!(packer.known.len() <= 3);
        assert_eq!(unpacked(&packed(&mut packer, &page(9))), page(9).concat());
    }
}
