//! Who may not join, and what may not be said: a clear line in the log, and no effect.

use anyhow::{Context, Result};
use gateway_tests::daemon::{Configuration, Gateway};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::plan::Plan;
use gateway_tests::tap::{Control, Tap, kind};
use gateway_tests::wait;
use gateway_user::cluster::authority::Authority;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// The third member, gw-c.
const OUTSIDER: u8 = 2;
/// How long something is given to have no effect: more than it takes to fence a member.
const QUIET: Duration = Duration::from_millis(800);

fn stage(running: u8, lines: &str) -> Result<(Lab, Members)> {
    let lab = Lab::up(Plan { fpcs: 1, members: 3, ..Plan::default() })?;
    let mut members = Members::prepare(&lab, &Configuration::new(&lab), Delivery::Unicast)?;
    members.lines = lines.to_owned();
    members.launch_all(&lab, running)?;
    Ok((lab, members))
}

/// Who is master of which term, and who owns which unit, as the given members see it.
fn standing(members: &Members, of: &[u8]) -> Result<Value> {
    let one = |place: &u8| -> Result<Value> {
        let gateway = members.at(*place)?;
        let (view, units) = (gateway.show("members")?, gateway.show("units")?);
        Ok(json!([view["master"], view["term"], view["fenced"], units["owners"]]))
    };
    of.iter().map(one).collect()
}

