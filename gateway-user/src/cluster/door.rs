//! What goes between the cluster's thread and the others, and the ways it goes.
//!
//! The core's inputs and outputs are few, and none may be lost: their ways have no bound. Held frames come at the rate at which
//! subscribers send, and leave at the rate at which they are let go: their ways are short, what does not fit is lost like on any
//! link, and nothing waits behind them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::mpsc::SyncSender;

use gateway_common::unit::Unit;
use gateway_core::cluster::{ClusterView, Coordinated, Counters, Event, HeldFrame, OperatorError, PeerEvent, Request};
use gateway_core::member::{MemberId, UnitVersion};
use gateway_core::wire::cluster::{Assignment, Key};
use tokio::sync::mpsc;

/// Held frames that wait for the cluster's thread, or to be served.
const FRAMES: usize = 1024;
/// Inputs taken before the link is looked at again.
const INPUTS_AT_ONCE: usize = 256;
/// Held frames taken before everything else is looked at again: sealing and sending so many takes less than a millisecond.
const FRAMES_AT_ONCE: usize = 32;

/// What the packet loop tells the core.
#[derive(Debug)]
pub(crate) enum Input {
    /// A member's stream changed.
    Peer(MemberId, PeerEvent),
    /// A member told its key for this life.
    Key(MemberId, Key),
    /// Whether our state is complete.
    Synced(bool),
    /// All changes of a member up to this number are applied.
    Applied(MemberId, u64),
    /// Of a member whose stream is lost we have all that there is.
    Settled(MemberId),
    /// A member has discarded what we said of units of others.
    Discarded(MemberId),
    /// A member knows of a newer assignment of a unit than ours.
    Outdated(Unit, UnitVersion),
    /// The logins of a unit were stopped; the number of our last change.
    Flushed(Unit, u64),
    /// Our load, in packets forwarded in a second.
    Load(u32),
    /// Interfaces on which the shared addresses are announced, and by which MAC members are reached on each.
    Segments(Vec<Segment>),
    /// Whether a unit may join, as far as we are concerned.
    Approved(MemberId, bool),
    /// An operator's wish.
    Operator(Request, SyncSender<Result<(), OperatorError>>),
    /// What the coordinator outside says; `None`: it can't be reached.
    Coordination(Option<Coordinated>),
    /// It keeps these assignments.
    Recorded(Vec<Assignment>),
    /// Tell how things stand.
    View(SyncSender<Seen>),
}

/// How things stand.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Members and units.
    pub(crate) view: ClusterView,
    /// What the core counted.
    pub(crate) counters: Counters,
    /// Datagrams without effect, by [`Refused::name`].
    pub(crate) refused: BTreeMap<&'static str, u64>,
}

/// One of our interfaces on a segment that members share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    /// The interface.
    pub(crate) ifindex: u32,
    /// Its MAC.
    pub(crate) mac: [u8; 6],
    /// The shared addresses that live on it.
    pub(crate) addresses: Vec<IpAddr>,
    /// The other members' MACs on it.
    pub(crate) members: Vec<(MemberId, [u8; 6])>,
    /// It is the link between the members.
    pub(crate) is_link: bool,
}

/// What the core wants of the packet loop.
#[derive(Debug)]
pub(crate) enum Output {
    /// These units are ours now, under these versions.
    Owned(Vec<(Unit, UnitVersion)>),
    /// Stop this unit's logins, then say [`Input::Flushed`].
    Flush(Unit),
    /// A frame of a unit of ours.
    Inject(HeldFrame),
    /// Who keeps what has no client.
    Keeper(Option<MemberId>),
    /// We follow this master now; `None`: it is ourselves, or nobody.
    Joined(Option<MemberId>),
    /// A unit wants to join: say [`Input::Approved`].
    AskToJoin(MemberId),
    /// Close the stream to a member.
    Disconnect(MemberId),
    /// The operator's exit is complete.
    Left,
    /// Who owns these units now, as the data plane was told.
    Owners(Vec<(Unit, Option<MemberId>)>),
    /// Whether we speak for all: the master does.
    Answers(bool),
    /// The shared addresses are announced as ours on all ports: tell tagged lines as well.
    Announced,
    /// Whether this member rules without a majority.
    Degraded(bool),
    /// For the log.
    Tell(Event),
}

