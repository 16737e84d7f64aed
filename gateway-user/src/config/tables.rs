//! The tables of the file, each read by a function of its own. What needs a second table to judge keeps its place.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use gateway_common::bucket::Rate;
use gateway_common::maps::DEFAULT_CAPACITY;
use gateway_core::liveness::Watch;
use gateway_core::relay::Template;
use gateway_core::scope::DeviceIdType;
use gateway_core::wire::bulk_release::{CodePoints, Encoding};
use gateway_core::wire::relay_auth::Key;

use super::reader::{At, Place, Reader, Section};
use super::types::*;
use super::value::{self, InterfaceName, Mac, Name, Tag};

/// An `[[fpc]]` whose ports and scope are not resolved yet.
pub(super) struct RawFpc {
    pub(super) name: At<Name>,
    pub(super) ports: Vec<At<InterfaceName>>,
    pub(super) giaddr: At<Ipv4Addr>,
    pub(super) link_address6: Option<At<Ipv6Addr>>,
    pub(super) group: Option<At<Name>>,
    pub(super) place: Place,
    pub(super) settings: FpcSettings,
}

/// The keys of an `[[fpc]]` that stand for themselves.
pub(super) struct FpcSettings {
    pub(super) on_restart: OnRestart,
    pub(super) hold_down: Duration,
    pub(super) restart_when: RestartWhen,
    pub(super) schedule: Option<Schedule>,
    pub(super) max_clients_per_port: Option<u32>,
    pub(super) trust_option_82: bool,
    pub(super) link_selection: Option<Ipv4Addr>,
    pub(super) server_id_override: bool,
    pub(super) trust_relays6: bool,
    pub(super) liveness: Option<At<Watch>>,
}

/// A `[[server]]` with the place of its address.
pub(super) struct RawServer {
    pub(super) server: Server,
    pub(super) place: Place,
}

/// A `[[static]]` whose port is not resolved yet.
pub(super) struct RawStatic {
    pub(super) address: At<Ipv4Addr>,
    pub(super) mac: [u8; 6],
    pub(super) port: At<InterfaceName>,
    pub(super) outer: Option<At<Tag>>,
    pub(super) inner: Option<At<Tag>>,
}

/// `metrics` of `[gateway]`, and of `[dhcp_server]` on its own.
pub(super) fn metrics(section: &Section<'_, '_>) -> Option<SocketAddr> {
    let would_do = "an address and port, such as \"127.0.0.1:9467\", or \"off\"";
    let metrics = section.read("metrics", would_do, |raw| match raw.as_str()? {
        "off" => Some(None),
        address => address.parse().ok().map(Some),
    });
    metrics.map_or(Some(METRICS), |at| at.value)
}

pub(super) fn gateway(section: &Section<'_, '_>) -> Option<Gateway> {
    let types = [("opaque", DeviceIdType::Opaque), ("duid", DeviceIdType::Duid), ("uuid", DeviceIdType::Uuid)];
    let id_type = section.choice("id_type", DeviceIdType::Opaque, &types);
    let would_do = match id_type {
        DeviceIdType::Opaque => {
            "a name or serial number of 1 to 64 octets that no other gateway has, such as \"BNG-0042\""
        }
        DeviceIdType::Duid => "a DUID of 1 to 64 hexadecimal octets, such as \"00:03:00:01:02:00:00:00:00:01\"",
        DeviceIdType::Uuid => "a UUID, such as \"8c5e1f0e-5d2b-4a0c-9a58-0c2f5a1b7d10\"",
    };
    section.require("id", would_do);
    Some(Gateway {
        state_dir: section.or("state_dir", "/var/lib/gateway".into()),
        bpffs: section.or("bpffs", "/sys/fs/bpf/gateway".into()),
        capacity: section.within("capacity", DEFAULT_CAPACITY, 1..=1 << 24),
        control: section.or("control", "/run/gateway/control.sock".into()),
        control_group: section.optional::<String>("control_group").map(|at| at.value),
        metrics: metrics(section),
        recover: section.choice("recover", Recover::Auto, &[("auto", Recover::Auto), ("off", Recover::Off)]),
        xdp_mode: section.choice(
            "xdp_mode",
            XdpMode::Auto,
            &[("auto", XdpMode::Auto), ("native", XdpMode::Native), ("generic", XdpMode::Generic)],
        ),
        store_sync: section.choice("store_sync", StoreSync::Os, &[("os", StoreSync::Os), ("disk", StoreSync::Disk)]),
        kernel_routes: section.or("kernel_routes", true),
        announce_subnets: section.choice(
            "announce_subnets",
            Announce::Beside,
            &[("beside", Announce::Beside), ("instead", Announce::Instead), ("no", Announce::No)],
        ),
        proxy_arp: section.or("proxy_arp", true),
        id: section.read("id", would_do, |raw| value::device_id(raw.as_str()?, id_type))?.value,
    })
}

