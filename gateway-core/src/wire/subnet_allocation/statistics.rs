//! How a subnet is used, in numbers of 16 bits.

/// Addresses; `None` where nothing is known (0xFFFF on the wire, or left out at the end).
///
/// What the high water counts from has three meanings in the sources; here it is since the lease began (H-SN-16).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Statistics {
    /// The most that were in use at once.
    pub high_water: Option<u16>,
    /// In use now.
    pub in_use: Option<u16>,
    /// Declined, or found in use by others (SN-38).
    pub unusable: Option<u16>,
}

impl Statistics {
    /// Nothing is known.
    pub const NONE: Self = Self { high_water: None, in_use: None, unusable: None };
    /// The largest number that can be said: it stands for any larger one, too (H-SN-15).
    pub const MOST: u16 = MOST;

    /// What does not fit 16 bits becomes 0xFFFE (H-SN-15).
    pub fn saturating(high_water: u64, in_use: u64, unusable: u64) -> Self {
        let [high_water, in_use, unusable] =
            [high_water, in_use, unusable].map(|count| Some(u16::try_from(count).unwrap_or(MOST).min(MOST)));
        Self { high_water, in_use, unusable }
    }

    /// The octets of a block, without their length; what is not known at the end is left out.
    pub(super) fn octets(&self) -> Vec<u8> {
        let fields = [self.high_water, self.in_use, self.unusable];
        let known = fields.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        fields[..known].iter().flat_map(|field| field.map_or(NO_DATA, |count| count.min(MOST)).to_be_bytes()).collect()
    }

    /// Reads what there is; a tail that the RFC does not know is ignored.
    pub(super) fn read(octets: &[u8]) -> Self {
        let field = |index: usize| {
            let pair = octets.get(index * 2..index * 2 + 2)?;
            let count = u16::from_be_bytes([pair[0], pair[1]]);
            (count != NO_DATA).then_some(count)
        };
        Self { high_water: field(0), in_use: field(1), unusable: field(2) }
    }
}

const NO_DATA: u16 = 0xffff;
const MOST: u16 = 0xfffe;
