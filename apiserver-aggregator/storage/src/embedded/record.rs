//! How one write is kept: `checksum u32 | flags u8 | created u64 | replaces u64 | expires u64 | key length u32 | key | value`,
//! numbers little-endian. The checksum (CRC-32) covers the revision and everything after itself, so that a record that
//! has been damaged, or has got to the wrong place, is found when the store is opened.

use crate::{EventKind, Revision};

const HEADER: usize = 4 + 1 + 8 + 8 + 8 + 4;
const DELETED: u8 = 1;

/// One write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) deleted: bool,
    /// The revision that created the key; for a deletion the one that had created it.
    pub(super) created: Revision,
    /// The revision of the key's record before, a deletion's too; 0 when there is none.
    pub(super) replaces: Revision,
    /// When the key expires, in milliseconds since 1970; 0 for never.
    pub(super) expires: u64,
    pub(super) key: &'a str,
    pub(super) value: &'a [u8],
}

impl<'a> Record<'a> {
    pub(super) fn encode(&self, revision: Revision, buffer: &mut Vec<u8>) {
        buffer.clear();
        buffer.extend_from_slice(&[0; 4]);
        buffer.push(if self.deleted { DELETED } else { 0 });
        buffer.extend_from_slice(&self.created.to_le_bytes());
        buffer.extend_from_slice(&self.replaces.to_le_bytes());
        buffer.extend_from_slice(&self.expires.to_le_bytes());
        // Keys are bounded far below 4 GiB by the request line's limit.
        let key_length = u32::try_from(self.key.len()).unwrap_or(u32::MAX);
        buffer.extend_from_slice(&key_length.to_le_bytes());
        buffer.extend_from_slice(self.key.as_bytes());
        buffer.extend_from_slice(self.value);
        let checksum = checksum(revision, &buffer[4..]);
        buffer[..4].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Reads a record; `None` when it is damaged.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.get(..HEADER)?;
        let number = |at: usize| header.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let key_length = u32::from_le_bytes(header.get(29..33)?.try_into().ok()?) as usize;
        let (key, value) = bytes[HEADER..].split_at_checked(key_length)?;
        Some(Self {
            deleted: header[4] & DELETED != 0,
            created: number(5)?,
            replaces: number(13)?,
            expires: number(21)?,
            key: std::str::from_utf8(key).ok()?,
            value,
        })
    }

    /// Reads a record and checks its checksum.
    pub(super) fn verify(revision: Revision, bytes: &'a [u8]) -> Option<Self> {
        let expected = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
        (checksum(revision, &bytes[4..]) == expected).then(|| Self::decode(bytes)).flatten()
    }

    /// What the write at `revision` did.
    pub(super) fn kind(&self, revision: Revision) -> EventKind {
        if self.deleted {
            EventKind::Delete
        } else if self.created == revision {
            EventKind::Create
        } else {
            EventKind::Update
        }
    }

    /// Where the value starts in the encoded record.
    pub(super) fn value_offset(&self) -> usize {
        HEADER + self.key.len()
    }
}

fn checksum(revision: Revision, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&revision.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_and_damage_is_found() {
        let record = Record { deleted: false, created: 3, replaces: 4, expires: 5, key: "/registry/ä", value: b"{}" };
        let mut bytes = Vec::new();
        record.encode(7, &mut bytes);
        assert_eq!(Record::verify(7, &bytes), Some(record));
        assert_eq!(Record::verify(8, &bytes), None);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(Record::verify(7, &damaged), None, "byte {at}");
            assert_eq!(Record::verify(7, &bytes[..at]), None, "cut at {at}");
        }
    }
}
