//! What an interface must be like: its driver, its MTU, and the offloads that hide things from XDP.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use gateway_common::cluster::CARRY_OCTETS;

use super::finding::Finding;
use crate::config::XdpMode;
use crate::io::sysctl;

/// Which side it is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Access,
    Upstream,
}

/// Drivers that run XDP natively (kernel 6.x).
const NATIVE: &[&str] = &[
    "amd-xgbe",
    "atlantic",
    "bnxt_en",
    "bonding",
    "cpsw",
    "dpaa2-eth",
    "ena",
    "enetc",
    "fec",
    "fsl_dpa",
    "gve",
    "hv_netvsc",
    "i40e",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "ixgbevf",
    "lan966x",
    "mana",
    "mlx4_en",
    "mlx5_core",
    "mtk_soc_eth",
    "mvneta",
    "mvpp2",
    "netsec",
    "nfp",
    "octeontx2",
    "qede",
    "sfc",
    "st_gmac",
    "stmmac",
    "tap",
    "thunder-nicvf",
    "ti-am65-cpsw",
    "tsnep",
    "tun",
    "veth",
    "virtio_net",
    "vmxnet3",
    "xen-netfront",
];
/// Largest MTU that fits the single page native XDP works on, for drivers without multi-buffer support.
const PAGE_MTU: u32 = 3498;

/// What is to be known about an interface.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Facts {
    driver: String,
    up: bool,
    mtu: u32,
    /// The hardware takes tags out of the frame before XDP sees it.
    hides_tags: Option<bool>,
}

/// Looks at one interface.
pub(super) fn look(name: &str, side: Side, mode: XdpMode) -> Vec<Finding> {
    facts(name).map_or_else(|error| vec![unseen(name, &error)], |facts| judge(name, side, mode, &facts))
}

/// Looks at the link between the members of a cluster; `carries`: subscribers' frames travel on it.
pub(super) fn look_at_link(name: &str, mode: XdpMode, carries: bool) -> Vec<Finding> {
    match facts(name) {
        Ok(facts) => {
            let strict = sysctl::is_strict(name);
            [judge(name, Side::Upstream, mode, &facts), judge_link(name, facts.mtu, carries, strict)].concat()
        }
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {
            let advice = "the link between the members, which has to be there before the gateway starts";
            vec![Finding::fail(name, "there is no such interface", advice)]
        }
        Err(error) => vec![unseen(name, &error)],
    }
}

fn unseen(name: &str, error: &io::Error) -> Finding {
    match error.raw_os_error() {
        Some(libc::ENODEV) => Finding::warn(
            name,
            "there is no such interface yet",
            "it is taken into service when it appears; see that the name is right",
        ),
        _ => Finding::warn(name, format!("cannot be looked at: {error}"), "run the check as root"),
    }
}

/// What a subscriber's frame takes on the link: 1500 octets with two tags and an Ethernet header, and what says where it came
/// in, behind the header that it travels by.
const CARRIED_MTU: u32 = 1500 + 8 + CARRY_OCTETS as u32;

/// What is asked of the link where subscribers' frames travel on it.
fn judge_link(name: &str, mtu: u32, carries: bool, strict: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if carries && mtu < CARRIED_MTU {
        findings.push(Finding::warn(
            name,
            format!("its MTU is {mtu}: subscribers' full packets with two tags do not fit on their way to the owner"),
            format!("ip link set {name} mtu {CARRIED_MTU} or more, on every member"),
        ));
    }
    if carries && strict {
        findings.push(Finding::warn(
            name,
            "its rp_filter is strict: what came in at another member and is for the kernel is dropped",
            format!("sysctl -w net.ipv4.conf.{name}.rp_filter=2"),
        ));
    }
    findings
}

fn judge(name: &str, side: Side, mode: XdpMode, facts: &Facts) -> Vec<Finding> {
    let Facts { driver, up, mtu, hides_tags } = facts;
    let native = NATIVE.contains(&driver.as_str());
    let mut findings = vec![match (native, mode) {
        (true, _) => Finding::ok(name, format!("driver {driver}: native XDP, MTU {mtu}")),
        (false, XdpMode::Native) => Finding::fail(
            name,
            format!("driver {driver} is not known to run XDP natively, and gateway.xdp_mode is native"),
            "xdp_mode = \"auto\", or another card",
        ),
        (false, _) => Finding::warn(
            name,
            format!("driver {driver} is not known to run XDP natively: generic mode, half the speed or less"),
            "another card (ice, i40e, ixgbe, igb, igc, mlx5, bnxt, virtio …) where speed matters",
        ),
    }];
    let mut warn = |found: &str, advice: String| findings.push(Finding::warn(name, found, advice));
    if !up {
        warn("it is down", format!("ip link set {name} up"));
    }
    if *mtu < 1500 {
        warn(
            &format!("its MTU is {mtu}"),
            format!("ip link set {name} mtu 1500, or subscribers' full packets take the slow path"),
        );
    }
    if native && *mtu > PAGE_MTU {
        warn(
            &format!("MTU {mtu} is more than one page: many drivers then refuse native XDP"),
            format!("ip link set {name} mtu {PAGE_MTU} or less, if attaching fails"),
        );
    }
    if driver == "veth" {
        // What hardware would do to a frame on the wire has to be done by the other end of the pair.
        warn(
            "a veth: its peer must complete checksums, leave tags in frames and take what XDP sends",
            "at the peer, in its namespace: ethtool -K <peer> tx off txvlan off gro on, and any XDP program (XDP_PASS)"
                .to_owned(),
        );
    } else if side == Side::Access && *hides_tags == Some(true) {
        warn(
            "its hardware takes VLAN tags out of frames before XDP sees them: tagged subscribers look untagged",
            format!("ethtool -K {name} rxvlan off"),
        );
    }
    findings
}

