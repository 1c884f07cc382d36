//! Reading text that stands exactly as this program writes it, from the front and without a copy.

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'c>(pub(super) &'c [u8]);

impl<'c> Cursor<'c> {
    /// What stands behind `text`, if `text` stands here.
    #[inline]
    pub(super) fn after<const N: usize>(self, text: &[u8; N]) -> Option<Self> {
        let (head, rest) = self.take()?;
        (head == text).then_some(rest)
    }

    /// The next `N` bytes.
    #[inline]
    pub(super) fn take<const N: usize>(self) -> Option<(&'c [u8; N], Self)> {
        let (head, rest) = self.0.split_first_chunk()?;
        Some((head, Self(rest)))
    }

    /// As many digits as stand here: probably as `usual`, which is set right.
    #[inline]
    pub(super) fn digits(self, usual: &mut usize) -> (&'c [u8], Self) {
        if let Some((digits, rest)) = self.0.split_at_checked(*usual)
            && are_digits(digits)
            && !rest.first().is_some_and(u8::is_ascii_digit)
        {
            return (digits, Self(rest));
        }
        *usual = self.count_digits();
        self.split(*usual)
    }

    /// A whole number as JSON has it, one digit, or several of which the first is not zero: probably as long as `usual`,
    /// which is set right.
    ///
    /// Where the number ends comes from `usual` and is only compared with what is found, so that the processor goes on
    /// behind it while it is still looking at it.
    #[inline]
    pub(super) fn number(self, usual: &mut usize) -> Option<(u64, Self)> {
        match self.0.first_chunk() {
            Some(&word) if (1..WORD).contains(usual) && leading_digits(word) == *usual => {
                let leading_zero = word.first() == Some(&b'0') && *usual > 1;
                let (_, rest) = self.split(*usual);
                (!leading_zero).then(|| (value(word, *usual), rest))
            }
            _ => {
                *usual = self.count_digits();
                self.any_number(*usual)
            }
        }
    }

    #[inline(never)]
    fn any_number(self, length: usize) -> Option<(u64, Self)> {
        let (digits, rest) = self.split(length);
        let leading_zero = digits.len() > 1 && digits.starts_with(b"0");
        let text = str::from_utf8(digits).ok().filter(|_| !leading_zero)?;
        Some((text.parse().ok()?, rest))
    }

    #[inline(never)]
    fn count_digits(self) -> usize {
        self.0.iter().take_while(|b| b.is_ascii_digit()).count()
    }

    #[inline]
    fn split(self, length: usize) -> (&'c [u8], Self) {
        let (head, rest) = self.0.split_at_checked(length).unwrap_or_default();
        (head, Self(rest))
    }
}

/// The bytes that are looked at together: nearly every number of an item is shorter, and ids are two and a bit.
const WORD: usize = 8;

const LONG_WORD: usize = 16;

/// How many digits a word begins with.
#[inline]
fn leading_digits(word: [u8; WORD]) -> usize {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    // Above 9, adding 0x76 sets a byte's high bit. A carry spoils only the bytes behind one that is no digit.
    let values = digit_values(word);
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & HIGH_BITS;
    others.trailing_zeros() as usize / 8
}

/// Whether a text is digits alone.
#[inline]
fn are_digits(text: &[u8]) -> bool {
    let words = (text.first_chunk(), text.last_chunk());
    match words {
        // As long as ids are: two long words, which overlap, hold all of it.
        (Some(first), Some(last)) if text.len() <= 2 * LONG_WORD => {
            let digits =
                |word: &[u8; LONG_WORD]| word.iter().fold(true, |all, b| all & b.is_ascii_digit());
            digits(first) & digits(last)
        }
        _ => text.iter().all(u8::is_ascii_digit),
    }
}

/// The value of the first `length` digits, one to seven.
#[inline]
fn value(word: [u8; WORD], length: usize) -> u64 {
    // Zeros before the first digit, then digits, pairs and fours put together side by side.
    let digits = digit_values(word) << (8 * (WORD - length));
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

#[inline]
fn digit_values(word: [u8; WORD]) -> u64 {
    u64::from_le_bytes(word) ^ 0x3030_3030_3030_3030
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_and_digits_are_what_a_byte_by_byte_reading_finds(
            text in "([0-9]{0,21}|[ -~]{0,4})[,\"0-9:;/\u{80}-\u{ff}]{0,9}",
            usual in 0_usize..23,
            right in any::<bool>(),
        ) {
            let length = text.bytes().take_while(u8::is_ascii_digit).count();
            let usual = if right { length } else { usual };
            let (digits, rest) = text.as_bytes().split_at(length);
            let cursor = Cursor(text.as_bytes());
            let mut found = usual;
            let (read, behind) = cursor.digits(&mut found);
            prop_assert_eq!((read, behind.0, found), (digits, rest, length));
            let leading_zero = length > 1 && text.starts_with('0');
            let expected: Option<u64> = text[..length].parse().ok().filter(|_| !leading_zero);
            let mut found = usual;
            let read = cursor.number(&mut found).map(|(number, behind)| (number, behind.0));
            prop_assert_eq!(read, expected.map(|number| (number, rest)));
            prop_assert_eq!(found, length);
        }
    }
}
