//! Ids that a program has rounded.
//!
//! Spreadsheets, JavaScript, jq and pandas keep numbers as doubles of 53 bits (IEEE 754), which have 15 to 17 digits. An id
//! has up to 20. Each program writes the digits that were lost in another way.

/// The digits of a number that every double keeps.
const KEPT: usize = 15;

/// Tells whether `id` may be what a program made of the id `live`: cut or rounded to 15, 16 or 17 digits, or the double
/// next to it, with all its digits or with the fewest that tell it from others.
pub(super) fn stands_for(id: &str, live: &str) -> bool {
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= 20;
    if id == live || id.len() <= KEPT || !is_number(id) || !is_number(live) {
        return false;
    }
    let (Ok(number), Ok(whole)) = (id.parse::<u128>(), live.parse::<u128>()) else {
        return false;
    };
    let lost = live.len().saturating_sub(KEPT);
    let digits = lost.saturating_sub(2).max(1)..=lost;
    let is_cut = digits.filter_map(|lost| Some(10_u128.pow(u32::try_from(lost).ok()?)));
    let mut is_cut = is_cut.map(|unit| {
        let down = whole - whole % unit;
        let up = if whole % unit * 2 >= unit {
            down + unit
        } else {
            down
        };
        number == down || number == up
    });
    is_cut.any(|is_cut| is_cut) || is_double_of(number, whole)
}

/// Tells whether `number` is how a program writes the double next to `whole`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the loss is what is looked for, and every number is far below the largest"
)]
fn is_double_of(number: u128, whole: u128) -> bool {
    let double = whole as f64;
    // The shortest digits that tell a double from others are what Rust writes too.
    number == double as u128 || format!("{double}").parse() == Ok(number)
}

/// Tells whether an id is written as a number that has lost digits, like `1.45284E+17` or `145284000000000000.0`.
pub(super) fn is_rounded(id: &str) -> bool {
    let digits = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'\'' | b' '))
    };
    let is_fraction = id.split_once('.').is_some_and(|(whole, zeros)| {
        whole.len() > KEPT && !zeros.is_empty() && digits(whole) && zeros.bytes().all(|b| b == b'0')
    });
    let parts = id.split_once(['E', 'e']);
    let is_power = parts.is_some_and(|(number, power)| {
        !number.is_empty() && digits(number) && digits(power.trim_start_matches('+'))
    });
    is_fraction || is_power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_every_program_are_recognised() {
        let live = "145283994705985617";
        for (form, program) in [
            ("145283994705985000", "a spreadsheet that cuts"),
            ("145283994705986000", "LibreOffice"),
            ("145283994705985600", "16 digits"),
            ("145283994705985620", "17 digits"),
            ("145283994705985632", "pandas"),
        ] {
            assert!(stands_for(form, live), "{program}");
        }
        assert!(stands_for("145283994705985630", "145283994705985618"), "jq");
        assert!(stands_for("72057594037927940", "72057594037927937"), "jq");
        assert!(
            stands_for("9007199254740992", "9007199254740993"),
            "16 digits"
        );
        for other in [
            "145283994705985617",
            "145283994705985618",
            "145283994705980000",
            "42",
            "x",
        ] {
            assert!(!stands_for(other, live), "{other}");
        }
        assert!(!stands_for("100000000000000", "100000000000001"));
    }

    #[test]
    fn numbers_that_lost_digits_are_recognised() {
        for id in [
            "1.45284E+17",
            "1,45284E+17",
            "1.4e17",
            "145283994705985600.0",
        ] {
            assert!(is_rounded(id), "{id}");
        }
        for id in ["145283994705985600", "E", "12.0", "abc"] {
            assert!(!is_rounded(id), "{id}");
        }
    }
}
