//! The first bytes of a file of the log: whose it is, and what was before it.

use crate::store::codec::{In, Out};

/// Format of the files that this aggd writes. It reads older ones too: a frame's layout is the same in all of them, but a
/// program that knows only format 1 would leave out kinds of items that came later.
pub(in crate::store) const FORMAT: u32 = 2;
const MAGIC: &[u8; 8] = b"aggd-log";

/// What stands at the beginning of each file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct FileHead {
    pub(in crate::store) epoch: u32,
    /// Number of the revision before its first frame.
    pub(in crate::store) number: u64,
    /// The next new article gets at least this sequence number.
    pub(in crate::store) next_seq: u64,
    /// Host and year of the published ids; the host is empty if damage has taken it.
    pub(in crate::store) authority: (String, i32),
}

/// Writes them.
pub(super) fn encode_head(head: &FileHead) -> Vec<u8> {
    let mut out = Out(MAGIC.to_vec());
    out.0.extend_from_slice(&FORMAT.to_le_bytes());
    let mut inner = Out::default();
    inner.number(u64::from(head.epoch));
    inner.number(head.number);
    inner.number(head.next_seq);
    inner.text(&head.authority.0);
    inner.signed(i64::from(head.authority.1));
    out.bytes(&inner.0);
    let crc = crc32c::crc32c(&out.0);
    out.0.extend_from_slice(&crc.to_le_bytes());
    out.0
}

/// The head, its format and its length; the error is the number of a newer format, if it is that.
pub(super) fn decode_head(bytes: &[u8]) -> Result<(FileHead, u32, usize), Option<u32>> {
    let mut input = In(bytes);
    let mut start = || {
        let magic = input.take(8)?;
        let format = u32::from_le_bytes(*input.take(4)?.first_chunk()?);
        (magic == MAGIC).then_some(format)
    };
    let format = start().ok_or(None)?;
    if format > FORMAT {
        // A flipped bit in the number is no newer format: with the right one the checksum fits.
        let right = (1..=FORMAT).find_map(|right| {
            let mut mended = bytes.to_vec();
            mended[8..12].copy_from_slice(&right.to_le_bytes());
            decode_head(&mended).ok()
        });
        // Formats count up by one, so believe only small ones.
        return right.ok_or((format < 1000).then_some(format));
    }
    let mut rest = || {
        let inner = input.bytes()?;
        let length = bytes.len() - input.0.len();
        let crc = u32::from_le_bytes(*input.take(4)?.first_chunk()?);
        if crc32c::crc32c(&bytes[..length]) != crc {
            return None;
        }
        let mut inner = In(inner);
        let head = FileHead {
            epoch: inner.small()?,
            number: inner.number()?,
            next_seq: inner.number()?,
            authority: (
                inner.text()?.to_owned(),
                i32::try_from(inner.signed()?).ok()?,
            ),
        };
        Some((head, format, length + 4))
    };
    rest().ok_or(None)
}