fn facts(name: &str) -> io::Result<Facts> {
    let socket = Ethtool::open(name)?;
    let mut driver = [0u8; 196]; // struct ethtool_drvinfo: the driver's name follows the command
    driver[..4].copy_from_slice(&ETHTOOL_GDRVINFO.to_ne_bytes());
    let driver = match socket.ask(&mut driver) {
        Ok(()) => String::from_utf8_lossy(driver[4..36].split(|octet| *octet == 0).next().unwrap_or(&[])).into_owned(),
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => "unknown".to_owned(),
        Err(error) => return Err(error),
    };
    Ok(Facts {
        driver,
        up: socket.flags()? & libc::IFF_UP != 0,
        mtu: socket.mtu()?,
        hides_tags: socket.value(ETHTOOL_GFLAGS).map(|flags| flags & ETH_FLAG_RXVLAN != 0),
    })
}

const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETH_FLAG_RXVLAN: u32 = 1 << 8;
const SIOCETHTOOL: libc::Ioctl = 0x8946;

/// Asks the driver of one interface.
struct Ethtool {
    socket: File,
    request: libc::ifreq,
}

impl Ethtool {
    fn open(name: &str) -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let socket = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        // SAFETY: `ifreq` is plain data, for which zero is a valid value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        if name.len() >= request.ifr_name.len() {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        Ok(Self { socket, request })
    }

    fn ioctl(&self, number: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
        // SAFETY: the request outlives the call, and what its pointer refers to has the size the command implies.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), number, request) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn ask(&self, data: &mut [u8]) -> io::Result<()> {
        let mut request = self.request;
        request.ifr_ifru.ifru_data = data.as_mut_ptr().cast();
        self.ioctl(SIOCETHTOOL, &mut request)
    }

    /// A `struct ethtool_value`; `None` when the driver does not know the command.
    fn value(&self, command: u32) -> Option<u32> {
        let mut data = [0u8; 8];
        data[..4].copy_from_slice(&command.to_ne_bytes());
        self.ask(&mut data).ok()?;
        Some(u32::from_ne_bytes([data[4], data[5], data[6], data[7]]))
    }

    fn flags(&self) -> io::Result<i32> {
        let mut request = self.request;
        self.ioctl(libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: the call has filled this member of the union.
        Ok(i32::from(unsafe { request.ifr_ifru.ifru_flags }))
    }

    fn mtu(&self) -> io::Result<u32> {
        let mut request = self.request;
        self.ioctl(libc::SIOCGIFMTU, &mut request)?;
        // SAFETY: the call has filled this member of the union.
        Ok(unsafe { request.ifr_ifru.ifru_mtu } as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Level;

    fn good() -> Facts {
        Facts { driver: "ice".to_owned(), up: true, mtu: 1500, hides_tags: Some(false) }
    }

    fn levels(side: Side, mode: XdpMode, facts: &Facts) -> Vec<Level> {
        judge("eth1", side, mode, facts).into_iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn judgements() {
        use Level::{Fail, Ok, Warn};
        let of = |change: fn(&mut Facts)| {
            let mut facts = good();
            change(&mut facts);
            levels(Side::Access, XdpMode::Auto, &facts)
        };
        assert_eq!(of(|_| {}), [Ok]);
        assert_eq!(of(|facts| facts.up = false), [Ok, Warn]);
        assert_eq!(of(|facts| facts.mtu = 1400), [Ok, Warn]);
        assert_eq!(of(|facts| facts.mtu = 9000), [Ok, Warn]);
        assert_eq!(of(|facts| facts.hides_tags = Some(true)), [Ok, Warn]);
        assert_eq!(of(|facts| facts.driver = "e1000".to_owned()), [Warn]);
        assert_eq!(of(|facts| facts.driver = "veth".to_owned()), [Ok, Warn]);
        let unknown = Facts { driver: "e1000".to_owned(), ..good() };
        assert_eq!(levels(Side::Access, XdpMode::Native, &unknown), [Fail]);
        let hiding = Facts { hides_tags: Some(true), ..good() };
        assert_eq!(levels(Side::Upstream, XdpMode::Auto, &hiding), [Ok], "nobody's tags matter there");
    }

    /// What subscribers' frames need on their way between members, and what only they need.
    #[test]
    fn the_link_between_members() {
        assert_eq!(CARRIED_MTU, 1526, "as the guide says");
        let found = |mtu, carries, strict| judge_link("eth4", mtu, carries, strict).len();
        assert_eq!((found(1526, true, false), found(1525, true, false), found(1500, false, true)), (0, 1, 0));
        let both = judge_link("eth4", 1500, true, true);
        assert_eq!(both[0].advice.as_deref(), Some("ip link set eth4 mtu 1526 or more, on every member"));
        assert_eq!(both[1].advice.as_deref(), Some("sysctl -w net.ipv4.conf.eth4.rp_filter=2"));
        assert_eq!(look_at_link("nosuchinterface", XdpMode::Auto, true)[0].level, Level::Fail);
    }

    #[test]
    fn asks_the_kernel() {
        assert_eq!(facts("lo").unwrap().mtu, 65536);
        assert!(facts("lo").unwrap().up);
        assert_eq!(facts("nosuchinterface").unwrap_err().raw_os_error(), Some(libc::ENODEV));
        assert_eq!(look("nosuchinterface", Side::Access, XdpMode::Auto)[0].level, Level::Warn);
    }
}
