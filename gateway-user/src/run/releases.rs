//! What the node shows of releases, as rows: a card's restart is one row, whatever versions of IP its subscribers speak.

use std::net::{Ipv4Addr, Ipv6Addr};

use gateway_core::line::FpcId;
use gateway_core::release::{Phase, Progress, ReleaseView};
use gateway_core::scope::Epoch;
use gateway_core::time::Instant;
use gateway_core::v6::release as release6;

use super::Gateway;
use crate::control::protocol::{Release, ReleaseAtServer, ReleaseOf6};

impl Gateway {
    /// The latest first.
    pub(super) fn releases(&self, now: Instant) -> Vec<Release> {
        let (four, mut six) = (self.node.releases(), self.node.releases6());
        let mut rows: Vec<(Instant, Release)> = Vec::new();
        for view in &four {
            // Of both halves of a restart the node has one at most.
            let other = six.iter().position(|six| (six.fpc, six.cutoff) == (view.fpc, view.cutoff));
            let other = other.map(|place| six.remove(place));
            rows.push((began(view.decided_at, view.started), self.release(Some(view), other.as_ref(), now)));
        }
        for view in &six {
            rows.push((began(view.decided_at, view.started), self.release(None, Some(view), now)));
        }
        rows.sort_by_key(|(began, _)| std::cmp::Reverse(*began));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// One of them is there.
    fn release(&self, four: Option<&ReleaseView>, six: Option<&release6::ReleaseView>, now: Instant) -> Release {
        let of = four.map(|view| (view.fpc, view.cutoff, began(view.decided_at, view.started), view.finished));
        let of6 = six.map(|view| (view.fpc, view.cutoff, began(view.decided_at, view.started), view.finished));
        let unknown = (FpcId(u16::MAX), Epoch(0), now, None);
        let (fpc, cutoff, began, _) = of.or(of6).unwrap_or(unknown);
        // It is over when both halves are.
        let finished = of.into_iter().chain(of6).map(|(.., finished)| finished);
        let finished = finished.reduce(|one, other| Some(one?.max(other?))).flatten();
        let sum = |part: fn(&Progress) -> u64| {
            four.map_or(0, |view| view.servers.iter().map(|(_, progress)| part(progress)).sum())
        };
        let cause = self.causes.get(&(fpc, cutoff)).map_or("resumed", String::as_str);
        let at_servers = four.iter().flat_map(|view| &view.servers).map(|(server, progress)| at(*server, progress));
        let at_servers6 = six.iter().flat_map(|view| &view.servers).map(|(server, progress)| at6(*server, progress));
        Release {
            fpc: self.fpc_name(fpc),
            cause: cause.to_owned(),
            cutoff: cutoff.0,
            age: now.since(began).as_secs_f64(),
            took: finished.map(|finished| finished.since(began).as_secs_f64()),
            total: sum(|progress| progress.total),
            released: sum(|progress| progress.released + progress.unverified + progress.skipped),
            orphaned: sum(|progress| progress.orphaned),
            single_logouts: sum(|progress| progress.bulk_sent),
            individual: sum(|progress| progress.individual_sent),
            leases6: six.map(leases),
            servers: at_servers.chain(at_servers6).collect(),
        }
    }
}

fn began(decided_at: Instant, started: Instant) -> Instant {
    if decided_at == Instant::ZERO { started } else { decided_at }
}

fn leases(view: &release6::ReleaseView) -> ReleaseOf6 {
    let sum = |part: fn(&release6::Progress) -> u64| view.servers.iter().map(|(_, progress)| part(progress)).sum();
    ReleaseOf6 {
        total: sum(|progress| progress.total),
        released: sum(released6),
        orphaned: sum(|progress| progress.kept + progress.silent),
        single_logouts: sum(|progress| progress.single_logouts),
        requests: sum(|progress| progress.requests),
        individual: sum(|progress| progress.individual),
    }
}

fn released6(progress: &release6::Progress) -> u64 {
    progress.released + progress.no_binding + progress.skipped
}

fn at(server: Ipv4Addr, progress: &Progress) -> ReleaseAtServer {
    let phase = match progress.phase {
        Phase::Bulk => format!("single logout, attempt {}", progress.bulk_sent.max(1)),
        Phase::Individual => "individual RELEASEs".to_owned(),
        Phase::Done if progress.orphaned > 0 => "waiting to try again".to_owned(),
        Phase::Done => "done".to_owned(),
        Phase::TakenOver => "a later restart took over".to_owned(),
    };
    ReleaseAtServer {
        server: server.to_string(),
        phase,
        total: progress.total,
        released: progress.released + progress.unverified + progress.skipped,
    }
}

fn at6(server: Ipv6Addr, progress: &release6::Progress) -> ReleaseAtServer {
    let phase = match progress.done() {
        _ if progress.logging_out => format!("single logout, attempt {}", progress.single_logouts.max(1)),
        done if done < progress.total && progress.individual > 0 => "individual RELEASEs".to_owned(),
        done if done < progress.total => "RELEASE-REQUESTs".to_owned(),
        _ if progress.silent > 0 => "waiting to try again".to_owned(),
        _ => "done".to_owned(),
    };
    ReleaseAtServer { server: server.to_string(), phase, total: progress.total, released: released6(progress) }
}
