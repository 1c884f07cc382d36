//! The simulator's only source of random numbers: splitmix64, so that the seed alone fixes a run.

/// A stream of pseudo-random numbers that depends on its seed alone (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub(super) struct SplitMix64(u64);

impl SplitMix64 {
    /// The stream of `seed` for one `purpose`. Streams of different purposes are independent, so drawing
    /// a delay never changes the next id.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        let mut parent = Self(seed);
        let offset = parent.draw();
        Self(offset ^ purpose.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    /// The next number, uniform over all of `u64`.
    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Draws true with this probability, 0 to 1.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        let drawn = u32::try_from(self.below(1 << 32)).unwrap_or(0);
        f64::from(drawn) < probability * (f64::from(u32::MAX) + 1.0)
    }

    /// Draws a number in `0..bound`; 0 if `bound` is 0. The slight bias of the remainder does not matter.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.draw().checked_rem(bound).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_and_purpose_alone_decide_the_stream() {
        let draws = |seed, purpose| {
            let mut stream = SplitMix64::new(seed, purpose);
            [stream.draw(), stream.draw(), stream.draw()]
        };
        assert_eq!(draws(7, 1), draws(7, 1));
        assert_ne!(draws(7, 1), draws(7, 2));
        assert_ne!(draws(7, 1), draws(8, 1));
    }

    #[test]
    fn a_bounded_draw_stays_below_its_bound() {
        let mut stream = SplitMix64::new(1, 1);
        assert!((0..1000).all(|_| stream.below(3) < 3));
        assert_eq!(stream.below(0), 0);
    }
}