pub(super) fn fpc(reader: &Reader<'_>, section: &Section<'_, '_>) -> Option<RawFpc> {
    let name = section.required::<Name>("name");
    let ports = section.list::<InterfaceName>("ports");
    section.require("ports", "a list of access interfaces, such as [\"eth1\"]");
    if let Some(empty) = section.read("ports", "", |raw| Some(raw.as_array().is_some_and(|list| list.is_empty())))
        && empty.value
    {
        reader.wrong(&empty.place, "at least one access interface, such as [\"eth1\"]");
    }
    let giaddr = section.required::<Ipv4Addr>("giaddr");
    let link_address6 = section.optional::<Ipv6Addr>("link_address6");
    let max_clients = section.read("max_clients_per_port", "a number from 1 to 4294967295; absent: no limit", |raw| {
        value::Value::read(raw).filter(|limit: &u32| *limit > 0)
    });
    let would_do = "a duration up to 1h, such as \"2s\"";
    let hold_down = section.read("hold_down", would_do, |raw| {
        <Duration as value::Value>::read(raw).filter(|hold| *hold <= Duration::from_secs(3600))
    });
    let settings = FpcSettings {
        on_restart: section.choice(
            "on_restart",
            OnRestart::Logout,
            &[("logout", OnRestart::Logout), ("maintain", OnRestart::Maintain)],
        ),
        hold_down: hold_down.map_or(Duration::from_secs(2), |at| at.value),
        restart_when: section.choice(
            "restart_when",
            RestartWhen::AllPorts,
            &[("all-ports", RestartWhen::AllPorts), ("any-port", RestartWhen::AnyPort)],
        ),
        schedule: section.optional("schedule").map(|at| at.value),
        max_clients_per_port: max_clients.map(|at| at.value),
        trust_option_82: section.or("trust_option_82", false),
        link_selection: section.optional("link_selection").map(|at| at.value),
        server_id_override: section.or("server_id_override", false),
        trust_relays6: section.or("trust_relays6", false),
        liveness: liveness(&section.table("liveness")),
    };
    let group = section.optional("group");
    Some(RawFpc { name: name?, ports, giaddr: giaddr?, link_address6, group, place: section.place(), settings })
}

/// RR-8: off unless it is there.
fn liveness(section: &Section<'_, '_>) -> Option<At<Watch>> {
    let default = Watch::default();
    let duration = |key, would_do, default, most: u64| {
        let good = |duration: &Duration| !duration.is_zero() && *duration <= Duration::from_secs(most);
        section
            .read(key, would_do, |raw| <Duration as value::Value>::read(raw).filter(good))
            .map_or(default, |at| at.value)
    };
    let watch = Watch {
        silent_after: duration("idle", "a duration up to 24h, such as \"5m\"", default.silent_after, 86_400),
        probes: section.within("probes", default.probes, 1..=20),
        patience: duration("interval", "a duration up to 1m, such as \"2s\"", default.patience, 60),
    };
    section.exists().then(|| At { value: watch, place: section.place() })
}

pub(super) fn server(section: &Section<'_, '_>) -> Option<RawServer> {
    let address = section.required::<Ipv4Addr>("address");
    let release_rate = section.within("release_rate", DEFAULT_RELEASE_RATE, 1..=1_000_000);
    let choices = [("auto", Verify::Auto), ("leasequery", Verify::Leasequery), ("none", Verify::None)];
    let verify = section.choice("verify", Verify::Auto, &choices);
    let release_replaced = section.or("release_replaced", true);
    let At { value: address, place } = address?;
    Some(RawServer { server: Server { address, release_rate, verify, release_replaced }, place })
}

/// Individual RELEASEs per second, so that a server's flood protection does not eat them (H-BR-19).
pub(super) const DEFAULT_RELEASE_RATE: u32 = 100;

/// `[relay]`, and where its first template is, if there is one.
pub(super) fn relay(section: &Section<'_, '_>) -> (Relay, Option<Place>) {
    let would_do = "a text, with {port} {fpc} {outer} {inner} {mac} {giaddr} where they belong";
    let template = |key: &'static str, default: &str, may_be_empty: bool| {
        let good = |text: &&str| Template::new(text).is_ok() && (may_be_empty || !text.is_empty());
        let text = section.read(key, would_do, |raw| raw.as_str().filter(good).map(str::to_owned));
        text.map_or((default.to_owned(), None), |at| (at.value, Some(at.place)))
    };
    let (circuit_id, circuit_place) = template("circuit_id", "{port}:{outer}.{inner}", false);
    let (remote_id, remote_place) = template("remote_id", "{mac}", true);
    let relay = Relay {
        circuit_id,
        remote_id,
        max_message: section.within("max_message", 1400, 576..=1472),
        max_hops: section.within("max_hops", 16, 1..=16),
    };
    (relay, circuit_place.or(remote_place))
}

/// `[relay_auth]` with the places that matter elsewhere.
pub(super) struct RawRelayAuth {
    pub(super) key: Option<Key>,
    pub(super) required: bool,
    pub(super) replay_window: bool,
    pub(super) allow_unauthenticated: bool,
}

