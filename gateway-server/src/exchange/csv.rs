//! Our own table: a heading, then a lease on each line.

use ::csv::{QuoteStyle, WriterBuilder};

use super::columns::{Columns, Line};
use super::{Lease, Problem, Read, Row};

/// The columns. Those that a file doesn't have are as if they were empty, in whatever order it has the others.
pub const COLUMNS: [&str; 15] = [
    "address",
    "state",
    "mac",
    "client_id",
    "duid",
    "iaid",
    "last",
    "preferred",
    "expires",
    "relay",
    "relay_id",
    "agent_information",
    "scope",
    "peer",
    "relay_message",
];

/// The first line, with its end.
pub fn heading() -> String {
    COLUMNS.join(",") + "\n"
}

/// The line of a lease, with its end.
pub fn line(row: &Row) -> String {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let fields = [
        row.address.clone(),
        row.state.clone(),
        text(&row.mac),
        text(&row.client_id),
        text(&row.duid),
        row.iaid.map_or(String::new(), |iaid| iaid.to_string()),
        text(&row.last),
        text(&row.preferred),
        text(&row.expires),
        text(&row.relay),
        text(&row.relay_id),
        text(&row.agent_information),
        text(&row.scope),
        text(&row.peer),
        text(&row.relay_message),
    ];
    let mut writer = WriterBuilder::new().quote_style(QuoteStyle::Necessary).from_writer(Vec::new());
    // Memory takes all that is written.
    let _ = writer.write_record(&fields);
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

pub(super) fn read(octets: &[u8]) -> Result<Read, Problem> {
    let columns = Columns::new(octets, true, &["address", "state", "expires"])?;
    Ok(columns.read(lease, |read, line, lease| read.leases.push((line, lease))))
}

fn lease(line: &Line<'_>) -> Result<Lease, String> {
    let text = |name| Ok::<_, String>(line.field(name)?.map(str::to_owned));
    let row = Row {
        address: line.needed("address")?.to_owned(),
        state: line.needed("state")?.to_owned(),
        mac: text("mac")?,
        client_id: text("client_id")?,
        duid: text("duid")?,
        iaid: line.field("iaid")?.map(|_| line.number("iaid")).transpose()?,
        last: text("last")?,
        preferred: text("preferred")?,
        expires: text("expires")?,
        relay: text("relay")?,
        relay_id: text("relay_id")?,
        agent_information: text("agent_information")?,
        scope: text("scope")?,
        peer: text("peer")?,
        relay_message: text("relay_message")?,
    };
    row.lease()
}
