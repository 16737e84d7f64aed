//! Planes that tests take turns with: loading one takes seconds, since the kernel verifies the programs.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use aya::programs::XdpMode;
use aya::programs::xdp::XdpLink;
use gateway_common::verdict::Program;

use super::Plane;

/// Room for subscribers.
pub const CAPACITY: u32 = 1024;

static IDLE: Mutex<Vec<Plane>> = Mutex::new(Vec::new());

/// A plane of the pool, which gets it back.
pub struct Lent {
    plane: Option<Plane>,
    /// Dropped, they detach its programs.
    attached: Vec<XdpLink>,
}

impl Lent {
    /// Attaches a program to an interface for as long as the plane is lent.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn attach(&mut self, program: Program, ifindex: u32, mode: XdpMode) -> Result<()> {
        let program = self.program(program)?;
        let id = program.attach_to_if_index(ifindex, mode)?;
        let link = program.take_link(id)?;
        self.attached.push(link);
        Ok(())
    }
}

impl Plane {
    /// A plane with empty maps and room for [`CAPACITY`] subscribers: one that another test is done with, or a new one. Its
    /// programs are attached by [`Lent::attach`] only, which takes them off again.
    ///
    /// # Errors
    ///
    /// As [`Plane::load`].
    pub fn lend() -> Result<Lent> {
        // In a statement of its own: the lock is not held while a plane is loaded.
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut plane = idle.map_or_else(|| Plane::load(CAPACITY), Ok)?;
        plane.wipe()?;
        Ok(Lent { plane: Some(plane), attached: Vec::new() })
    }
}

impl Deref for Lent {
    type Target = Plane;

    fn deref(&self) -> &Plane {
        self.plane.as_ref().expect("given back only when dropped")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Plane {
        self.plane.as_mut().expect("given back only when dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.attached.clear();
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).extend(self.plane.take());
    }
}
