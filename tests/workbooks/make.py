#!/usr/bin/env python3
"""Makes the workbooks of this directory. Needs openpyxl and LibreOffice; the tests need neither.

    python3 tests/workbooks/make.py

The `.xlsx` files are openpyxl's. Those that end in `-lo` were saved again by LibreOffice, which also computes the values of
formulas and writes the `.ods` files.
"""

import datetime
import pathlib
import subprocess
import sys
import tempfile

from openpyxl import Workbook

HERE = pathlib.Path(__file__).parent
PORTALS = ["Employee Portal", "Partner Portal", "Contractor Portal"]


def links(count):
    for number in range(count):
        yield [
            f"Link {number}",
            f"https://app{number}.corp.example.com/start",
            PORTALS[number % 3],
            f"Owned by team {number}",
            number % 2 == 0,
        ]


TITLES = ["Name", "URL", "User Portals", "Description", "Enabled"]


def clean():
    """Title rows above the header, an empty column, right-to-left text, formulas, and an address with its link."""
    book = Workbook()
    notes = book.active
    notes.title = "Notes"
    notes["A1"] = "Nothing to read here"
    sheet = book.create_sheet("Portal Links")
    sheet["B1"] = "Links of team A"
    sheet.merge_cells("B1:F1")
    sheet["B2"] = datetime.date(2026, 11, 30)
    for column, title in zip("BCEFG", TITLES):
        sheet[f"{column}4"] = title
    rows = list(links(3))
    rows[1][3] = "مرحبا بالعالم"
    for number, row in enumerate(rows, start=5):
        for column, value in zip("BCEFG", row):
            sheet[f"{column}{number}"] = value
    sheet["C5"].hyperlink = "https://app0.corp.example.com/start"
    sheet["F7"] = '=CONCATENATE("Owned by ", "team 2")'
    return book


def headers():
    """Titles in two rows, of which some are merged downwards and one across."""
    book = Workbook()
    sheet = book.active
    for cell, title in [("A1", "Name"), ("B1", "Address"), ("D1", "Portal"), ("B2", "Link"), ("C2", "Link Path")]:
        sheet[cell] = title
    for merged in ["A1:A2", "B1:C1", "D1:D2"]:
        sheet.merge_cells(merged)
    sheet.append(["Wiki", "wiki.corp.example.com", "/start", "Employee Portal"])
    sheet.append(["News", "news.corp.example.com", "/today", None])
    sheet.append(["Plan", "plan.corp.example.com", "/week", "Partner Portal"])
    sheet.merge_cells("D3:D4")
    return book


def hidden():
    """A hidden row, a hidden column, and hidden sheets before and behind."""
    book = Workbook()
    first = book.active
    first.title = "Old"
    first.sheet_state = "hidden"
    first.append(TITLES)
    first.append(["Old", "https://old.example.com", None, None, None])
    sheet = book.create_sheet("Links")
    sheet.append(TITLES)
    for row in links(4):
        sheet.append(row)
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["D"].hidden = True
    last = book.create_sheet("Secret")
    last.sheet_state = "veryHidden"
    last.append(["name"])
    return book


def damaged():
    """One damage in each row, in the column that the row's name says."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Sheet1"
    sheet.append(["name", "url", "description", "enabled", "application_id", "id", "icon_text"])
    good = ["https://a.example.com", None, None, None, None, None]

    def row(name, **cells):
        sheet.append([name, *good])
        for column, value in cells.items():
            sheet[f"{column}{sheet.max_row}"] = value

    row("number", A=2024)
    row("date", C=datetime.date(2026, 11, 30))
    row("time", A=datetime.datetime(2026, 11, 30, 8, 30))
    row("boolean", A=True)
    row("error", B="#N/A")
    row("no value", C='=CONCATENATE("a", "b")')
    row("smart quotes", B="\u201chttps://a.example.com\u201d")
    row("trailing ", B="https://a.example.com")
    row("no-break", B="https://a.example.com\u00a0")
    row("space", B="https://a.example.com/my page")
    row("long id", E=145283994705985601)
    row("long object id", F=145283994705985601)
    row("link", B="https://a.example.com")
    sheet[f"B{sheet.max_row}"].hyperlink = "https://evil.example.net/"
    sheet[f"B{sheet.max_row}"].value = "https://a.example.com"
    row("link text", B="Wiki")
    sheet[f"B{sheet.max_row}"].hyperlink = "https://wiki.example.com/"
    sheet[f"B{sheet.max_row}"].value = "Wiki"
    row("invisible\u200b")
    row("fraction", E=12.5)
    return book


def save(name, book):
    book.save(HERE / f"{name}.xlsx")


def by_libreoffice(name, ending, target=None):
    source = HERE / f"{name}.xlsx"
    with tempfile.TemporaryDirectory() as directory:
        command = ["soffice", "--headless", "--convert-to", ending, "--outdir", directory, str(source)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        made = pathlib.Path(directory) / f"{name}.{ending}"
        (HERE / (target or f"{name}.{ending}")).write_bytes(made.read_bytes())


def main():
    for name, make in [("clean", clean), ("headers", headers), ("hidden", hidden), ("damaged", damaged)]:
        save(name, make())
    for name in ["clean", "headers", "hidden"]:
        by_libreoffice(name, "xlsx", f"{name}-lo.xlsx")
        by_libreoffice(name, "ods")


if __name__ == "__main__":
    sys.exit(main())
