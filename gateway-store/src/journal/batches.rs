//! The form of fjall's journals, as far as it takes to tell a whole batch from a torn one. Numbers are little-endian.
//!
//! | entry | octets |
//! |---|---|
//! | start of a batch | 1, entries u32, sequence number u64 |
//! | record | 2, kind u8, compression u8, keyspace u64, length of the key u16, of the value u32, of the value as it stands here u32, key, value |
//! | keyspace cleared | 4, keyspace u64 |
//! | end of a batch | 3, XXH3 of all between start and end u64, `FJL` 3 |

use xxhash_rust::xxh3::xxh3_64;

/// Octets of a record besides its key and value, and of a batch besides its records.
pub(crate) const RECORD_OVERHEAD: usize = 1 + 1 + 1 + 8 + 2 + 4 + 4;
pub(crate) const BATCH_OVERHEAD: usize = (1 + 4 + 8) + (1 + 8 + TRAILER.len());

const START: u8 = 1;
const RECORD: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: &[u8] = b"FJL\x03";

/// Octets at the front of a journal that are whole batches.
pub(super) fn whole(journal: &[u8]) -> usize {
    let mut end = 0;
    while let Some(length) = batch(&journal[end..]) {
        end += length;
    }
    end
}

/// Whether there is a whole batch anywhere.
pub(super) fn has_any(octets: &[u8]) -> bool {
    (0..octets.len()).any(|start| batch(&octets[start..]).is_some())
}

/// Length of the whole batch that the octets begin with.
fn batch(octets: &[u8]) -> Option<usize> {
    let mut reader = Reader { octets, at: 0 };
    let [START] = reader.array()? else { return None };
    let entries = u32::from_le_bytes(reader.array()?);
    reader.skip(8)?;
    let first = reader.at;
    for _ in 0..entries {
        match reader.array()? {
            [RECORD] => {
                reader.skip(1 + 1 + 8)?;
                let key = u16::from_le_bytes(reader.array()?);
                reader.skip(4)?;
                let value = u32::from_le_bytes(reader.array()?);
                reader.skip(usize::from(key) + value as usize)?;
            }
            [CLEAR] => reader.skip(8)?,
            _ => return None,
        }
    }
    let entries = &octets[first..reader.at];
    let [END] = reader.array()? else { return None };
    let checksum = u64::from_le_bytes(reader.array()?);
    let trailer: [u8; TRAILER.len()] = reader.array()?;
    (trailer == TRAILER && checksum == xxh3_64(entries)).then_some(reader.at)
}

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let found = self.octets.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(*found)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|at| *at <= self.octets.len())?;
        Some(())
    }
}
