//! Subnets go where the hosts are.

use gateway_tests::subnets::{DAY, STEP, Year};

/// SN-6, SN-17: through a year in which the hosts of three servers move from one to another, and need two thirds of all addresses
/// together, fewer than 1 % of their logins are refused; and a server's space follows its hosts, up and down.
#[test]
fn usage_follows_load() {
    let mut year = Year::new();
    let (mut most, mut least) = ([0; 3], [u64::MAX; 3]);
    for step in 0..365 * DAY.as_secs() / STEP.as_secs() {
        year.step();
        if step > 1000 && step % 48 == 36 {
            let sample = year.sample();
            for server in 0..3 {
                most[server] = sample.space[server].max(most[server]);
                least[server] = sample.space[server].min(least[server]);
            }
        }
    }
    let logins = year.logins();
    println!("{logins:?}, space of each at most {most:?} and at least {least:?}");
    assert!(logins.all > 1_000_000, "{logins:?}");
    assert!(logins.refused * 100 < logins.all, "{logins:?}");
    assert!(logins.refused_while_free <= logins.refused);
    assert!((0..3).all(|server| least[server] * 3 < most[server]), "most {most:?}, least {least:?}");
}
