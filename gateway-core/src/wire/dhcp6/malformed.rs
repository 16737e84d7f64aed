//! Why octets are no DHCPv6 message.

use thiserror::Error;

use super::IaKind;

/// What was wrong, and where. Offsets count from the first octet of the message that was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Malformed {
    /// Fewer octets than the fixed part of a message needs.
    #[error("cut short: {length} octets, at least {least} needed")]
    Short {
        /// Octets there are.
        length: usize,
        /// Octets the fixed part takes.
        least: usize,
    },
    /// One to three octets behind the last option, which are no option.
    #[error("{length} octets at offset {at} are no option")]
    Trailing {
        /// Where they begin.
        at: usize,
        /// How many there are.
        length: usize,
    },
    /// An option whose length reaches beyond its container.
    #[error("option {code} at offset {at} is cut")]
    CutOption {
        /// The option.
        code: u16,
        /// Offset of its code.
        at: usize,
    },
    /// An option whose value can't be what its code says.
    #[error("option {code} at offset {at} has a value of the wrong form")]
    Value {
        /// The option.
        code: u16,
        /// Offset of its code.
        at: usize,
    },
    /// An option that may be there once is there again.
    #[error("option {code} is repeated at offset {at}")]
    Repeated {
        /// The option.
        code: u16,
        /// Offset of the second one's code.
        at: usize,
    },
    /// An option is not there without which the message means nothing.
    #[error("option {0} is missing")]
    Missing(u16),
    /// Two IAs of one kind have one IAID (RFC 8415 section 4.2: they are told apart by nothing else).
    #[error("a second {kind:?} with IAID {iaid} at offset {at}")]
    DuplicateIaid {
        /// Which sort of IA.
        kind: IaKind,
        /// What both are called.
        iaid: u32,
        /// Offset of the second one's code.
        at: usize,
    },
    /// A message of a type that does not belong here.
    #[error("a message of type {0} does not belong here")]
    Kind(u8),
    /// More relay messages within one another than hop counts allow.
    #[error("more than {} relay messages within one another", super::NEST_MAX)]
    Depth,
}
