//! Reading text that stands exactly as this program writes it, from the front and without a copy.

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'c>(pub(super) &'c [u8]);

impl<'c> Cursor<'c> {
    /// Goes on behind `text` if it stands here.
    #[inline]
    pub(super) fn skip<const N: usize>(&mut self, text: &[u8; N]) -> bool {
        match self.0.split_first_chunk() {
            Some((head, rest)) if head == text => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Goes on behind `text`, which must stand here.
    #[inline]
    pub(super) fn want<const N: usize>(&mut self, text: &[u8; N]) -> Option<()> {
        self.skip(text).then_some(())
    }

    /// The next `N` bytes.
    #[inline]
    pub(super) fn take<const N: usize>(&mut self) -> Option<&'c [u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(head)
    }

    /// As many digits as stand here.
    #[inline]
    pub(super) fn digits(&mut self) -> &'c [u8] {
        let mut length = 0;
        while let Some(word) = self.0.get(length..).and_then(<[u8]>::first_chunk) {
            let found = leading_digits(*word);
            length += found;
            if found < WORD {
                return self.split(length);
            }
        }
        let rest = self.0.get(length..).unwrap_or_default();
        length += rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.split(length)
    }

    /// A whole number as JSON has it: one digit, or several of which the first is not zero.
    #[inline]
    pub(super) fn number(&mut self) -> Option<u64> {
        if let Some(&word) = self.0.first_chunk() {
            let length = leading_digits(word);
            if (1..WORD).contains(&length) {
                let leading_zero = word.first() == Some(&b'0') && length > 1;
                self.split(length);
                return (!leading_zero).then(|| value(word, length));
            }
        }
        self.long_number()
    }

    #[cold]
    fn long_number(&mut self) -> Option<u64> {
        let digits = self.digits();
        let leading_zero = digits.len() > 1 && digits.starts_with(b"0");
        let text = str::from_utf8(digits).ok().filter(|_| !leading_zero)?;
        text.parse().ok()
    }

    #[inline]
    fn split(&mut self, length: usize) -> &'c [u8] {
        let (head, rest) = self.0.split_at_checked(length).unwrap_or_default();
        self.0 = rest;
        head
    }
}

/// The bytes that are looked at together: nearly every number of an item is shorter, and ids are two and a bit.
const WORD: usize = 8;

/// How many digits a word begins with.
fn leading_digits(word: [u8; WORD]) -> usize {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    // Above 9, adding 0x76 sets a byte's high bit. A carry spoils only the bytes behind one that is no digit.
    let values = digit_values(word);
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & HIGH_BITS;
    others.trailing_zeros() as usize / 8
}

/// The value of the first `length` digits, one to seven.
fn value(word: [u8; WORD], length: usize) -> u64 {
    // Zeros before the first digit, then digits, pairs and fours put together side by side.
    let digits = digit_values(word) << (8 * (WORD - length));
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

fn digit_values(word: [u8; WORD]) -> u64 {
    u64::from_le_bytes(word) ^ 0x3030_3030_3030_3030
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_and_digits_are_what_a_byte_by_byte_reading_finds(text in "([0-9]{0,21}|[ -~]{0,4})[,\"0-9:;/\u{80}-\u{ff}]{0,9}") {
            let length = text.bytes().take_while(u8::is_ascii_digit).count();
            let mut cursor = Cursor(text.as_bytes());
            prop_assert_eq!(cursor.digits(), &text.as_bytes()[..length]);
            prop_assert_eq!(cursor.0, &text.as_bytes()[length..]);
            let leading_zero = length > 1 && text.starts_with('0');
            let expected: Option<u64> = text[..length].parse().ok().filter(|_| !leading_zero);
            let mut cursor = Cursor(text.as_bytes());
            prop_assert_eq!(cursor.number(), expected);
            prop_assert_eq!(cursor.0, &text.as_bytes()[length..]);
        }
    }
}
