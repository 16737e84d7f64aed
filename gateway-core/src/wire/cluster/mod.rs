//! Messages among the members of a cluster (section 4b of the wire reference).

mod message;

pub use message::{
    Assignment, Body, Header, JoinRefusal, JoinRequest, MasterKeepalive, MasterOffer, MemberKeepalive, MemberState,
};