/// The way out of the cluster's thread.
#[derive(Clone, Debug)]
pub(super) struct Exit {
    outputs: mpsc::UnboundedSender<Output>,
    frames: mpsc::Sender<HeldFrame>,
}

/// What comes out of it.
#[derive(Debug)]
pub(crate) struct Outputs {
    outputs: mpsc::UnboundedReceiver<Output>,
    frames: mpsc::Receiver<HeldFrame>,
}

impl Exit {
    /// Tells the packet loop, unless that has ended, and so will we.
    pub(super) fn tell(&self, output: Output) {
        let _ = self.outputs.send(output);
    }

    /// Gives it a frame to serve. False: it has more of them than it can take, and the frame is lost.
    pub(super) fn inject(&self, frame: HeldFrame) -> bool {
        self.frames.try_send(frame).is_ok()
    }
}

impl Outputs {
    /// The next one, which may take its time; `None` when the thread has ended.
    pub(crate) async fn wait(&mut self) -> Option<Output> {
        tokio::select! {
            biased;
            output = self.outputs.recv() => output,
            Some(frame) = self.frames.recv() => Some(Output::Inject(frame)),
        }
    }

    /// The next one that is there. Frames come last: what they need to be served by has been told before.
    pub(crate) fn next(&mut self) -> Option<Output> {
        self.outputs.try_recv().ok().or_else(|| self.frames.try_recv().ok().map(Output::Inject))
    }
}

pub(super) fn exit() -> (Exit, Outputs) {
    let (outputs, told) = mpsc::unbounded_channel();
    let (frames, let_go) = mpsc::channel(FRAMES);
    (Exit { outputs, frames }, Outputs { outputs: told, frames: let_go })
}

/// The way into the cluster's thread.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    inputs: mpsc::UnboundedSender<Input>,
    frames: mpsc::Sender<(Unit, HeldFrame)>,
}

/// The thread has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ended;

impl Door {
    /// Tells the core.
    pub(crate) fn tell(&self, input: Input) -> Result<(), Ended> {
        self.inputs.send(input).map_err(|_| Ended)
    }

    /// Gives it a frame to hold. False: it has more of them than it can take, and the frame is lost.
    pub(crate) fn hold(&self, unit: Unit, frame: HeldFrame) -> bool {
        self.frames.try_send((unit, frame)).is_ok()
    }
}

/// What has come through the door.
#[derive(Debug)]
pub(super) struct Arrivals {
    inputs: mpsc::UnboundedReceiver<Input>,
    frames: mpsc::Receiver<(Unit, HeldFrame)>,
    /// Taken off its way by [`Arrivals::wait`].
    first: Option<Arrival>,
}

/// One of them.
#[derive(Debug)]
pub(super) enum Arrival {
    Input(Input),
    Held(Unit, HeldFrame),
}

/// What may still be taken in a turn.
#[derive(Debug)]
pub(super) struct Turn {
    inputs: usize,
    frames: usize,
}

impl Turn {
    pub(super) const fn new() -> Self {
        Self { inputs: INPUTS_AT_ONCE, frames: FRAMES_AT_ONCE }
    }
}

pub(super) fn open() -> (Door, Arrivals) {
    let (inputs, told) = mpsc::unbounded_channel();
    let (frames, held) = mpsc::channel(FRAMES);
    (Door { inputs, frames }, Arrivals { inputs: told, frames: held, first: None })
}

impl Arrivals {
    /// Returns when there is something to take; false when nobody is left who could say anything.
    pub(super) async fn wait(&mut self) -> bool {
        if self.first.is_some() {
            return true;
        }
        tokio::select! {
            biased;
            input = self.inputs.recv() => self.first = input.map(Arrival::Input),
            Some((unit, frame)) = self.frames.recv() => self.first = Some(Arrival::Held(unit, frame)),
        }
        self.first.is_some()
    }

