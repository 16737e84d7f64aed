//! The schema, as the steps that lead to it. A step that was released is never changed: what is to be different is another
//! step, and one that servers of the version before can live with.

/// Each leads from the version before it to the one of its place, counted from 1.
pub(super) const STEPS: &[&str] = &[TABLES, VIEW, SIX];

/// `clock` is what makes the database the arbiter. Whoever writes adds one to `change` first and so holds its row until
/// the end of the transaction: changes become visible in the order of their numbers, without gaps. `logout` is the number
/// of the last single logout.
const TABLES: &str = "
CREATE TABLE gateway.clock (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    change bigint NOT NULL,
    logout bigint NOT NULL
);
INSERT INTO gateway.clock (change, logout) VALUES (0, 0);

CREATE TABLE gateway.server (
    address inet PRIMARY KEY,
    number integer NOT NULL GENERATED ALWAYS AS IDENTITY,
    since timestamptz NOT NULL DEFAULT now()
);
CREATE SEQUENCE gateway.session;

CREATE TABLE gateway.record (
    key bytea PRIMARY KEY,
    value bytea NOT NULL,
    change bigint NOT NULL,
    session bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX record_change ON gateway.record (change);

CREATE TABLE gateway.own (
    server inet NOT NULL,
    key bytea NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (server, key)
);

COMMENT ON SCHEMA gateway IS 'Leases that several DHCP servers of the gateway share';
COMMENT ON TABLE gateway.clock IS 'Numbers of the last change and of the last single logout';
COMMENT ON TABLE gateway.server IS 'Servers that have ever shared these leases, by the address they listen on';
COMMENT ON TABLE gateway.record IS 'What the servers have in common: leases (l), single logouts (c) and their results (x)';
COMMENT ON TABLE gateway.own IS 'What each server keeps for itself: counters of signed messages';
";

/// For people and their reports; the servers do not read it. The places of fields are those of a lease record of version 1.
const VIEW: &str = "
CREATE VIEW gateway.lease AS
SELECT '0.0.0.0'::inet + ('x' || encode(substring(key FROM 2 FOR 4), 'hex'))::bit(32)::bigint AS address,
       CASE get_byte(value, 1)
           WHEN 4 THEN 'released'
           WHEN 5 THEN 'declined'
           ELSE CASE WHEN seconds >= 0 AND to_timestamp(seconds) <= now() THEN 'expired' ELSE 'active' END
       END AS state,
       encode(substring(value FROM 5 FOR get_byte(value, 3)), 'hex') AS hardware,
       encode(substring(value FROM client + 2 FOR get_byte(value, client)), 'hex') AS client_id,
       to_timestamp(nanoseconds / 1e9) AS last_transaction,
       CASE WHEN seconds >= 0 THEN to_timestamp(seconds) ELSE 'infinity' END AS ends
FROM gateway.record,
     LATERAL (SELECT 4 + get_byte(value, 3) AS client) AS a,
     LATERAL (SELECT client + 1 + get_byte(value, client) AS agent) AS b,
     LATERAL (SELECT agent + 1 + get_byte(value, agent) + 4 + 8 AS last) AS c,
     LATERAL (SELECT ('x' || encode(substring(value FROM last + 1 FOR 8), 'hex'))::bit(64)::bigint AS nanoseconds,
                     ('x' || encode(substring(value FROM last + 9 FOR 8), 'hex'))::bit(64)::bigint AS seconds) AS d
WHERE get_byte(key, 0) = ascii('l') AND get_byte(value, 0) = 1;

COMMENT ON VIEW gateway.lease IS 'Leases to be read by people. One that a single logout ended is active here until its time is over';
";

/// DHCPv6, and nonces that are all servers': those that were a server's own go, and clients get others. The view's places of fields
/// are those of a DHCPv6 lease record of version 2. Servers of the version before can't live with DHCPv6 leases: until they are
/// ended, no other may be configured to serve it.
const SIX: &str = "
CREATE TABLE gateway.pool (
    server inet NOT NULL,
    first inet NOT NULL,
    last inet NOT NULL,
    length smallint NOT NULL,
    PRIMARY KEY (server, first)
);
DELETE FROM gateway.own WHERE get_byte(key, 0) IN (ascii('f'), ascii('k'));

CREATE VIEW gateway.lease6 AS
SELECT set_masklen(rtrim(regexp_replace(encode(substring(key FROM 3 FOR 16), 'hex'), '(....)', '\\1:', 'g'), ':')::inet,
                   get_byte(key, 1)) AS lease,
       CASE get_byte(value, 1)
           WHEN 4 THEN 'released'
           WHEN 5 THEN 'declined'
           ELSE CASE WHEN valid >= 0 AND to_timestamp(valid) <= now() THEN 'expired' ELSE 'active' END
       END AS state,
       encode(substring(value FROM 40 FOR get_byte(value, 38)), 'hex') AS duid,
       ('x' || encode(substring(value FROM 3 FOR 4), 'hex'))::bit(32)::bigint AS iaid,
       to_timestamp(nanoseconds / 1e9) AS last_transaction,
       CASE WHEN valid >= 0 THEN to_timestamp(valid) ELSE 'infinity' END AS ends
FROM (SELECT key, value FROM gateway.record
      WHERE substring(key FROM 1 FOR 1) = '6'::bytea AND length(key) = 18 AND substring(key FROM 2 FOR 1) <= '\\x80'::bytea
          AND substring(value FROM 1 FOR 1) = '\\x02'::bytea
      OFFSET 0) AS record, -- looked at before anything is made of its fields
     LATERAL (SELECT ('x' || encode(substring(value FROM 15 FOR 8), 'hex'))::bit(64)::bigint AS nanoseconds,
                     ('x' || encode(substring(value FROM 31 FOR 8), 'hex'))::bit(64)::bigint AS valid) AS d;

COMMENT ON TABLE gateway.record IS 'What the servers have in common: leases (l; DHCPv6: 6), single logouts (c) and their results (x), clients'' nonces (f) and what they are made of (k)';
COMMENT ON TABLE gateway.pool IS 'DHCPv6 pools of each server, and the length of what they are cut into';
COMMENT ON VIEW gateway.lease6 IS 'DHCPv6 leases to be read by people. One that a single logout ended is active here until its time is over';
";
