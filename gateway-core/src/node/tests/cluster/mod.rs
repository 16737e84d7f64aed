//! Several nodes with their replication between them: what one does, all have.

mod keeper;
mod mesh;
mod models;
mod sessions;
mod snapshots;

use super::{SERVER, Server, world};
use mesh::{Mesh, member};
