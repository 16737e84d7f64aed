//! What a line card is told by the configuration, and the words for what happens to it.

use core::fmt;

use crate::line::FpcId;
use crate::time::Duration;

/// One line card; its [`FpcId`] is its place in the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FpcConfig {
    /// Name. Sessions on disk refer to it, so a reordered configuration keeps them.
    pub name: String,
    /// What a restart does to its logins.
    pub policy: Policy,
    /// How long a lost link may stay lost before it counts as a restart.
    pub hold_down: Duration,
    /// Restart at fixed times (BR-20).
    pub schedule: Option<Schedule>,
    /// Which lost ports make a lost card.
    pub trigger: Trigger,
}

/// One access port; its `PortId` is its place in the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortConfig {
    /// Name of the interface. Sessions on disk refer to it.
    pub name: String,
    /// The card it belongs to.
    pub fpc: FpcId,
    /// Sessions this port may have at the same time; `None` is no limit.
    pub max_clients: Option<u32>,
}

/// What a restart does to a card's logins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    /// Log them out at their servers (the default).
    #[default]
    Logout,
    /// Keep them until their leases end.
    Maintain,
}

/// Which lost ports make a lost card.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Trigger {
    /// All of them: one bad cable does not log out the neighbours.
    #[default]
    AllPorts,
    /// Any of them.
    AnyPort,
}

/// Restarts by the clock (BR-20).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Schedule {
    /// Every day at this second of the UTC day (the shell converts from local time).
    Daily {
        /// 0..86 400.
        second: u32,
    },
    /// Each time this long has passed since the node started.
    Every(Duration),
}

/// What the shell reports about an access port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkEvent {
    /// It has a carrier. Reported for each port at start too.
    Up,
    /// It lost its carrier or was set down; after `hold_down` this is a restart. Reported at start too.
    Down,
    /// The interface is gone (or came back as another one, before its `Up`): a restart at once, there is nothing
    /// whose return could be waited for.
    Removed,
}

/// What made us decide that a card restarts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// A port lost its carrier for longer than `hold_down`.
    LinkDown,
    /// An interface was removed.
    Removed,
    /// An operator said so, ahead of time.
    Operator,
    /// The schedule said so, ahead of time.
    Schedule,
    /// The card is no longer in the configuration.
    Unconfigured,
    /// The decision was made before the controller was restarted, and not yet carried out (H-BR-20).
    Resumed,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LinkDown => "link down",
            Self::Removed => "interface removed",
            Self::Operator => "operator",
            Self::Schedule => "schedule",
            Self::Unconfigured => "no longer configured",
            Self::Resumed => "resumed",
        })
    }
}
