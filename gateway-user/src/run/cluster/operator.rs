//! What an operator asks of the cluster.

use std::sync::PoisonError;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use gateway_core::cluster::{MemberView, OperatorError, Request, Role};
use gateway_core::member::MemberId;
use gateway_core::time::Instant;

use crate::cluster::door::{Input, Seen};
use crate::control::protocol::{self, Response};
use crate::run::Gateway;

/// How long the core may take to answer.
const PATIENCE: Duration = Duration::from_millis(200);

fn no_answer() -> Response {
    Response::Error("the cluster's thread does not answer: see the log".to_owned())
}

impl Gateway {
    /// How the core sees things; `None` without a cluster, or when its thread is gone.
    pub(in crate::run) fn look(&self) -> Option<Seen> {
        self.ask(Input::View)
    }

    /// Asks the core, which answers at once unless it is gone.
    fn ask<T>(&self, question: impl FnOnce(SyncSender<T>) -> Input) -> Option<T> {
        let (answer, answered) = sync_channel(1);
        self.membership.as_ref()?.tell(question(answer));
        answered.recv_timeout(PATIENCE).ok()
    }

    /// The cluster, for the operator.
    pub(in crate::run) fn members(&self, now: Instant) -> Response {
        let (Some(cluster), Some(membership)) = (&self.config.cluster, &self.membership) else {
            return Response::Error("this gateway is no member of a cluster: there is no [cluster]".to_owned());
        };
        let Some(seen) = self.look() else { return no_answer() };
        let counted = self.counted(membership, &seen);
        let Seen { view, counters, .. } = seen;
        let name = |id: MemberId| cluster.get(id).map_or_else(|| id.to_string(), |member| member.name.clone());
        let own = cluster.get(view.me).map(|own| own.address);
        let stream = |member: &MemberView| {
            let own = own.filter(|_| member.id != view.me)?;
            Some(membership.stream(member.id, own, member.ip, now))
        };
        let member = |member: &MemberView| protocol::Member {
            id: member.id.get(),
            name: member.name.clone(),
            address: member.ip.to_string(),
            state: match (member.member, member.draining) {
                (true, true) => "draining",
                (true, false) => "member",
                (false, _) => "absent",
            }
            .to_owned(),
            connected: member.connected,
            units: member.units,
            load: member.load,
            loss: member.loss.map(|loss| loss * 100.0),
            heard_ms: member.heard.map(|heard| now.since(heard).as_millis() as u64),
            behind: membership.sharing.behind(member.id),
            stream: stream(member),
        };
        Response::Members(Box::new(protocol::Members {
            cluster: cluster.name.clone(),
            me: name(view.me),
            role: match view.role {
                Role::Joining => "joining",
                Role::Offering => "offering",
                Role::Member => "member",
                Role::Master => "master",
                Role::Left => "left",
            }
            .to_owned(),
            master: view.master.map(name),
            term: view.term.0,
            keeper: view.keeper.map(name),
            fenced: view.fenced,
            degraded: view.degraded,
            unreplicated: membership.sharing.is_degraded(),
            held: counters.held,
            held_dropped: counters.held_dropped,
            etcd: membership.etcd.as_ref().map(|status| {
                let status = status.lock().unwrap_or_else(PoisonError::into_inner);
                protocol::Etcd {
                    endpoint: status.endpoint.clone(),
                    reachable: status.reachable,
                    since_ms: now.since(status.since).as_millis() as u64,
                    why: status.why.clone(),
                }
            }),
            certificate_end: membership.tls.end(),
            members: view.members.iter().map(member).collect(),
            counted,
        }))
    }

    /// An operator moves a member's units away, or ends that.
    pub(in crate::run) fn drain(&self, name: &str, end: bool) -> Response {
        let Some(cluster) = &self.config.cluster else {
            return Response::Error("this gateway is no member of a cluster: there is no [cluster]".to_owned());
        };
        let Some(member) = cluster.members.iter().find(|member| member.name == name) else {
            let known: Vec<_> = cluster.members.iter().map(|member| member.name.as_str()).collect();
            return Response::Error(format!("there is no member `{name}`; there are: {}", known.join(", ")));
        };
        let request = if end { Request::Undrain(member.id) } else { Request::Drain(member.id) };
        match self.ask(|answer| Input::Operator(request, answer)) {
            Some(Ok(())) if end => Response::Done(format!("{name} gets units again as the master balances")),
            Some(Ok(())) => Response::Done(format!("the units of {name} move to the others; see `gateway members`")),
            Some(Err(OperatorError::NotMaster(Some(master)))) => {
                let master = cluster.get(master).map_or_else(|| master.to_string(), |master| master.name.clone());
                Response::Error(format!("this is the master's matter: ask {master}"))
            }
            Some(Err(error)) => Response::Error(error.to_string()),
            None => no_answer(),
        }
    }
}
