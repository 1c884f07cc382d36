//! The archive around the members of a pack: its bounds, and the sum over all of it.
//!
//! A pack may come from anybody. So the end of the archive is looked at before anything else is read: it must stand exactly
//! where a pack has it, with a few members. Only then is the rest of the archive believed to have a sensible size.

use std::io::{self, Cursor};

use zip::ZipArchive;
use zip::result::ZipError;

use super::list::FORMAT;
use crate::files::sha256;

/// The most bytes of a pack: 256 MiB.
pub const LARGEST_PACK: u64 = 256 << 20;

/// The most members of a pack.
pub(super) const MOST_MEMBERS: usize = 1000;

/// The most bytes of the directory of an archive.
const LARGEST_DIRECTORY: usize = 256 << 10;

/// The unpacked bytes that even a small pack may have.
const LEAST_ROOM: u64 = 16 << 20;

/// The most unpacked bytes for each byte of the archive. The lines of a plan or a log are alike, and take a fiftieth.
const MOST_UNPACKED: u64 = 200;

/// The most unpacked bytes of any pack: 2 GiB.
pub(super) const LARGEST_UNPACKED: u64 = 2 << 30;

/// The text before the sum, in the comment of the archive.
const COMMENT: &str = "zpa-bulk evidence pack. SHA-256 of all bytes before this sum: ";

/// The digits of the sum.
const SUM: usize = 64;

/// The length of the end record of an archive, without its comment (APPNOTE 4.3.16).
const END_RECORD: usize = 22;

/// The beginning of the end record.
const END_MARK: &[u8] = b"PK\x05\x06";

/// The beginning of the record that stands before the end record of a larger form of archives (APPNOTE 4.3.15), and its
/// length.
const LARGE_MARK: (&[u8], usize) = (b"PK\x06\x07", 20);

/// The reason why a pack is refused unread.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The end of the file is not that of a pack.
    #[error("it does not end as a pack does: it is damaged or altered, or no pack of zpa-bulk")]
    NoPack,
    /// The archive has more members than a pack has.
    #[error("it has {0} members; a pack has at most {MOST_MEMBERS}")]
    TooManyMembers(usize),
    /// Two members have the same name.
    #[error("two of its members have the same name")]
    Doubled,
    /// A member has a name that leads elsewhere.
    #[error("the name of a member leads elsewhere: {0:?}")]
    Name(String),
    /// The members are too large.
    #[error("its members are too large for a pack of its size")]
    TooLarge,
    /// The archive cannot be read.
    #[error("it is damaged or altered")]
    Unreadable(#[source] ZipError),
    /// A newer program wrote the pack.
    #[error("it has format {0}; this program reads format {FORMAT}")]
    Newer(u32),
    /// The members cannot be unpacked on this machine.
    #[error("it cannot be unpacked in the directory for temporary files")]
    Disk(#[source] io::Error),
}

/// Returns the comment of an archive whose sum is not known yet.
pub(super) fn comment() -> String {
    format!("{COMMENT}{}", "0".repeat(SUM))
}

/// Puts the sum into an archive with that [`comment`].
pub(super) fn add_sum(archive: &mut Vec<u8>) {
    archive.truncate(archive.len().saturating_sub(SUM));
    let sum = sha256(archive);
    archive.extend_from_slice(sum.as_bytes());
}

/// Returns the number of bytes that the members of an archive of that length may have together.
pub(super) fn room(archive: usize) -> u64 {
    let room = (archive as u64).saturating_mul(MOST_UNPACKED) + LEAST_ROOM;
    room.min(LARGEST_UNPACKED)
}

/// Returns the sum that a pack has, and the sum that it should have.
pub(super) fn sums(pack: &[u8]) -> Option<(&str, String)> {
    let (body, sum) = pack.split_at_checked(pack.len().checked_sub(SUM)?)?;
    let sum = str::from_utf8(sum).ok()?;
    Some((sum, sha256(body)))
}

/// Opens the archive of a pack.
///
/// # Errors
/// [`PackError`].
pub(super) fn open(pack: &[u8]) -> Result<ZipArchive<Cursor<&[u8]>>, PackError> {
    let members = members(pack).ok_or(PackError::NoPack)?;
    if members > MOST_MEMBERS {
        return Err(PackError::TooManyMembers(members));
    }
    let archive = ZipArchive::new(Cursor::new(pack)).map_err(PackError::Unreadable)?;
    if archive.has_duplicate_names() || archive.len() != members {
        return Err(PackError::Doubled);
    }
    Ok(archive)
}

/// Returns the number of members by the end record; `None` if that record is not exactly where a pack has it.
fn members(pack: &[u8]) -> Option<usize> {
    let comment = COMMENT.len() + SUM;
    let at = pack.len().checked_sub(END_RECORD + comment)?;
    let (body, end) = pack.split_at_checked(at)?;
    let (record, comment_text) = end.split_at_checked(END_RECORD)?;
    let sum = comment_text.strip_prefix(COMMENT.as_bytes())?;
    let field = |at: usize, length: usize| {
        let bytes = record.get(at..at + length)?.iter().rev();
        Some(bytes.fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let (disks, members, all_members) = (field(4, 4)?, field(8, 2)?, field(10, 2)?);
    let (directory_length, directory) = (field(12, 4)?, field(16, 4)?);
    let before = body.len().checked_sub(LARGE_MARK.1);
    let is_large = before
        .and_then(|before| body.get(before..))
        .is_some_and(|before| before.starts_with(LARGE_MARK.0));
    let is_pack = record.starts_with(END_MARK)
        && sum.iter().all(u8::is_ascii_hexdigit)
        && (disks, field(20, 2)?) == (0, comment)
        && directory.checked_add(directory_length) == Some(at)
        && directory_length <= LARGEST_DIRECTORY
        && members == all_members
        && !is_large;
    is_pack.then_some(members)
}
