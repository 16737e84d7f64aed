//! What the programs have counted.

use anyhow::{Context as _, Result, bail};
use aya::maps::{Map, PerCpuArray};
use gateway_common::maps;
use gateway_common::sctp::Chunk;
use gateway_common::verdict::{Counter, Program, Verdict};

use super::{Plane, batch};

impl Plane {
    /// The counters of a program, by verdict, summed over the processors.
    pub fn counters(&self, program: Program) -> Result<Vec<Counter>> {
        let Some(Map::PerCpuArray(counters)) = self.0.map(maps::COUNTERS) else {
            bail!("no per-CPU array {}", maps::COUNTERS)
        };
        let copies = batch::copies()?;
        let octets = batch::read(counters, copies)?;
        // Each a number of packets and one of octets.
        let (numbers, _) = octets.as_chunks();
        let numbers: Vec<u64> = numbers.iter().map(|number| u64::from_ne_bytes(*number)).collect();
        let sum = |verdict: &Verdict| {
            let first = verdict.counter(program) as usize * 2 * copies;
            let (pairs, _) = numbers[first..first + 2 * copies].as_chunks();
            pairs.iter().fold(Counter::default(), |sum, [packets, octets]| Counter {
                packets: sum.packets + packets,
                octets: sum.octets + octets,
            })
        };
        Ok(Verdict::ALL.iter().map(sum).collect())
    }

    /// How many of these SCTP chunks a program has counted.
    ///
    /// # Errors
    ///
    /// When there is no such map.
    pub fn chunks(&self, program: Program, chunk: Chunk) -> Result<u64> {
        let map = PerCpuArray::<_, u64>::try_from(self.0.map(maps::CHUNKS).context(maps::CHUNKS)?)?;
        Ok(map.get(&chunk.counter(program), 0)?.iter().sum())
    }
}
