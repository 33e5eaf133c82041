//! Numbers that look random and are the same in every run (`SplitMix64`).

#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to one less than `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("64 bits")
    }

    pub(super) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    /// So many times in a hundred.
    pub(super) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// Mostly small, sometimes around the sizes of buffers, up to 200 KiB.
    pub(super) fn size(&mut self) -> usize {
        match self.below(4) {
            0 => self.below(3),
            1 => self.below(2_000),
            2 => self.one_of(&[1_460, 4_096, 16_384, 32_768, 65_536]) + self.below(5) - 2,
            _ => self.below(200 * 1024),
        }
    }

    /// These bytes in a few pieces.
    pub(super) fn cut(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut ends: Vec<usize> = (0..self.below(4))
            .map(|_| self.below(bytes.len() + 1))
            .collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let mut start = 0;
        let pieces = ends
            .into_iter()
            .map(|end| bytes[std::mem::replace(&mut start, end)..end].to_vec());
        pieces.filter(|piece| !piece.is_empty()).collect()
    }
}
