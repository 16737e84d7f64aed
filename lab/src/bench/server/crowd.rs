//! A million clients behind one relay, as far as a server can tell: requests as a gateway relays them.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gateway_core::line::HardwareAddress;
use gateway_core::scope::{DeviceId, DeviceIdType, Epoch, Scope, ScopeKind};
use gateway_core::wire::agent::{AgentBuilder, AgentInformation, sub};
use gateway_core::wire::bulk_release::{BulkRelease, Capability, CodePoints, Operation, Transaction};
use gateway_core::wire::dhcp4::{BROADCAST, Builder, Message, REQUEST, code, kind};
use gateway_core::wire::leasequery;
use gateway_core::wire::relay_auth::{Algorithm, Key, append_and_sign};
use gateway_tests::daemon::KEY;

use super::wire::{RELAY, SERVER, Wire, address};

/// Requests that are under way at once while many log in.
const WINDOW: usize = 512;
/// How long an answer may take before the question is repeated.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is repeated.
const REPETITIONS: usize = 5;

/// The relay that speaks for them all.
pub(super) struct Crowd {
    socket: UdpSocket,
    key: Key,
    replay: u64,
    /// The epoch of their line card.
    pub(super) epoch: Epoch,
}

impl Crowd {
    pub(super) fn new(wire: &Wire) -> Result<Self> {
        let socket = wire.relay.run(|| UdpSocket::bind((RELAY, 67)))??;
        socket.connect((SERVER, 67))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let octet = |at: usize| u8::from_str_radix(KEY.get(at..at + 2)?, 16).ok();
        let secret = (0..KEY.len()).step_by(2).map(octet).collect::<Option<Vec<u8>>>().context("a key")?;
        let key = Key { id: 1, secret: secret.into(), algorithm: Algorithm::HmacSha1, zero_key_id: false, relay: 0 };
        Ok(Self { socket, key, replay: 0, epoch: Epoch(1) })
    }

    /// Everybody has a lease afterwards: of the address of their number, or of another one where they had that last.
    pub(super) fn log_in(&mut self, numbers: Range<u32>) -> Result<()> {
        for number in self.ask_for_own(numbers)? {
            ensure!(self.log_one_in(number, PATIENCE)?.is_some(), "client {number} gets no offer");
        }
        Ok(())
    }

