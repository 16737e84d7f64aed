//! The screen at several sizes, through a terminal in memory.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::Screen as _;
use super::alone::Alone;
use super::draw::draw;
use super::model::{Model, Snapshot};
use crate::sample;

fn snapshot() -> Snapshot {
    Snapshot {
        status: sample::status(),
        fpcs: sample::fpcs(),
        servers: sample::servers(),
        releases: sample::releases(),
        units: sample::units(false),
        members: Some(sample::members()),
        events: sample::events(),
        subnets: None,
    }
}

/// Subnets of the embedded server have bars, where there is room for them.
#[test]
fn subnets_have_bars() {
    let row = r#"{"subnet":"100.96.0.0/24","provider":"192.0.2.9","standing":"active","size":256,"free":64,
        "in_use":64,"high_water":64,"unusable":0,"blocks":[
        {"subnet":"100.96.0.0/25","state":"own","size":128,"in_use":64,"high_water":64,"unusable":0},
        {"subnet":"100.96.0.128/26","state":"leased","holder":"east","address":"192.0.2.8","expires":60,"wanted":true,"size":64},
        {"subnet":"100.96.0.192/26","state":"free","size":64}]}"#;
    let view = format!(
        r#"{{"id":"west","address":"192.0.2.2","asking":false,"recovering":false,"scarce":false,"need":0,"roots":[{row}]}}"#
    );
    let mut model = model();
    model.snapshot.as_mut().unwrap().subnets = Some(serde_json::from_str(&view).unwrap());
    let large = text(&screen(&model, 120, 40));
    let parts = ["├─ 100.96.0.0/25", "this server", "64/128", "└─ 100.96.0.128/26", "east", "wanted back", "-/64"];
    for part in ["100.96.0.0/24", "from 192.0.2.9", "64/256", "█", "▒"].into_iter().chain(parts) {
        assert!(large.contains(part), "{part:?} is missing in\n{large}");
    }
    assert!(!large.contains("100.96.0.192/26"), "in nobody's hands:\n{large}");
    let bar = large.lines().find(|line| line.contains("64/256")).unwrap();
    let cells = |cell: char| bar.chars().filter(|found| *found == cell).count();
    let all = cells('█') + cells('▒') + cells('░');
    let quarters = |quarters: usize| (all as f64 * quarters as f64 / 4.0).round() as usize;
    let shown = (cells('█'), cells('█') + cells('▒'));
    assert_eq!(shown, (quarters(1), quarters(3)), "a quarter is used, half besides is held: {bar}");
    let small = text(&screen(&model, 100, 32));
    assert!(small.contains("100.96.0.0/24") && !small.contains("100.96.0.0/25"), "no room for the parts:\n{small}");
    assert!(!text(&screen(&model, 80, 20)).contains("100.96.0.0/24"));
}

/// Two looks, a second apart: 5000 packets and 50 logins came between.
fn model() -> Model {
    let mut model = Model::default();
    model.update(snapshot(), Duration::from_secs(10));
    let mut later = snapshot();
    later.status.verdicts[0].packets += 5000;
    later.status.verdicts[0].octets += 500_000;
    later.status.counters.insert("logins".to_owned(), 1284);
    model.update(later, Duration::from_secs(11));
    model
}

fn screen(model: &Model, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(model, frame)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let symbols: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
    symbols.chunks(width).map(|row| row.concat() + "\n").collect()
}

