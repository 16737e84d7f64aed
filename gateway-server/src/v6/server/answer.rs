//! Building answers, and the way back to who asked.

use core::net::{Ipv6Addr, SocketAddrV6};

use gateway_core::wire::dhcp6::{Binding, Builder, IaKind, Nest, Requested, TooLong, code, kind, status};

use super::request::Request;
use super::{Command, Dropped, Server, seconds};
use crate::v6::leases::Slot;

/// One IA of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct IaAnswer {
    pub(super) kind: IaKind,
    pub(super) iaid: u32,
    /// T1 and T2; zero without a lease that is in force.
    pub(super) times: [u32; 2],
    /// Each with its preferred and valid lifetime.
    pub(super) leases: Vec<(Binding, [u32; 2])>,
    pub(super) status: Option<(u16, &'static str)>,
}

impl IaAnswer {
    /// An IA with a status and nothing else.
    pub(super) fn status(kind: IaKind, iaid: u32, code: u16, text: &'static str) -> Self {
        Self { kind, iaid, times: [0, 0], leases: Vec::new(), status: Some((code, text)) }
    }

    /// Nothing is left for it.
    pub(super) fn none_available(kind: IaKind, iaid: u32) -> Self {
        match kind {
            IaKind::Na => Self::status(kind, iaid, status::NO_ADDRS_AVAIL, "no address is left"),
            IaKind::Ta => Self::status(kind, iaid, status::NO_ADDRS_AVAIL, "there are no temporary addresses here"),
            IaKind::Pd => Self::status(kind, iaid, status::NO_PREFIX_AVAIL, "no prefix is left"),
        }
    }

    fn write(&self, out: &mut Builder) {
        out.ia(self.kind, self.iaid, self.times, |out| {
            for (binding, lifetimes) in &self.leases {
                out.lease(*binding, *lifetimes, |_| {});
            }
            if let Some((code, text)) = self.status {
                out.status(code, text);
            }
        });
    }
}

impl Server {
    /// An IA with leases, from the slots' subnets: lifetimes, T1 and T2 (RFC 8415 section 21.4).
    pub(super) fn leased(&self, kind: IaKind, iaid: u32, slots: &[Slot]) -> IaAnswer {
        let subnets = || slots.iter().map(|slot| self.subnet(self.leases.get(*slot).subnet));
        let part = |of: fn(&crate::v6::config::Subnet) -> u8| {
            let times = subnets().map(|subnet| match seconds(subnet.preferred) {
                u32::MAX => u32::MAX,
                preferred => (u64::from(preferred) * u64::from(of(subnet)) / 100) as u32, // at most 100 percent
            });
            times.min().unwrap_or(0)
        };
        let lease = |slot: &Slot| {
            let lease = self.leases.get(*slot);
            let subnet = self.subnet(lease.subnet);
            (lease.binding, [seconds(subnet.preferred), seconds(subnet.valid)])
        };
        let times = [part(|subnet| subnet.renew_percent), part(|subnet| subnet.rebind_percent)];
        IaAnswer { kind, iaid, times, leases: slots.iter().map(lease).collect(), status: None }
    }

    /// The head of an ADVERTISE or REPLY.
    pub(super) fn start(&self, request: &Request<'_>, kind: u8) -> Result<Builder, Dropped> {
        let mut out = Builder::message(kind, request.message.xid());
        if let Some(client) = request.message.client_id()? {
            out.duid(code::CLIENT_ID, client);
        }
        out.duid(code::SERVER_ID, self.config.server_id.as_duid());
        Ok(out)
    }

    /// A REPLY with nothing but a status (RFC 8415 sections 18.3.3, 18.3.7 and 18.3.8), and IAs with theirs.
    pub(super) fn reply_status(
        &mut self,
        request: &Request<'_>,
        status: (u16, &str),
        ias: &[IaAnswer],
    ) -> Result<(), Dropped> {
        let mut out = self.start(request, kind::REPLY)?;
        out.status(status.0, status.1);
        ias.iter().for_each(|ia| ia.write(&mut out));
        self.counters.reply += 1;
        Ok(self.send(request, &out.finish()?)?)
    }

    /// ADVERTISE or REPLY with IAs and what the clients of the link are told.
    pub(super) fn reply_leases(
        &mut self,
        request: &Request<'_>,
        kind: u8,
        ias: &[IaAnswer],
        subnets: &[u16],
        rapid: bool,
    ) -> Result<(), Dropped> {
        let mut out = self.start(request, kind)?;
        if rapid {
            out.option(code::RAPID_COMMIT, &[]);
        }
        if kind == kind::ADVERTISE && self.config.preference > 0 {
            out.option(code::PREFERENCE, &[self.config.preference]);
        }
        ias.iter().for_each(|ia| ia.write(&mut out));
        self.configure(&mut out, request.message.requested()?, subnets);
        let counter = if kind == kind::ADVERTISE { &mut self.counters.advertise } else { &mut self.counters.reply };
        *counter += 1;
        Ok(self.send(request, &out.finish()?)?)
    }

    /// What the first subnet of the link tells, as far as it is asked for; option 23 also when nothing is asked for.
    pub(super) fn configure(&self, out: &mut Builder, wanted: Requested<'_>, subnets: &[u16]) {
        let Some(first) = subnets.first() else { return };
        let subnet = self.subnet(*first);
        if !subnet.dns.is_empty() && (wanted.contains(code::DNS_SERVERS) || wanted.iter().next().is_none()) {
            let servers: Vec<u8> = subnet.dns.iter().flat_map(Ipv6Addr::octets).collect();
            out.option(code::DNS_SERVERS, &servers);
        }
        for (code, value) in subnet.options.iter().filter(|(code, _)| wanted.contains(*code)) {
            out.option(*code, value);
        }
    }

    /// An answer with the headers that it goes back in.
    pub(super) fn wrapped(&self, request: &Request<'_>, nest: &Nest<'_>, answer: &[u8]) -> Result<Vec<u8>, TooLong> {
        let teller = request.teller();
        nest.reply_with(answer, |relay| {
            teller.filter(|teller| teller == relay).and_then(|relay| self.capability(&relay))
        })
    }

    /// Sends an answer the way that the question came.
    pub(super) fn send(&mut self, request: &Request<'_>, answer: &[u8]) -> Result<(), TooLong> {
        let (payload, port) = match &request.nest {
            Some(nest) => {
                // RFC 8357 section 5.2: a relay that says so is answered on the port it sent from.
                let own_port = nest.outermost().options().find(code::RELAY_PORT).is_some();
                let port = if own_port { request.source.port() } else { self.config.ports.relay };
                (self.wrapped(request, nest, answer)?, port)
            }
            None => (answer.to_vec(), self.config.ports.client),
        };
        let to = SocketAddrV6::new(*request.source.ip(), port, 0, request.source.scope_id());
        self.commands.push_back(Command::Send { to, payload, waits: answer.first() != Some(&kind::ADVERTISE) });
        Ok(())
    }
}
