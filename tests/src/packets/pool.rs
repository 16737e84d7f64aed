//! Planes that tests take turns with: loading one takes seconds, since the kernel verifies the programs.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use super::Plane;

/// Room for subscribers.
const CAPACITY: u32 = 1024;

static IDLE: Mutex<Vec<Plane>> = Mutex::new(Vec::new());

/// A plane of the pool, which gets it back.
pub struct Lent(Option<Plane>);

impl Plane {
    /// A plane with empty maps and room for 1024 subscribers: one that another test is done with, or a new one. Programs
    /// of such a plane are not to be attached to anything.
    ///
    /// # Errors
    ///
    /// As [`Plane::load`].
    pub fn lend() -> Result<Lent> {
        // In a statement of its own: the lock is not held while a plane is loaded.
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut plane = idle.map_or_else(|| Plane::load(CAPACITY), Ok)?;
        plane.wipe()?;
        Ok(Lent(Some(plane)))
    }
}

impl Deref for Lent {
    type Target = Plane;

    fn deref(&self) -> &Plane {
        self.0.as_ref().expect("given back only when dropped")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Plane {
        self.0.as_mut().expect("given back only when dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).extend(self.0.take());
    }
}
