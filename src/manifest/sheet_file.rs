//! A sheet of a workbook as a file of its own, which is read again and again.
//!
//! A workbook is a zip archive of XML. To take it apart costs many times what its rows cost, and a manifest is read twice. So
//! the rows of the chosen sheet go to an unnamed temporary file once, with the kinds of their cells.

use std::io::{self, BufRead, Write};

use crate::item::CellKind;

/// The kind of a cell as one byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    #[default]
    Text = 0,
    Number = 1,
    Flag = 2,
    Date = 3,
    Error = 4,
    /// A formula whose value was never computed.
    NoValue = 5,
}

impl Kind {
    fn of(byte: u8) -> io::Result<Self> {
        let all = [
            Self::Text,
            Self::Number,
            Self::Flag,
            Self::Date,
            Self::Error,
            Self::NoValue,
        ];
        let kind = all.get(usize::from(byte)).copied();
        kind.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }
}

/// A cell that holds something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SheetCell {
    /// The position of the column, from 0.
    pub(super) column: u32,
    pub(super) kind: Kind,
    pub(super) text: String,
    /// The address that a click on the cell opens.
    pub(super) target: String,
}

impl SheetCell {
    /// Returns the kind of value for those who judge the cell.
    pub(super) fn judged_kind(&self) -> CellKind<'_> {
        match self.kind {
            Kind::Text if !self.target.is_empty() => CellKind::Link(&self.target),
            Kind::Text => CellKind::Text,
            Kind::Number => CellKind::Number,
            Kind::Flag => CellKind::Flag,
            Kind::Date => CellKind::Date,
            Kind::Error => CellKind::Error,
            Kind::NoValue => CellKind::NoValue,
        }
    }
}

/// Writes a row. Its number is that of the spreadsheet.
pub(super) fn write_row(to: &mut impl Write, number: u32, cells: &[SheetCell]) -> io::Result<()> {
    to.write_all(&number.to_le_bytes())?;
    to.write_all(&u32::try_from(cells.len()).unwrap_or(u32::MAX).to_le_bytes())?;
    for cell in cells {
        to.write_all(&cell.column.to_le_bytes())?;
        to.write_all(&[cell.kind as u8])?;
        for text in [&cell.text, &cell.target] {
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            to.write_all(&length.to_le_bytes())?;
            to.write_all(text.as_bytes())?;
        }
    }
    Ok(())
}

/// Reads a row into `cells`, whose room is used again. Returns its number, or none behind the last row.
pub(super) fn read_row(
    from: &mut impl BufRead,
    cells: &mut Vec<SheetCell>,
) -> io::Result<Option<u32>> {
    if from.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let number = read_u32(from)?;
    let count = read_u32(from)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    cells.truncate(count);
    for at in 0..count {
        if at == cells.len() {
            cells.push(SheetCell::default());
        }
        let Some(cell) = cells.get_mut(at) else {
            break;
        };
        cell.column = read_u32(from)?;
        let mut kind = [0];
        from.read_exact(&mut kind)?;
        let [kind] = kind;
        cell.kind = Kind::of(kind)?;
        read_text(from, &mut cell.text)?;
        read_text(from, &mut cell.target)?;
    }
    Ok(Some(number))
}

fn read_u32(from: &mut impl BufRead) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn read_text(from: &mut impl BufRead, text: &mut String) -> io::Result<()> {
    let length = usize::try_from(read_u32(from)?).unwrap_or(usize::MAX);
    let mut bytes = std::mem::take(text).into_bytes();
    bytes.resize(length, 0);
    from.read_exact(&mut bytes)?;
    *text = String::from_utf8(bytes).map_err(io::Error::other)?;
    Ok(())
}
