//! Names of members in certificates.

/// What [`is_label`] wants, for messages.
pub const LABEL: &str = "1 to 63 lower-case letters, digits and `-`, a letter first and no `-` last";

/// Whether a text may name a cluster or a member: it becomes a label of a DNS name (RFC 1035 section 2.3.1).
pub fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// The DNS name in a member's certificate.
pub fn subject(member: &str, cluster: &str) -> String {
    format!("{member}.members.{cluster}")
}

/// The member that a DNS name means; `None` when it is no member's of this cluster.
pub fn member_of<'s>(subject: &'s str, cluster: &str) -> Option<&'s str> {
    subject.strip_suffix(cluster)?.strip_suffix(".members.").filter(|member| is_label(member))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        assert!(["a", "gw-a", "gw1", &"x".repeat(63)].into_iter().all(is_label));
        let bad = ["", "1", "-a", "a-", "GW", "a.b", "a_b", "ä", &"x".repeat(64)];
        assert!(!bad.into_iter().any(is_label));
    }

    /// The member of one cluster is none of another, whatever its name ends in.
    #[test]
    fn there_and_back() {
        assert_eq!(member_of(&subject("gw-a", "access-1"), "access-1"), Some("gw-a"));
        assert_eq!(member_of(&subject("gw-a", "my-access"), "access"), None);
        assert_eq!(member_of(&subject("x.gw-a", "access"), "access"), None);
        assert_eq!(member_of("gw-a.access", "access"), None);
    }
}