    /// The next one of this turn: inputs first.
    pub(super) fn next(&mut self, turn: &mut Turn) -> Option<Arrival> {
        let waited = matches!(self.first, Some(Arrival::Held(..)));
        if turn.inputs > 0
            && let Some(input) =
                self.first.take_if(|_| !waited).or_else(|| self.inputs.try_recv().ok().map(Arrival::Input))
        {
            turn.inputs -= 1;
            return Some(input);
        }
        turn.frames = turn.frames.checked_sub(1)?;
        self.first
            .take_if(|_| waited)
            .or_else(|| self.frames.try_recv().ok().map(|(unit, frame)| Arrival::Held(unit, frame)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> (Unit, HeldFrame) {
        (Unit::new(7).unwrap(), HeldFrame { port: None, frame: vec![0; 60] })
    }

    fn is_input(arrival: &Arrival) -> bool {
        matches!(arrival, Arrival::Input(_))
    }

    /// H-CL-19, H-CL-27: a flood of frames to be held fills its own way only, keeps nothing waiting that was told after it, and
    /// takes a small part of each turn.
    #[tokio::test]
    async fn a_flood_of_held_frames_waits_for_everything_else() {
        let (door, mut arrivals) = open();
        let held = (0..10 * FRAMES).filter(|_| {
            let (unit, frame) = frame();
            door.hold(unit, frame)
        });
        assert_eq!(held.count(), FRAMES, "and the others are lost, as the caller is told");
        // The frame that woke the thread is no exception.
        assert!(arrivals.wait().await);
        for load in 0..3 {
            door.tell(Input::Load(load)).unwrap();
        }
        let mut turn = Turn::new();
        let taken: Vec<_> = std::iter::from_fn(|| arrivals.next(&mut turn)).collect();
        assert!(taken[..3].iter().all(is_input) && !taken[3..].iter().any(is_input));
        assert_eq!(taken.len(), 3 + FRAMES_AT_ONCE);
        let mut turns = 1;
        while !arrivals.frames.is_empty() {
            let mut turn = Turn::new();
            while arrivals.next(&mut turn).is_some() {}
            turns += 1;
        }
        assert_eq!(turns, FRAMES / FRAMES_AT_ONCE);
    }

    /// H-CL-19: neither do frames that are let go wait without bound for a packet loop that is busy, nor keep anything else
    /// waiting, nor come before what they need to be told by.
    #[tokio::test]
    async fn frames_that_are_let_go_are_bounded() {
        let (exit, mut outputs) = exit();
        let went = (0..10 * FRAMES).filter(|_| exit.inject(frame().1)).count();
        assert_eq!(went, FRAMES);
        exit.tell(Output::Left);
        assert!(matches!(outputs.wait().await, Some(Output::Left)));
        exit.tell(Output::Left);
        assert!(matches!(outputs.next(), Some(Output::Left)));
        let frames = std::iter::from_fn(|| outputs.next()).filter(|output| matches!(output, Output::Inject(_)));
        assert_eq!(frames.count(), FRAMES);
        assert!(exit.inject(frame().1), "there is room again");
        assert!(matches!(outputs.wait().await, Some(Output::Inject(_))));
        drop(exit);
        assert!(outputs.wait().await.is_none());
    }

    /// Neither do inputs keep the link waiting; and nothing is lost, however it is taken.
    #[tokio::test]
    async fn a_turn_ends() {
        let (door, mut arrivals) = open();
        (0..1000).for_each(|load| door.tell(Input::Load(load)).unwrap());
        let mut loads = Vec::new();
        while loads.len() < 1000 && arrivals.wait().await {
            let mut turn = Turn::new();
            let mut taken = 0;
            while let Some(arrival) = arrivals.next(&mut turn) {
                let Arrival::Input(Input::Load(load)) = arrival else { panic!("nobody said that: {arrival:?}") };
                loads.push(load);
                taken += 1;
            }
            assert!((1..=INPUTS_AT_ONCE).contains(&taken));
        }
        assert!(loads.into_iter().eq(0..1000));
        drop(door);
        assert!(!arrivals.wait().await, "nobody is left");
    }
}