/// Nothing changes for the given members, for a while.
fn is_unmoved(members: &Members, of: &[u8], before: &Value) -> Result<()> {
    let end = Instant::now() + QUIET;
    while Instant::now() < end {
        assert_eq!(standing(members, of)?, *before);
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn says(gateway: &mut Option<Gateway>, text: &str) -> Result<()> {
    gateway.as_mut().context("it runs")?.process.wait_for_log(text, LIMIT)
}

/// Let gw-c try, wait until it and a member have said why it may not, see that nothing else came of it, and end it.
fn is_kept_out(lab: &Lab, members: &mut Members, they_say: &str, it_says: &str) -> Result<()> {
    let before = standing(members, &[0, 1])?;
    members.launch(lab, OUTSIDER)?;
    says(&mut members.gateways[usize::from(OUTSIDER)], it_says)?;
    let heard =
        |members: &Members| (0..2).any(|place| members.at(place).is_ok_and(|one| one.process.log().contains(they_say)));
    wait::until_true(they_say, LIMIT, || heard(members))
        .with_context(|| members.running().map(|gateway| gateway.process.log_end()).collect::<Vec<_>>().join("\n"))?;
    is_unmoved(members, &[0, 1], &before)?;
    assert_eq!(members.at(OUTSIDER)?.show("members")?["fenced"], true);
    members.kill(OUTSIDER)
}

/// Issue gw-c a certificate as if it were so long ago, good for a day.
fn issue(directory: &Path, ago: time::Duration) -> Result<()> {
    let at = OffsetDateTime::now_utc() - ago;
    let (name, address) = (Plan::member_name(OUTSIDER), Plan::member_link(OUTSIDER));
    Authority::open(directory)?.issue(&name, address.into(), 1, true, at)?;
    Ok(())
}

/// CL-10, H-CL-9, H-CL-11: one with an older configuration, or with a newer one than the cluster, with a stranger's certificate
/// or an expired one is kept out; with a good one it is let in. When that is revoked while its connections stand, they end,
/// and it is fenced.
#[test]
fn who_may_not_join() -> Result<()> {
    let (lab, mut members) = stage(2, "version = 2\n")?;
    let version = |members: &mut Members, number: u8| members.lines = format!("version = {number}\n");
    version(&mut members, 1);
    let other = "its configuration is not the cluster's";
    is_kept_out(&lab, &mut members, &format!("gw-c refused: {other}"), &format!(": {other}"))?;
    version(&mut members, 3);
    is_kept_out(
        &lab,
        &mut members,
        "gw-c has configuration version 3, which is later than ours",
        &format!(": {other}"),
    )?;
    version(&mut members, 2);

    let bundle = members.authority_directory().join("members").join(Plan::member_name(OUTSIDER));
    let strange = lab.directory().join("strangers");
    Authority::found(&strange, "lab", OffsetDateTime::now_utc())?;
    issue(&strange, time::Duration::ZERO)?;
    for file in ["certificate.pem", "key.pem"] {
        fs::copy(strange.join("members").join(Plan::member_name(OUTSIDER)).join(file), bundle.join(file))?;
    }
    is_kept_out(
        &lab,
        &mut members,
        "refused: its certificate is of another authority",
        "refused: it refused us: our certificate is of another authority",
    )?;
    issue(members.authority_directory(), time::Duration::days(3))?;
    let ours = "the other members refuse this one: our certificate has expired";
    is_kept_out(&lab, &mut members, "refused: its certificate has expired", ours)?;

    // Less than a day is left.
    issue(members.authority_directory(), time::Duration::minutes(1))?;
    members.launch(&lab, OUTSIDER)?;
    members.wait_balanced(LIMIT)?;
    says(&mut members.gateways[usize::from(OUTSIDER)], "within 1 days the other members refuse this one")?;

    members.authority(&["revoke", "gw-c"])?;
    for place in 0..2 {
        says(&mut members.gateways[place], "refused now: its certificate is revoked")?;
    }
    members.at(OUTSIDER)?.wait_for("members", LIMIT, |view| view["fenced"] == true)?;
    members.kill(OUTSIDER)?;
    members.wait_balanced(LIMIT)?;
    is_kept_out(
        &lab,
        &mut members,
        "refused: its certificate is revoked",
        "refused: it refused us: our certificate is revoked",
    )
}

/// CL-16, CL-29, H-CL-10, H-CL-27: a master that stood still steps down and says EXIT. Whoever recorded that, and keepalives,
/// and says them again, as they were, in another's name, changed, or cut, is not heeded by anybody.
#[test]
fn what_may_not_be_said() -> Result<()> {
    let (lab, members) = stage(3, "")?;
    let old = members.master_place()?;
    let mut taps = (0..3).map(|place| Tap::open(&lab, place)).collect::<Result<Vec<_>>>()?;
    let process = &members.at(old)?.process;
    process.signal(Signal::SIGSTOP)?;
    std::thread::sleep(Duration::from_millis(700));
    taps[usize::from(old)].forget();
    process.signal(Signal::SIGCONT)?;
    let exit = taps[usize::from(old)].hear(kind::EXIT, LIMIT)?;
    wait::until_true("another master", LIMIT, || members.master_place().is_ok_and(|place| place != old))?;
    members.wait_balanced(LIMIT)?;

    let master = members.master_place()?;
    taps[usize::from(master)].forget();
    let keepalive = taps[usize::from(master)].hear(kind::MASTER_KEEPALIVE, LIMIT)?;
    let follower = (0..3).find(|place| ![old, master].contains(place)).context("there are three")?;
    let of_member = |tap: &mut Tap| {
        tap.forget();
        tap.hear(kind::MEMBER_KEEPALIVE, LIMIT)
    };
    let member = of_member(&mut taps[usize::from(follower)])?;
    let before = standing(&members, &[0, 1, 2])?;

    let (old_id, master_id, member_id) = (old + 1, master + 1, follower + 1);
    let replayed = |control: &Control, of: u8| format!("replayed: number {} of member {of}", control.seq());
    let forged = |of: u8| format!("forged: not signed by member {of}");
    let exit_of_master = keepalive.cut(32 + 1).with(5, &[kind::EXIT]).newer();
    let cases = [
        (follower, exit.clone(), replayed(&exit, old_id)),
        (master, exit.clone(), replayed(&exit, old_id)),
        (follower, keepalive.clone(), replayed(&keepalive, master_id)),
        (master, member.clone(), replayed(&member, member_id)),
        // In the master's name: to the members it is gone, and whoever hears a keepalive less long than it says, too.
        (follower, exit_of_master, "cut short, or of another length than it says".to_owned()),
        (follower, keepalive.newer(), forged(master_id)),
        (old, keepalive.newer().with(32, &[0xff; 8]), forged(master_id)),
        (master, member.newer(), forged(member_id)),
        (follower, exit.newer().with(12, &[0, 0, 0, master_id]), forged(master_id)),
        (follower, keepalive.with(15, &[77]).newer(), "from member 77, which has told us no key".to_owned()),
        (follower, keepalive.with(0, b"JUNK"), "no control message of a cluster".to_owned()),
        (follower, keepalive.with(4, &[9]), "version 9 of the protocol, not 1".to_owned()),
        (follower, keepalive.with(5, &[99]), "unknown type 99".to_owned()),
        (master, member.cut(member.length() - 1), "cut short, or of another length than it says".to_owned()),
        (master, member.cut(7), "cut short, or of another length than it says".to_owned()),
    ];
    for (to, control, reason) in cases {
        let count = || members.at(to).map(refused);
        let known = count()?;
        taps[usize::from(to)].say(&control)?;
        wait::until_true(&format!("member {} to refuse: {reason}", to + 1), LIMIT, || {
            count().is_ok_and(|now| now > known)
        })?;
        // A reason is said at most once a second.
        let log = || members.at(to).is_ok_and(|gateway| gateway.process.log().contains(&reason));
        let again = || {
            let _ = taps[usize::from(to)].say(&control);
            log()
        };
        wait_slowly(&reason, again)
            .with_context(|| members.at(to).map_or_else(|_| String::new(), |one| one.process.log_end()))?;
    }
    is_unmoved(&members, &[0, 1, 2], &before)
}

/// Datagrams that a member has refused.
fn refused(gateway: &Gateway) -> u64 {
    let view = gateway.show("members").unwrap_or_default();
    let counts = view["counted"]["refused"].as_object();
    counts.map_or(0, |counts| counts.values().filter_map(Value::as_u64).sum())
}

/// Tries ten times a second.
fn wait_slowly(what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    for _ in 0..100 {
        if condition() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    anyhow::bail!("waited 10s in vain for {what}")
}
