//! Spoils good inputs: what a fuzzer without a feedback does, the same each time for a number.

/// What is cut short, doubled, put in the place of something else.
#[derive(Clone, Debug)]
pub(crate) struct Mutator {
    state: u64,
}

/// What parsers treat specially.
const WORDS: [&[u8]; 24] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\0",
    b"\x7f",
    b"\xff",
    b"\xc3\x28",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"=",
    b"%",
    b"%2f",
    b"%00",
    b"..",
    b"/",
    b"{",
    b"\"",
    b"-1",
    b"99999999999999999999",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 7\r\n",
];

impl Mutator {
    pub(crate) fn new(number: u64) -> Self {
        Self { state: number }
    }

    /// Steele's `SplitMix64`.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below this one; 0 where that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or_default()
    }

    /// One of the seeds, spoiled in one to four places; now and then it stays as it is.
    pub(crate) fn spoil<'s>(&mut self, seeds: &[impl AsRef<[u8]> + 's]) -> Vec<u8> {
        let mut pick = || seeds[self.below(seeds.len())].as_ref();
        let (seed, other) = (pick(), pick());
        let mut bytes = seed.to_vec();
        for _ in 0..self.below(5) {
            self.spoil_once(&mut bytes, other);
        }
        bytes
    }

    fn spoil_once(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len() + 1);
        let end = bytes.len().min(at + 1 + self.below(16));
        match self.below(8) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.extend_from_within(at..end),
            3 => {
                let again = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, again));
            }
            4 => {
                let word = WORDS[self.below(WORDS.len())];
                drop(bytes.splice(at..at, word.iter().copied()));
            }
            5 => {
                let word = WORDS[self.below(WORDS.len())];
                drop(bytes.splice(at..end, word.iter().copied()));
            }
            6 => {
                let from = self.below(other.len() + 1);
                let to = other.len().min(from + self.below(64));
                drop(bytes.splice(at..at, other[from..to].iter().copied()));
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
        }
    }
}