    /// Everybody asks for the address of their number: who are refused.
    fn ask_for_own(&mut self, numbers: Range<u32>) -> Result<Vec<u32>> {
        let (mut waiting, mut left) = (BTreeSet::new(), numbers);
        let mut refused = Vec::new();
        let mut buffer = [0; 2048];
        let mut repetitions = 0;
        loop {
            while waiting.len() < WINDOW
                && let Some(number) = left.next()
            {
                let request = self.select(number)?;
                self.send(&request)?;
                waiting.insert(number);
            }
            if waiting.is_empty() {
                return Ok(refused);
            }
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    let message = Message::parse(&buffer[..length])?;
                    repetitions = 0;
                    // Not what a repeated question is answered.
                    if waiting.remove(&message.xid()) && message.kind() != Some(kind::ACK) {
                        refused.push(message.xid());
                    }
                }
                Err(_) if repetitions < REPETITIONS => {
                    repetitions += 1;
                    for number in &waiting {
                        let request = self.select(*number)?;
                        self.send(&request)?;
                    }
                }
                Err(error) => return Err(error).with_context(|| format!("{} clients get no answer", waiting.len())),
            }
        }
    }

    /// One login, DISCOVER to ACK: how long it took; `None` when nothing is offered.
    pub(super) fn log_one_in(&mut self, number: u32, patience: Duration) -> Result<Option<Duration>> {
        let started = Instant::now();
        self.socket.set_read_timeout(Some(patience))?;
        let discover = self.message(number, kind::DISCOVER, |builder| builder)?;
        self.send(&discover)?;
        let offered = self.answer(number, kind::OFFER)?;
        if let Some(address) = offered {
            let request = self.message(number, kind::REQUEST, |builder| {
                builder.address(code::SERVER_ID, SERVER).address(code::REQUESTED_IP, address)
            })?;
            self.send(&request)?;
            ensure!(self.answer(number, kind::ACK)? == Some(address), "client {number} gets no ACK");
        }
        self.socket.set_read_timeout(Some(PATIENCE))?;
        Ok(offered.map(|_| started.elapsed()))
    }

    /// The line card restarts: how long the single logout of its epoch took, and how many leases it ended.
    pub(super) fn log_out(&mut self) -> Result<(Duration, u32)> {
        let transaction =
            Transaction { operation: Operation::Release, final_: false, txid: u64::from(self.epoch.0), count: 0 };
        let agent = agent(AgentBuilder::new(), Some(transaction), self.epoch)?;
        let logout = Builder::new(REQUEST)
            .xid(self.epoch.0)
            .giaddr(RELAY)
            .kind(kind::RELEASE)
            .address(code::SERVER_ID, SERVER)
            .option(code::AGENT_INFORMATION, &agent)
            .finish();
        self.replay += 1;
        let logout = append_and_sign(&logout, &self.key, self.replay)?;
        let mut buffer = [0; 2048];
        let started = Instant::now();
        self.socket.send(&logout)?;
        let length = self.socket.recv(&mut buffer).context("no answer to the single logout")?;
        let took = started.elapsed();
        let reply = Message::parse(&buffer[..length])?;
        ensure!(reply.kind() == Some(kind::BULK_RELEASE_REPLY), "another answer to the single logout");
        let agent = reply.agent_information().context("no option 82")?;
        let release = BulkRelease::decode(&AgentInformation::parse(agent)?, &CodePoints::default())?;
        let released = release.context("no result")?.results.first().context("no result")?.released;
        self.epoch = Epoch(self.epoch.0 + 1);
        Ok((took, released))
    }

    /// Asks until the server answers, and whether the lease of this client is in force.
    pub(super) fn wait_leased(&mut self, number: u32, limit: Duration) -> Result<bool> {
        let started = Instant::now();
        let mut buffer = [0; 2048];
        self.socket.set_read_timeout(Some(Duration::from_millis(5)))?;
        while started.elapsed() < limit {
            // While nobody listens yet, the question comes back as an error.
            let _ = self.socket.send(&leasequery::by_address(address(number), RELAY, 1));
            if let Ok(length) = self.socket.recv(&mut buffer) {
                self.socket.set_read_timeout(Some(PATIENCE))?;
                let leased = Message::parse(&buffer[..length])?.kind() == Some(kind::LEASEACTIVE);
                // Answers to the other questions.
                std::thread::sleep(Duration::from_millis(50));
                self.socket.set_nonblocking(true)?;
                while self.socket.recv(&mut buffer).is_ok() {}
                self.socket.set_nonblocking(false)?;
                return Ok(leased);
            }
        }
        bail!("no answer within {limit:?}")
    }

    fn send(&mut self, message: &[u8]) -> Result<()> {
        self.replay += 1;
        self.socket.send(&append_and_sign(message, &self.key, self.replay)?)?;
        Ok(())
    }

    /// The address in an answer of this kind; `None` when there is no answer.
    fn answer(&self, number: u32, wanted: u8) -> Result<Option<std::net::Ipv4Addr>> {
        let mut buffer = [0; 2048];
        // An answer that came too late for an earlier question may be in front.
        for _ in 0..WINDOW {
            let Ok(length) = self.socket.recv(&mut buffer) else { return Ok(None) };
            let message = Message::parse(&buffer[..length])?;
            if (message.xid(), message.kind()) == (number, Some(wanted)) {
                return Ok(Some(message.yiaddr()));
            }
        }
        Ok(None)
    }

    /// In SELECTING, so one exchange instead of two.
    fn select(&self, number: u32) -> Result<Vec<u8>> {
        self.message(number, kind::REQUEST, |builder| {
            builder.address(code::SERVER_ID, SERVER).address(code::REQUESTED_IP, address(number))
        })
    }

    /// A message as the gateway relays it: circuit-id, remote-id, relay-id, scope; the signature comes on top.
    fn message(&self, number: u32, kind: u8, with: impl FnOnce(Builder) -> Builder) -> Result<Vec<u8>> {
        let [a, b, c, d] = number.to_be_bytes();
        let mac = [0x02, 0x00, a, b, c, d];
        let circuit = format!("xe-0/0/{}:{}.{}", number % 4, 100 + number / 4000, number % 4000);
        let remote = mac.map(|octet| format!("{octet:02x}")).join(":");
        let agent = agent(
            AgentBuilder::new().sub(sub::CIRCUIT_ID, circuit.as_bytes()).sub(sub::REMOTE_ID, remote.as_bytes()),
            None,
            self.epoch,
        )?;
        // RFC 4361: type, IAID, and a DUID of link-layer address and time.
        let client_id = [&[255, 0, 0, 0, 1, 0, 1, 0, 1, 0x2c, 0x01, 0, 0][..], &mac].concat();
        let builder = Builder::new(REQUEST)
            .hardware(HardwareAddress::ethernet(mac))
            .xid(number)
            .flags(BROADCAST)
            .giaddr(RELAY)
            .hops(1)
            .kind(kind)
            .option(code::CLIENT_ID, &client_id)
            .option(code::PARAMETER_LIST, &[1, 3, 6, 15, 51, 58, 59]);
        Ok(with(builder).option(code::AGENT_INFORMATION, &agent).finish())
    }
}

/// An option 82 that ends with relay-id and the elements of bulk release.
fn agent(mut agent: AgentBuilder, transaction: Option<Transaction>, epoch: Epoch) -> Result<Vec<u8>> {
    let device = DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").context("a device id")?;
    agent.push(sub::RELAY_ID, device.octets());
    let scopes = vec![Scope { device, kind: ScopeKind::Address(RELAY), epoch }];
    let elements = BulkRelease { capability: Some(Capability::RELAY), transaction, scopes, ..BulkRelease::default() };
    for (code, value) in elements.encode(&CodePoints::default()) {
        agent.push(code, &value);
    }
    agent.finish().context("an option 82 that is too long")
}
