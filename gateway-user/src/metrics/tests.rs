//! A scrape over a socket, line by line.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Metrics;
use crate::control::{Asker, Question, questions};
use crate::sample;

async fn get(request: &str) -> String {
    let (asker, mut asked) = questions();
    tokio::spawn(async move {
        while let Some(Question { request, answer }) = asked.recv().await {
            let _ = answer.send(sample::answer(request));
        }
    });
    get_from(asker, request).await
}

async fn get_from(asker: Asker, request: &str) -> String {
    let metrics = Metrics::bind(([127, 0, 0, 1], 0).into(), "metrics").await.unwrap();
    let address = metrics.local_addr().unwrap();
    tokio::spawn(metrics.serve(asker));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_scrape() {
    let answer = get("GET /metrics HTTP/1.1\r\nHost: gateway\r\nAccept: */*\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text;"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    for line in [
        "# TYPE gateway_packets counter",
        "gateway_build{version=\"0.1.0\",id=\"BNG-0042\"} 1",
        "gateway_uptime_seconds 11520",
        "gateway_packets_total{program=\"access\",verdict=\"forwarded-up\",fate=\"forwarded\"} 123456789",
        "gateway_octets_total{program=\"upstream\",verdict=\"no-session\",fate=\"dropped\"} 500",
        "gateway_port_up{port=\"fpc0\",xdp=\"native\"} 1",
        "gateway_port_up{port=\"fpc1\",xdp=\"detached\"} 0",
        "gateway_sessions{fpc=\"fpc0\"} 500",
        "gateway_sessions_orphaned{fpc=\"fpc1\"} 3",
        "gateway_leases6{fpc=\"fpc0\"} 750",
        "gateway_subscribers 1200",
        "gateway_fpc_up{fpc=\"fpc1\"} 0",
        "gateway_fpc_restarts_total{fpc=\"fpc1\"} 1",
        "gateway_events_total{event=\"logins\"} 1234",
        "gateway_releases_running 1",
        "gateway_releases_logins 250",
        "gateway_releases_leases6 200",
        "gateway_server_capability{server=\"192.0.2.2\",capability=\"capable\"} 1",
        "gateway_server_capability{server=\"192.0.2.3\",capability=\"capable\"} 0",
        "gateway_server_capability{server=\"192.0.2.3\",capability=\"incapable\"} 1",
        "gateway_server_capability{server=\"2001:db8:5e5e:1::1:2\",capability=\"batches\"} 1",
        "gateway_server_sessions{server=\"192.0.2.2\"} 500",
        "gateway_store_errors_total 0",
        "gateway_dhcp_server_leases 400",
        "gateway_dhcp_server_pool_in_use{subnet=\"100.64.0.0/21\"} 400",
        "gateway_dhcp_server_pool_size{subnet=\"2001:db8:8000::/40 to /56\"} 65536",
        "# TYPE gateway_dhcp_server_answer_seconds histogram",
        "gateway_dhcp_server_answer_seconds_count 100",
        "gateway_dhcp_server_answer_seconds_sum 0.02",
        "gateway_dhcp_server_answer_seconds_bucket{le=\"0.000512\"} 99",
        "gateway_dhcp_server_answer_seconds_bucket{le=\"+Inf\"} 100",
        "gateway_dhcp_server_store_ok 1",
        "gateway_dhcp_server_events_total{event=\"conflict\"} 2",
        "gateway_dhcp_server_leases6 800",
        "gateway_dhcp_server_subnet_addresses{holder=\"leased\"} 256",
        "gateway_dhcp_server_subnet_events_total{event=\"subnet-leased\"} 1",
        "gateway_dhcp_server_capacity6 4096",
        "gateway_dhcp_server_events6_total{event=\"solicit\"} 850",
        "gateway_cluster_term 7",
        "gateway_cluster_master 1",
        "gateway_cluster_fenced 0",
        "gateway_cluster_unreplicated 1",
        "gateway_cluster_etcd_reachable 0",
        "gateway_cluster_certificate_end_timestamp_seconds 1798761600",
        "gateway_cluster_units_owned 512",
        "gateway_cluster_units_held 25",
        "gateway_cluster_units_moving 2",
        "gateway_cluster_members_configured 3",
        "gateway_cluster_members 2",
        "gateway_cluster_member{member=\"gw-b\",state=\"draining\"} 1",
        "gateway_cluster_member{member=\"gw-c\",state=\"absent\"} 1",
        "gateway_cluster_stream{member=\"gw-b\"} 1",
        "gateway_cluster_paths{member=\"gw-b\",transport=\"sctp\"} 1",
        "gateway_cluster_paths{member=\"gw-c\",transport=\"none\"} 0",
        "gateway_cluster_path_up{member=\"gw-b\",direction=\"to\",address=\"203.0.113.2\"} 0",
        "gateway_cluster_path_primary{member=\"gw-b\",direction=\"from\",address=\"198.51.100.1\"} 1",
        "gateway_cluster_path_loss_ratio{member=\"gw-b\",direction=\"to\",address=\"203.0.113.2\"} 0.125",
        "gateway_cluster_path_rtt_seconds{member=\"gw-b\",direction=\"to\",address=\"198.51.100.2\"} 0.0004",
        "gateway_cluster_path_rto_seconds{member=\"gw-b\",direction=\"to\",address=\"198.51.100.2\"} 0.2",
        "gateway_cluster_replication_behind{member=\"gw-b\"} 4",
        "gateway_cluster_units{owner=\"gw-b\"} 488",
        "gateway_cluster_units{owner=\"nobody\"} 24",
        "gateway_cluster_unit_moves_total 1536",
        "gateway_cluster_units_moved_total 341",
        "gateway_cluster_sessions_sent_total 600",
        "gateway_cluster_changes_applied_total 300",
        "gateway_cluster_refused_total{reason=\"forged\"} 3",
        "gateway_cluster_refused_total{reason=\"stale\"} 0",
        "# EOF",
    ] {
        assert!(body.lines().any(|found| found == line), "{line} is missing in\n{body}");
    }
    // No sample stands twice: Prometheus would refuse the whole scrape.
    let mut names: Vec<_> =
        body.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ')).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup_by_key(|name| name.map(|(name, _)| name.to_owned()));
    assert_eq!(names.len(), all);
}

/// Whatever a server of either version is said to be able to do is a state that there is a series of.
#[test]
fn every_capability_is_a_state() {
    use gateway_core::capability::State;
    use gateway_core::v6::release::Takes::{Refuses, Releases, Requests, SingleLogout, Unknown};
    let four = [State::Unknown, State::Capable, State::Refused, State::Incapable, State::Stripped].map(State::name);
    let six = [Unknown, Releases, Refuses, Requests, SingleLogout].map(gateway_core::v6::release::Takes::name);
    for name in four.into_iter().chain(six) {
        assert!(super::collect::CAPABILITIES.contains(&name), "{name} is none");
    }
}

/// A DHCP server on its own tells what it has leased and counted, and nothing of sessions that there are not.
#[tokio::test]
async fn a_server_on_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = gateway_server::Config::new(std::net::Ipv4Addr::LOCALHOST, directory.path());
    config.ports.server = 0;
    let service = gateway_server::Service::open(config).unwrap();
    let answer = get_from(Asker::of_server(service.lookup()), "GET /metrics HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for line in [
        concat!("gateway_build{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "gateway_dhcp_server_leases 0",
        "gateway_dhcp_server_store_ok 1",
        "gateway_dhcp_server_events_total{event=\"discover\"} 0",
        "# EOF",
    ] {
        assert!(answer.lines().any(|found| found == line), "{line} is missing in\n{answer}");
    }
    assert!(!answer.contains("gateway_sessions"), "{answer}");
}

#[tokio::test]
async fn other_requests() {
    assert!(get("GET /metrics?x=1 HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    assert!(get("GET / HTTP/1.1\r\n\r\n").await.contains("/metrics"));
    assert!(get("GET /etc/passwd HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 404"));
    assert!(get("POST /metrics HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 405"));
    assert!(get(&format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(9000))).await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn an_address_that_is_taken() {
    let first = Metrics::bind(([127, 0, 0, 1], 0).into(), "gateway.metrics").await.unwrap();
    let error = Metrics::bind(first.local_addr().unwrap(), "gateway.metrics").await.unwrap_err();
    assert!(error.to_string().starts_with("gateway.metrics: cannot listen at 127.0.0.1:"), "{error}");
}
