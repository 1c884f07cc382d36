//! The bodies of answers, read in pieces and no further than a bound.
//!
//! An answer without an end would fill the memory. The declared length is only a hint: the bytes that come are what
//! counts.

use reqwest::Response;
use tokio::sync::Semaphore;

use crate::wire::Extent;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The most bytes of the answer to a sign-in, and of a refusal. More of a refusal is left unread: its status says
/// enough.
pub(super) const SMALL: usize = 64 * KIB;

/// The most bytes of a body that are read while another large body is read.
const BESIDE_OTHERS: usize = MIB;

/// The most objects, and the most values of any kind, in one body. An object takes some 700 bytes of memory even if it has
/// two bytes in the body. A full page of 500 links with ten portals each has 5,500 objects and 90,000 values.
const OBJECTS: usize = 50_000;
const VALUES: usize = 250_000;

/// Tells whether a JSON document would take much more memory than it has bytes.
pub(super) fn has_too_many_values(body: &[u8]) -> bool {
    let (mut objects, mut values) = (0, 0);
    let (mut in_text, mut is_escaped) = (false, false);
    for byte in body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'{' if !in_text => objects += 1,
            b'[' | b',' if !in_text => values += 1,
            _ => {}
        }
    }
    objects > OBJECTS || objects + values > VALUES
}

/// Returns the most bytes of the answer to a request that succeeded.
///
/// An icon has at most 32x32 pixels (`zpa-api.md`, section 3), which is some 11 KiB in base64. So a full page of 500
/// links with icons has 6 MiB. The bound leaves room for the portals that are expanded in each link.
pub(super) fn most(extent: Extent) -> usize {
    match extent {
        Extent::One => 4 * MIB,
        Extent::Many => 32 * MIB,
    }
}

/// Returns a number of bytes as people write it.
pub(super) fn shown(bytes: usize) -> String {
    if bytes >= MIB {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{} KiB", bytes / KIB)
    }
}

/// A body, or the part of it that is within the bound.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) whole: bool,
}

/// Reads a body up to `most` bytes. Of several bodies that are large, one is read at a time, so that many together do
/// not fill the memory either.
pub(super) async fn read(
    response: &mut Response,
    most: usize,
    large: &Semaphore,
) -> reqwest::Result<Body> {
    let mut bytes = Vec::new();
    let mut turn = None;
    while let Some(piece) = response.chunk().await? {
        let room = most.saturating_sub(bytes.len());
        if let Some(within) = piece.get(..room).filter(|_| piece.len() > room) {
            bytes.extend_from_slice(within);
            let whole = false;
            return Ok(Body { bytes, whole });
        }
        if turn.is_none() && bytes.len() + piece.len() > BESIDE_OTHERS {
            turn = large.acquire().await.ok();
        }
        bytes.extend_from_slice(&piece);
    }
    let whole = true;
    Ok(Body { bytes, whole })
}
