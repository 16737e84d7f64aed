//! Messages among the members of a cluster (section 4b of the wire reference).

mod message;

pub use message::{
    ASSIGNMENTS_MAX, Assignment, Body, Header, JoinRefusal, JoinRequest, MEMBERS_MAX, MasterKeepalive, MasterOffer,
    MemberKeepalive, MemberState, StateMark, TABLE_CHUNK, TableChunk, TableEntry,
};
