//! Messages on a connection.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::wire::dhcp6::leasequery::*;

/// Everything that `frames` finds in `input`.
fn all(frames: &mut Frames, mut input: &[u8]) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut found = Vec::new();
    while let Some(message) = frames.next(&mut input)? {
        found.push(message);
    }
    assert!(input.is_empty(), "it has taken all");
    Ok(found)
}

#[test]
fn two_messages_and_a_half() {
    let mut frames = Frames::new(100);
    assert!(frames.is_between());
    let octets = [&[0, 4][..], b"abcd", &[0, 5], b"efghi", &[0, 6], b"jk"].concat();
    assert_eq!(all(&mut frames, &octets).unwrap(), [&b"abcd"[..], b"efghi"]);
    assert!(!frames.is_between());
    assert_eq!(all(&mut frames, b"lmno").unwrap(), [b"jklmno"]);
    assert!(frames.is_between());
    assert!(all(&mut frames, &[0]).unwrap().is_empty());
    assert!(!frames.is_between(), "half a length");
}

/// More than the receiver wants, or less than a header: nothing that follows is read.
#[test]
fn lengths_that_can_t_be() {
    for (length, error) in [
        (101, FrameError::TooLong { length: 101, max: 100 }),
        (65535, FrameError::TooLong { length: 65535, max: 100 }),
        (0, FrameError::TooShort(0)),
        (3, FrameError::TooShort(3)),
    ] {
        let mut frames = Frames::new(100);
        let octets = u16::to_be_bytes(length);
        assert_eq!(all(&mut frames, &octets), Err(error));
        assert_eq!(all(&mut frames, &[0, 4, 1, 2, 3, 4]), Err(error), "final");
        assert!(!frames.is_between());
    }
    assert_eq!(frame(&[1; 3]), Err(FrameError::TooShort(3)));
    assert_eq!(frame(&[1; 65536]), Err(FrameError::TooLong { length: 65536, max: 65535 }));
    assert_eq!(all(&mut Frames::new(u16::MAX), &frame(&[1; 65535]).unwrap()).unwrap(), [[1; 65535]]);
}

proptest! {
    /// However the connection cuts it, the messages are what they were.
    #[test]
    fn any_cut(messages in vec(vec(any::<u8>(), 4..60), 0..8), cuts in vec(1usize..20, 1..30)) {
        let octets: Vec<u8> = messages.iter().flat_map(|message| frame(message).unwrap()).collect();
        let (mut frames, mut found, mut rest) = (Frames::new(60), Vec::new(), &octets[..]);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            found.extend(all(&mut frames, now).unwrap());
            rest = later;
        }
        prop_assert!(frames.is_between());
        prop_assert_eq!(found, messages);
    }

    /// Any octets: an end or an error, and never more messages than they could hold.
    #[test]
    fn any_octets(octets in vec(any::<u8>(), 0..300), max in 0u16..100) {
        if let Ok(found) = all(&mut Frames::new(max), &octets) {
            prop_assert!(found.iter().all(|message| (4..=usize::from(max)).contains(&message.len())));
            prop_assert!(found.iter().map(|message| message.len() + 2).sum::<usize>() <= octets.len());
        }
    }
}
