//! The writer of workbooks that people filter, edit and hand back.
//!
//! Every cell is a text: a number would lose digits of an id, and a text is never a formula.

use std::fmt;
use std::io;

use rust_xlsxwriter::{
    Color, DataValidation, Format, FormatBorder, Formula, Note, Workbook, Worksheet, XlsxError,
};

/// The most characters of a cell of a workbook.
const LONGEST_CELL: usize = 32_767;

/// The width of a column, in characters.
const WIDTH: f64 = 24.0;

/// The rows of a template that a drop-down reaches.
const REACHED: u32 = 10_000;

/// A workbook on its way.
#[derive(Default)]
pub struct WorkbookWriter {
    book: Workbook,
    /// The number of sheets.
    sheets: usize,
    titles: Vec<String>,
    /// The row that is written next, from 0.
    row: u32,
    is_marked: bool,
    left: Vec<LeftCell>,
}

/// A cell that was left empty, since no workbook can hold its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftCell {
    /// The number of the row, as a spreadsheet shows it.
    pub row: u32,
    /// The title of the column.
    pub title: String,
}

/// A column of a template.
#[derive(Clone, Debug, Default)]
pub struct TemplateColumn {
    /// The title.
    pub title: String,
    /// The text that explains the column.
    pub note: String,
    /// The value of the example.
    pub example: String,
    /// The values to choose from; others may be typed.
    pub choices: Vec<String>,
}

impl fmt::Debug for WorkbookWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkbookWriter").finish_non_exhaustive()
    }
}

impl WorkbookWriter {
    /// Begins a sheet with a header that stays in sight. With `is_marked`, its rows are coloured.
    ///
    /// # Errors
    /// When the sheet cannot be made.
    pub fn begin(&mut self, name: &str, titles: &[&str], is_marked: bool) -> io::Result<()> {
        let sheet = self
            .book
            .add_worksheet_with_constant_memory()
            .map_err(failed)?;
        sheet.set_name(name).map_err(failed)?;
        for column in 0..width(titles) {
            sheet.set_column_width(column, WIDTH).map_err(failed)?;
            sheet.set_column_format(column, &text()).map_err(failed)?;
        }
        sheet.set_freeze_panes(1, 0).map_err(failed)?;
        header(sheet, titles)?;
        self.sheets += 1;
        self.titles = titles.iter().map(|title| (*title).to_owned()).collect();
        self.row = 1;
        self.is_marked = is_marked;
        Ok(())
    }

    /// Writes one row of the sheet. White space around a text is left out.
    ///
    /// # Errors
    /// When the row cannot be written.
    pub fn row<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) -> io::Result<()> {
        let format = if self.is_marked {
            text().set_background_color(Color::RGB(0x00FF_E5E5))
        } else {
            text()
        };
        let sheet = self
            .book
            .worksheet_from_index(self.sheets - 1)
            .map_err(failed)?;
        for (column, cell) in (0..).zip(cells) {
            let cell = cell.trim();
            if cell.chars().nth(LONGEST_CELL).is_some() {
                let title = self.titles.get(usize::from(column)).cloned();
                self.left.push(LeftCell {
                    row: self.row + 1,
                    title: title.unwrap_or_default(),
                });
            } else if !cell.is_empty() {
                sheet
                    .write_string_with_format(self.row, column, cell, &format)
                    .map_err(failed)?;
            }
        }
        self.row += 1;
        Ok(())
    }

    /// Ends the sheet, whose rows can then be filtered.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub fn end(&mut self) -> io::Result<()> {
        let last = u16::try_from(self.titles.len().saturating_sub(1)).unwrap_or(u16::MAX);
        let sheet = self
            .book
            .worksheet_from_index(self.sheets - 1)
            .map_err(failed)?;
        let bottom = self.row.saturating_sub(1).max(1);
        sheet.autofilter(0, 0, bottom, last).map_err(failed)?;
        Ok(())
    }

    /// Returns the cells that were left empty.
    #[must_use]
    pub fn left(&self) -> &[LeftCell] {
        &self.left
    }

    /// Returns the bytes of the workbook.
    ///
    /// # Errors
    /// When it cannot be put together.
    pub fn finish(mut self) -> io::Result<Vec<u8>> {
        self.book.save_to_buffer().map_err(failed)
    }
}

/// Returns a workbook to fill in: a sheet with an example in grey, one of instructions, and one with what can be chosen.
///
/// # Errors
/// When it cannot be put together.
pub fn template(
    name: &str,
    columns: &[TemplateColumn],
    instructions: &[&str],
) -> io::Result<Vec<u8>> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name(name).map_err(failed)?;
    sheet.set_freeze_panes(1, 0).map_err(failed)?;
    let titles: Vec<&str> = columns.iter().map(|column| column.title.as_str()).collect();
    let grey = text().set_italic().set_font_color(Color::Gray);
    header(sheet, &titles)?;
    let mut lists = Vec::new();
    for (at, column) in (0_u16..).zip(columns) {
        sheet.set_column_width(at, WIDTH).map_err(failed)?;
        sheet.set_column_format(at, &text()).map_err(failed)?;
        let note = Note::new(&column.note).add_author_prefix(false);
        sheet.insert_note(0, at, &note).map_err(failed)?;
        if !column.example.is_empty() {
            sheet
                .write_string_with_format(1, at, &column.example, &grey)
                .map_err(failed)?;
        }
        if !column.choices.is_empty() {
            let list = u16::try_from(lists.len()).unwrap_or(u16::MAX);
            let letter = super::letters::letters(u32::from(list));
            let bottom = column.choices.len();
            let range = Formula::new(format!("=Lists!${letter}$1:${letter}${bottom}"));
            let choice = DataValidation::new()
                .allow_list_formula(range)
                .show_error_message(false);
            sheet
                .add_data_validation(1, at, REACHED, at, &choice)
                .map_err(failed)?;
            lists.push(&column.choices);
        }
    }
    let sheet = book.add_worksheet();
    sheet.set_name("Instructions").map_err(failed)?;
    sheet.set_column_width(0, 4.0 * WIDTH).map_err(failed)?;
    for (row, line) in (0..).zip(instructions) {
        sheet.write_string(row, 0, *line).map_err(failed)?;
    }
    let sheet = book.add_worksheet();
    sheet.set_name("Lists").map_err(failed)?;
    for (column, choices) in (0..).zip(lists) {
        for (row, choice) in (0..).zip(choices) {
            sheet.write_string(row, column, choice).map_err(failed)?;
        }
    }
    book.save_to_buffer().map_err(failed)
}

fn header(sheet: &mut Worksheet, titles: &[&str]) -> io::Result<()> {
    let format = text()
        .set_bold()
        .set_background_color(Color::RGB(0x00DD_E7F3))
        .set_border_bottom(FormatBorder::Thin);
    for (column, title) in (0..).zip(titles) {
        sheet
            .write_string_with_format(0, column, *title, &format)
            .map_err(failed)?;
    }
    Ok(())
}

/// Returns the format of a text, which a spreadsheet program keeps as it is typed.
fn text() -> Format {
    Format::new().set_num_format("@")
}

fn width(titles: &[&str]) -> u16 {
    u16::try_from(titles.len()).unwrap_or(u16::MAX)
}

fn failed(error: XlsxError) -> io::Error {
    match error {
        XlsxError::IoError(error) => error,
        error => io::Error::other(error),
    }
}