pub(super) fn relay_auth(reader: &Reader<'_>, section: &Section<'_, '_>, file: &Path) -> RawRelayAuth {
    let allow = section.optional::<bool>("allow_unauthenticated");
    let allowed = allow.as_ref().is_some_and(|at| at.value);
    let has_key = section.has(&["key_id", "key", "key_file", "algorithm"]);
    // Without the table, or where forged logouts are accepted, there need be no key.
    let key = (has_key || (section.exists() && !allowed)).then(|| super::secret::read(reader, section, file)).flatten();
    let required = section.optional::<bool>("required");
    if let Some(At { value: true, place }) = &required
        && allowed
    {
        reader.wrong_because(place, "beside allow_unauthenticated", "one of them");
    }
    RawRelayAuth {
        key,
        required: required.is_some_and(|at| at.value),
        replay_window: section.or("replay_window", false),
        allow_unauthenticated: allowed,
    }
}

/// `[bulk_release]` with the places of its numbers.
pub(super) struct RawBulkRelease {
    pub(super) bulk_release: BulkRelease,
    pub(super) request_type: Option<Place>,
    pub(super) reply_type: Option<Place>,
    /// When they are used.
    pub(super) codes: Option<At<[u8; 4]>>,
}

pub(super) fn bulk_release(section: &Section<'_, '_>) -> RawBulkRelease {
    let default = CodePoints::default();
    let raw = section.choice("encoding", false, &[("vsi", false), ("raw", true)]);
    let pen = section.within("pen", 32473, 1..=u32::MAX);
    let codes = section.read("raw_codes", "four different sub-option codes, such as [240, 241, 242, 243]", |raw| {
        let codes =
            raw.as_array()?.iter().map(|code| value::Value::read(code.get_ref())).collect::<Option<Vec<u8>>>()?;
        <[u8; 4]>::try_from(codes).ok()
    });
    let request = section.optional::<u8>("request_type");
    let reply = section.optional::<u8>("reply_type");
    let wanted = section.or("enabled", true);
    let bulk_release = BulkRelease {
        wanted,
        enabled: wanted,
        code_points: CodePoints {
            encoding: match raw {
                true => codes.as_ref().map_or(Encoding::RAW, |at| Encoding::raw(at.value)),
                false => Encoding::Vsi { pen },
            },
            request_type: request.as_ref().map_or(default.request_type, |at| at.value),
            reply_type: reply.as_ref().map_or(default.reply_type, |at| at.value),
        },
        restart_hold: section.or("restart_hold", Duration::from_secs(5)),
    };
    let place = |at: At<u8>| at.place;
    RawBulkRelease {
        bulk_release,
        request_type: request.map(place),
        reply_type: reply.map(place),
        codes: codes.filter(|_| raw),
    }
}

pub(super) fn limits(reader: &Reader<'_>, section: &Section<'_, '_>) -> Limits {
    let rate = |rate: &'static str, burst: &'static str, per_second: u32, at_once: u32| {
        Rate::new(section.or(rate, per_second), section.within(burst, at_once, 1..=1_000_000))
    };
    let lockout = section.table("lockout");
    Limits {
        subscriber: rate("subscriber_rate", "subscriber_burst", 5, 10),
        line: rate("line_rate", "line_burst", 200, 1000),
        port: rate("port_rate", "port_burst", 2000, 8000),
        event: rate("event_rate", "event_burst", 1, 3),
        probe_rate: section.within("probe_rate", 100, 1..=100_000),
        drop_sample: section.or("drop_sample", 1000),
        takeover_after: section.or("takeover_after", Duration::from_secs(30)),
        lockout: lockout.exists().then(|| self::lockout(reader, &lockout)).flatten(),
    }
}

fn lockout(reader: &Reader<'_>, section: &Section<'_, '_>) -> Option<Lockout> {
    let (cycles, within) = (section.required::<u32>("cycles"), section.required::<Duration>("within"));
    let duration = section.required::<Duration>("for");
    let (cycles, within, duration) = (cycles?, within?, duration?);
    if cycles.value < 2 {
        reader.wrong(&cycles.place, "2 or more logins: with 1 nobody could log in");
    }
    Some(Lockout { cycles: cycles.value, within: within.value, duration: duration.value })
}

pub(super) fn units(section: &Section<'_, '_>) -> Units {
    let own = section.optional::<value::Units>("own");
    Units {
        member: section.within("member", 1, 1..=u16::MAX),
        own: own.map_or_else(|| (0..1024).collect(), |at| at.value.0),
    }
}

pub(super) fn static_subscriber(section: &Section<'_, '_>) -> Option<RawStatic> {
    let (address, mac) = (section.required::<Ipv4Addr>("address"), section.required::<Mac>("mac"));
    let (port, outer, inner) = (section.required("port"), section.optional("outer"), section.optional("inner"));
    Some(RawStatic { address: address?, mac: mac?.value.0, port: port?, outer, inner })
}
