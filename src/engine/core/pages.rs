//! Decisions about the pages of listings.

use super::super::call::{Call, Purpose};
use super::super::listing::{ListingReader, PageRead};
use super::super::outcomes::failure_of;
use super::super::settings::End;
use super::step::{Judged, Step};
use crate::retry::Verdict;
use crate::wire::Failure;

/// Begins a listing. All but those for a plan go before calls that were never sent.
pub(super) fn begin(purpose: Purpose, reader: ListingReader) -> Step {
    let call = Call::Page(purpose, Box::new(reader));
    match purpose {
        Purpose::Snapshot => Step::submit(call),
        Purpose::Lookup | Purpose::Referrers(_) => Step::retry(call),
    }
}

/// Takes in a page. A listing that cannot be read stops the run.
pub(super) fn read(purpose: Purpose, mut reader: Box<ListingReader>, judged: Judged<'_>) -> Step {
    let read_at = judged.read_at;
    match take(&mut reader, judged) {
        Ok(PageRead::More(_)) => Step::retry(Call::Page(purpose, reader)),
        Ok(PageRead::Complete) => Step::Listed(purpose, reader, read_at),
        Err(failure) => Step::Stop(End::Unreadable(reader.scope.kind, failure)),
    }
}

/// Puts a page into its listing, and says whether others follow.
pub(super) fn take(reader: &mut ListingReader, judged: Judged<'_>) -> Result<PageRead, Failure> {
    match (judged.verdict, judged.answer) {
        (Verdict::Success, Some(answer)) => {
            let page = reader.take_answer(answer, judged.now);
            page.map_err(|why| Failure::new(format!("{}: {why}", reader.request())))
        }
        (Verdict::Success, None) => Err(Failure::new("there is no answer")),
        (Verdict::Absent(_), _) if reader.is_single() => Ok(PageRead::Complete),
        (verdict, _) => Err(failure_of(verdict)),
    }
}