#[test]
fn everything_on_a_large_screen() {
    let buffer = screen(&model(), 120, 40);
    let text = text(&buffer);
    for part in [
        "BNG-0042",
        "up 3h12m",
        "1,000 sessions of 1.0M",
        "50 logins/s",
        "3 orphaned",
        "fpc0         up                 500       750",
        "2001:db8:5e5e:1::1:2",
        "down 12s",
        "forwarded-up",
        "5.0k",
        "4.0Mb",
        "no-session",
        "units: 512 of 1024 own",
        "12.0 s fpc1 restarts (interface removed)",
        "capable",
        "incapable",
        "250+100/800 individual RELEASEs at 192.0.2.3",
        " q  quit   p  pause",
        "core0: native XDP is not to be had",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert!(!text.contains("wrong-mac"), "a verdict that never occurred takes no row");
    // The field: ours above, gw-b's below with two on their way, nobody's at the end.
    let field = field(&buffer);
    assert_eq!(field.len(), 1024);
    let count = |color| field.iter().filter(|found| **found == color).count();
    assert_eq!([Color::Green, Color::Cyan, Color::White, Color::Black].map(count), [512, 486, 2, 24]);
    assert_eq!(
        (field[601], field[602], field[0], field[1023]),
        (Color::White, Color::Cyan, Color::Green, Color::Black)
    );
}

/// The colours of the units, by their numbers.
fn field(buffer: &Buffer) -> Vec<Color> {
    let cells: Vec<_> = buffer.content().iter().filter(|cell| cell.symbol() == "▀").collect();
    cells.chunks(32).flat_map(|row| row.iter().map(|cell| cell.fg).chain(row.iter().map(|cell| cell.bg))).collect()
}

/// Whose colour is whose, who leads, and what is on its way or has just arrived.
#[test]
fn a_cluster_has_a_legend_and_members() {
    let mut model = model();
    let large = text(&screen(&model, 120, 40));
    for part in [
        "units: 512 of 1024 own (2 move)",
        "■ gw-a      512 ■ gw-b      488",
        "■ gw-c        0 □ nobody     24",
        "gw-a leads, term 7",
        "└ streams: sctp ─",
        "■ gw-a      master    1.2k     -",
        "■ gw-b      draining  1.2k     4",
        "■ gw-c      absent       -     -",
    ] {
        assert!(large.contains(part), "{part:?} is missing in\n{large}");
    }
    let mut lame = snapshot();
    lame.members.as_mut().unwrap().members[1].state = "member".to_owned();
    let mut of_lame = self::model();
    of_lame.update(lame, Duration::from_secs(12));
    let seen = text(&screen(&of_lame, 120, 40));
    assert!(seen.contains("■ gw-b      1/2 path  1.2k     4"), "{seen}");
    let mut later = snapshot();
    later.units.owners[5] = 3;
    later.units.moving.clear();
    model.update(later, Duration::from_secs(12));
    assert_eq!(model.transit.iter().copied().collect::<Vec<_>>(), [5]);
    assert_eq!(field(&screen(&model, 120, 40))[5], Color::White, "it has just moved");
    let mut fenced = model.snapshot.clone().unwrap();
    fenced.members.as_mut().unwrap().fenced = true;
    model.update(fenced, Duration::from_secs(13));
    let buffer = screen(&model, 120, 40);
    assert_eq!(field(&buffer)[5], Color::Magenta, "it is gw-c's");
    assert!(text(&buffer).contains("FENCED"));
    // A screen without room for the field still has the members; a gateway without a cluster has neither legend nor members.
    assert!(text(&screen(&model, 80, 30)).contains("gw-a leads, term 7"));
    let mut alone = snapshot();
    (alone.units.cluster, alone.members) = (None, None);
    model.update(alone, Duration::from_secs(14));
    let alone = text(&screen(&model, 120, 40));
    assert!(!alone.contains('■') && !alone.contains("leads") && alone.contains("units: 512"), "{alone}");
}

#[test]
fn a_small_screen_leaves_out_what_does_not_fit() {
    let model = model();
    let at = |width, height| text(&screen(&model, width, height));
    let classic = at(80, 24);
    assert!(!classic.contains("units:"), "{classic}");
    for part in ["line cards", "verdicts", "servers", "releases"] {
        assert!(classic.contains(part), "{part:?} is missing in\n{classic}");
    }
    let small = at(60, 10);
    assert!(small.contains("line cards") && !small.contains("servers"), "{small}");
    assert!(at(29, 10).contains("too small"));
    // Nothing panics at any size.
    for width in (1..9).chain([20, 28, 29, 30, 31, 40, 59, 60, 61, 79, 80, 81, 99, 100, 119, 129]) {
        for height in [1, 2, 3, 4, 5, 7, 9, 10, 11, 14, 15, 17, 18, 19, 20, 22, 30, 50] {
            at(width, height);
        }
    }
}

/// A card whose subscribers have IPv6 alone is not empty; where it is not served there is no column for it. An address that
/// there is no room for is cut where one sees it.
#[test]
fn both_versions_of_ip() {
    let mut model = model();
    let mut six = snapshot();
    six.fpcs[0].sessions = 0;
    (six.fpcs[1].sessions, six.fpcs[1].leases6) = (0, Some(0));
    model.update(six.clone(), Duration::from_secs(12));
    let shown = text(&screen(&model, 100, 30));
    let bar = |text: &str, name: &str| text.lines().find(|line| line.contains(name)).unwrap().matches('█').count();
    assert!(bar(&shown, "│fpc0 ") >= 4 && bar(&shown, "│fpc1 ") == 0, "{shown}");
    assert!(shown.contains("IPV6"), "{shown}");
    let narrow = text(&screen(&model, 62, 50));
    assert!(narrow.contains("2001:db8:5e5e:1:…"), "{narrow}");
    six.fpcs.iter_mut().for_each(|fpc| fpc.leases6 = None);
    model.update(six, Duration::from_secs(13));
    assert!(!text(&screen(&model, 100, 30)).contains("IPV6"));
}

#[test]
fn many_cards_are_counted() {
    let mut model = model();
    let mut snapshot = snapshot();
    snapshot.fpcs = (0..100).map(|_| sample::fpcs().remove(0)).collect();
    model.update(snapshot, Duration::from_secs(12));
    let text = text(&screen(&model, 100, 30));
    assert!(text.contains("more)"), "{text}");
}

#[test]
fn a_gateway_that_stopped_and_came_back() {
    let mut model = model();
    model.error = Some("no gateway is running".to_owned());
    let gone = text(&screen(&model, 100, 30));
    assert!(gone.contains("no gateway is running") && gone.contains("fpc0"), "the last look stays\n{gone}");
    // After its restart the counters are smaller: no rates, no underflow.
    let mut restarted = snapshot();
    restarted.status.verdicts.iter_mut().for_each(|verdict| verdict.packets /= 2);
    model.update(restarted, Duration::from_secs(12));
    assert!(model.error.is_none());
    assert!(model.rates.iter().all(|rate| rate.per_second == 0.0), "{:?}", model.rates);
    model.paused = true;
    assert!(text(&screen(&model, 100, 30)).contains("paused"));
}

/// A DHCP server on its own: its pools with bars, the fullest first, what it is asked in a second, how long its answers take, and its
/// subnets; where its store takes nothing, that above all.
#[test]
fn a_server_on_its_own() {
    let mut alone = Alone::default();
    alone.update(sample::dhcp_server(), None, Duration::from_secs(10));
    let mut later = sample::dhcp_server();
    later.counters.insert("ack".to_owned(), 70);
    alone.update(later.clone(), None, Duration::from_secs(11));
    later.counters.insert("ack".to_owned(), 270);
    later.answers.within_us[1].1 += 2000;
    later.pools[1].in_use = 65000;
    alone.update(later.clone(), None, Duration::from_secs(13));
    let screen = |alone: &Alone, width, height| {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| alone.draw(frame)).unwrap();
        text(terminal.backend().buffer())
    };
    let large = screen(&alone, 120, 30);
    for part in [
        "400 of 2.0k addresses leased",
        "800 by DHCPv6",
        "100 answers/s",
        "store /var/lib/gateway/leases",
        "100.64.0.0/21",
        "400/2.0k",
        "2001:db8:8000::/40 to /56",
        "solicit (6)",
        "512 µs",
        "1.0 ms",
        "█",
    ] {
        assert!(large.contains(part), "{part:?} is missing in\n{large}");
    }
    let at = |part| large.find(part).unwrap();
    assert!(at("2001:db8:1::/64") < at("100.64.0.0/21"), "the fullest first:\n{large}");
    for (width, height) in [(80, 24), (60, 20), (40, 8), (30, 4), (20, 3)] {
        screen(&alone, width, height);
    }
    later.store_ok = false;
    alone.update(later, None, Duration::from_secs(14));
    assert!(screen(&alone, 120, 30).contains("SILENT: /var/lib/gateway/leases takes no leases"));
}

/// Of a server that was started anew there are no rates for one look, and its answers are all that it gave since.
#[test]
fn a_server_that_was_started_anew() {
    let mut alone = Alone::default();
    alone.update(sample::dhcp_server(), None, Duration::from_secs(10));
    let mut anew = sample::dhcp_server();
    anew.counters.insert("discover".to_owned(), 5);
    anew.answers = crate::control::protocol::Answers { within_us: vec![(256, 0), (512, 3)], sum_us: 1000 };
    assert_eq!(anew.answers.since(&sample::dhcp_server().answers), anew.answers);
    alone.update(anew, None, Duration::from_secs(11));
    let mut terminal = Terminal::new(TestBackend::new(120, 30)).unwrap();
    terminal.draw(|frame| alone.draw(frame)).unwrap();
    let shown = text(terminal.backend().buffer());
    let line = shown.lines().find(|line| line.contains("discover")).unwrap();
    assert!(line.contains(" 0 ") && line.contains(" 5"), "{line}");
}
