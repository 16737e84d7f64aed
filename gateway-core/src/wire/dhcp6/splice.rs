//! One option changed where it stands, everything else left as it is.

use super::{Malformed, OPTION_HEADER};

/// Puts `with`, whole options or nothing, in the place of an option, and corrects the lengths of those around it.
///
/// `path` has offsets in `message` as [`super::Opt::at`] tells them: the option's own last, before it those of the options
/// that it lies within, outermost first. Nothing is changed when the path is not one, or a length outgrows its field.
pub fn splice(message: &mut Vec<u8>, path: &[usize], with: &[u8]) -> Result<(), Malformed> {
    let mut container = 0..message.len();
    for &at in path {
        let (code, length) = header(message, at).ok_or(Malformed::Trailing { at, length: 0 })?;
        let value = at + OPTION_HEADER..at + OPTION_HEADER + length;
        if at < container.start || value.end > container.end {
            return Err(Malformed::CutOption { code, at });
        }
        container = value;
    }
    let Some((&at, around)) = path.split_last() else { return Ok(()) };
    let removed = at..container.end;
    let lengths = around.iter().map(|&at| {
        let (code, length) = header(message, at).ok_or(Malformed::Trailing { at, length: 0 })?;
        let length = length.checked_sub(removed.len()).map(|rest| rest + with.len());
        let length = length.and_then(|length| u16::try_from(length).ok());
        length.map(|length| (at, length)).ok_or(Malformed::Value { code, at })
    });
    for (at, length) in lengths.collect::<Result<Vec<_>, _>>()? {
        message[at + 2..at + 4].copy_from_slice(&length.to_be_bytes());
    }
    message.splice(removed, with.iter().copied());
    Ok(())
}

fn header(message: &[u8], at: usize) -> Option<(u16, usize)> {
    let header: [u8; OPTION_HEADER] = crate::wire::tlv::array(message, at)?;
    let [c0, c1, l0, l1] = header;
    Some((u16::from_be_bytes([c0, c1]), u16::from_be_bytes([l0, l1]).into()))
}
