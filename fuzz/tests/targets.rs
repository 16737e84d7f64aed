//! Every fuzz target, for a moment: its seeds, what was ever found, and some hundred inputs made of them.

use gateway_fuzz::{TARGETS, search, target};

fn search(name: &str) {
    search::search(&target(name).expect("a target of this name"), search::TRIES);
}

/// Relay messages within one another, to any depth, from subscribers, relays below and servers. RFC 8415 19.1.2, H-RR-8
#[test]
fn nested_relay_messages() {
    search("nested");
}

/// Lengths that lie, at every reader there is.
#[test]
fn option_lengths_that_lie() {
    search("lengths");
}

/// Two IAs of one kind with one IAID, from a server and from a client. RFC 8415 4.2
#[test]
fn two_ias_with_one_iaid() {
    search("iaids");
}

/// Replies to transactions that nobody began. RR-39
#[test]
fn replies_for_unknown_transactions() {
    search("transactions");
}

/// RELEASE-REQUESTs from a subscriber's port, from a relay that nobody knows, for another server, without a relay-id. RR-34,
/// RR-37, RR-41, RR-59, RR-63, H-RR-8
#[test]
fn release_requests_of_strangers() {
    search("requests");
}

/// Replies to RELEASE-REQUESTs: without a status, about clients that were not asked about, NoBinding for some of a batch.
/// RR-39, RR-40, RR-57, RR-58
#[test]
fn answers_to_a_batch() {
    search("answers");
}

/// Clients that renew while they are released. H-RR-6
#[test]
fn clients_that_renew_meanwhile() {
    search("renewals");
}

/// Prefixes that overlap another subscriber's.
#[test]
fn prefixes_that_overlap() {
    search("overlaps");
}

/// No target is left out above, and no directory of kept inputs is of none.
#[test]
fn all_are_searched() {
    let source = include_str!("targets.rs");
    for target in TARGETS {
        assert!(source.contains(&format!("search(\"{}\")", target.name)), "{} is not searched", target.name);
    }
    let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("kept");
    for entry in std::fs::read_dir(kept).into_iter().flatten() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with('.') || target(&name).is_some(), "fuzz/kept/{name} is of no target");
    }
}
