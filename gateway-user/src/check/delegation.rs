//! `[dhcp_server.delegation]`: whom a server believes, and what that costs.

use gateway_core::delegation::Lessees;
use gateway_server::Config;

use super::finding::Finding;

/// What works, but is not what one would want.
pub(crate) fn cautions(server: &Config) -> Vec<Finding> {
    let Some(subnets) = &server.delegation else { return Vec::new() };
    let delegation = &subnets.delegation;
    let mut findings = Vec::new();
    let mut caution = |what: &str, advice: &str| findings.push(Finding::warn("delegation", what, advice));
    let key = "give [dhcp_server.delegation] a key_id and a key_file, the same at all servers";
    if delegation.lessees == Lessees::Anyone && subnets.key.is_none() {
        caution(
            "any_lessee without a key: whoever reaches this server from an address of its own can take all of its space",
            key,
        );
    } else if subnets.key.is_none() {
        caution(
            "servers share no key: a host that can send with another server's address can take or give back subnets in its name",
            key,
        );
    } else if !delegation.authenticate {
        caution(
            "authenticate = false beside a key: unsigned messages about subnets are heeded, too",
            "leave authenticate out when all servers have the key",
        );
    }
    for root in subnets.roots.iter().filter(|root| root.fresh) {
        caution(
            &format!("{} is fresh: if this server lost its store, it would give the subnet a second time", root.subnet),
            "take fresh = true out when the server has run once",
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn told(keys: &str) -> Vec<String> {
        let base = "[dhcp_server]\nlisten = \"192.0.2.2\"\n[dhcp_server.delegation]\nid = \"top\"\n";
        let text = format!("{base}{keys}\n");
        let server = config::parse("g.toml".as_ref(), &text).unwrap().dhcp_server.unwrap();
        cautions(&server).into_iter().map(|finding| finding.found).collect()
    }

    /// H-SN-20: what lets others speak in a server's name is told before somebody does.
    #[test]
    fn who_is_believed() {
        let key = "key_id = 9\nkey = \"00112233445566778899aabbccddeeff\"\n";
        assert!(told("any_lessee = true")[0].starts_with("any_lessee without a key"));
        assert!(told("lessees = [\"west\"]")[0].starts_with("servers share no key"));
        let child = "providers = [\"192.0.2.9\"]\nrelays = [\"10.9.0.1\"]";
        assert!(told(child)[0].starts_with("servers share no key"), "a child is asked by anybody, too");
        assert_eq!(told(&format!("{child}\n{key}")), [""; 0]);
        assert_eq!(told(&format!("any_lessee = true\n{key}")), [""; 0]);
        assert!(
            told(&format!("any_lessee = true\nauthenticate = false\n{key}"))[0].starts_with("authenticate = false")
        );
        let fresh = "[[dhcp_server.delegation.subnet]]\nprefix = \"10.16.0.0/20\"\nfresh = true";
        assert!(told(&format!("any_lessee = true\n{key}{fresh}"))[0].starts_with("10.16.0.0/20 is fresh"));
        let none = config::parse("g.toml".as_ref(), config::EXAMPLE).unwrap();
        assert_eq!(none.dhcp_server.iter().flat_map(cautions).count(), 0);
    }
}
