//! What carries members' streams, as text.

use std::fmt::Write as _;

use super::text::{Table, seconds};
use crate::control::protocol::{Members, Path, Stream};

/// A paragraph for each member that there is a stream to.
pub(crate) fn paths(members: &Members) -> String {
    let mut text = String::new();
    for member in &members.members {
        let Some(stream) = &member.stream else { continue };
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}: {}", member.name, head(stream));
        if !stream.paths.is_empty() {
            text += &rows(&stream.paths);
        }
    }
    if text.is_empty() { "there is no other member\n".to_owned() } else { text }
}

fn head(stream: &Stream) -> String {
    let mut text = match (stream.transport.as_str(), &stream.why) {
        ("none", _) => return "no stream".to_owned(),
        ("tcp", Some(why)) => format!("TCP, one path: {why}"),
        (transport, Some(why)) => format!("{}: {why}", transport.to_uppercase()),
        (transport, None) => transport.to_uppercase(),
    };
    if let Some(lasts) = stream.lasts {
        let _ = write!(text, "; for {}", seconds(lasts as u64));
    }
    if let Some(last) = &stream.last {
        let failed = if last.done { "" } else { "not done: " };
        let _ = write!(text, "; {} ago: {failed}{}, {}", seconds(last.ago as u64), last.change, last.why);
    }
    text
}

/// Where data goes, and where it is to come.
fn rows(paths: &[Path]) -> String {
    let mut table = Table::new(&["", "ADDRESS", "STATE", "", ">LOSS", ">RTT", ">RTO", ""]);
    for path in paths {
        table.row([
            if path.own { "from" } else { "to" }.to_owned(),
            path.address.clone(),
            path.state.clone(),
            if path.primary { "primary" } else { "" }.to_owned(),
            path.loss.map_or("-".to_owned(), |loss| format!("{loss:.1} %")),
            path.rtt_ms.map_or("-".to_owned(), |rtt| format!("{rtt:.2} ms")),
            path.rto_ms.map_or("-".to_owned(), |rto| format!("{rto} ms")),
            path.why.clone().unwrap_or_default(),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stream runs over, and why not over what could change its addresses.
    #[test]
    fn heads() {
        let tcp = Stream::tcp("198.51.100.1", "198.51.100.3", "this host has no SCTP");
        assert_eq!(head(&tcp), "TCP, one path: this host has no SCTP");
        let lasting = Stream { lasts: Some(75.3), ..tcp.clone() };
        assert_eq!(head(&lasting), "TCP, one path: this host has no SCTP; for 1m15s");
        assert_eq!(tcp.paths.iter().filter(|path| path.own).count(), 1);
        let fixed = Stream {
            transport: "sctp".to_owned(),
            why: Some("the other host can't change addresses".to_owned()),
            ..Stream::default()
        };
        assert_eq!(head(&fixed), "SCTP: the other host can't change addresses");
        assert_eq!(head(&Stream::none()), "no stream");
    }
}
