//! The socket with both its ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::*;
use crate::sample;
use protocol::{Request, Response};

/// A gateway that answers everything with the sample, until the test ends.
struct Fake {
    _runtime: tokio::runtime::Runtime,
    directory: tempfile::TempDir,
}

impl Fake {
    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("run/control.sock")
    }

    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let fake = Self { _runtime: runtime, directory };
        let (asker, mut questions) = questions();
        let _guard = fake._runtime.enter();
        let socket = ControlSocket::bind(&fake.path(), None).unwrap();
        tokio::spawn(socket.serve(asker));
        tokio::spawn(async move {
            while let Some(Question { request, answer }) = questions.recv().await {
                let _ = answer.send(sample::answer(request));
            }
        });
        fake
    }
}

#[test]
fn every_answer_survives_the_wire() {
    let fake = Fake::start();
    let mut client = Client::connect(&fake.path()).unwrap();
    let address = "100.64.0.10".parse().unwrap();
    let requests = [
        Request::Status,
        Request::Sessions {
            from: 0,
            max: 10,
            fpc: Some("fpc0".to_owned()),
            port: Some("eth1".to_owned()),
            mac: Some("02:00:00:00:00:01".to_owned()),
            orphaned: false,
        },
        Request::Session { address },
        Request::DhcpServer,
        Request::RenewLease { address: "100.64.0.10".parse().unwrap() },
        Request::Leases { from: 0, filter: protocol::Filter::default() },
        Request::Subnets,
        Request::AccessRoutes { subnets: vec!["100.96.0.0/26".to_owned(), "100.96.1.0/24".to_owned()] },
        Request::AddSubnet { subnet: "100.96.0.0/20".to_owned(), max_lease: Some(2_592_000), fresh: true },
        Request::RemoveSubnet { subnet: "100.96.0.0/20".to_owned() },
        Request::Fpcs,
        Request::Servers,
        Request::Releases,
        Request::Units { list: false },
        Request::Units { list: true },
        Request::Members,
        Request::Drops { after: 0 },
        Request::Events { after: 0, brief: false },
        Request::Release { address },
        Request::RestartFpc { fpc: "fpc0".to_owned(), policy: None },
        Request::Probe { server: "100.64.0.10".parse().unwrap() },
    ];
    for request in requests {
        let answer = client.ask(&request).unwrap();
        assert_eq!(answer, sample::answer(request));
    }
    let unknown = client.ask(&Request::RestartFpc { fpc: "fpc9".to_owned(), policy: None }).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no such FPC; there are fpc0, fpc1");
}

/// What a program sees that speaks to the socket itself: one line in, one line out, and words for what is wrong.
#[test]
fn lines_of_json() {
    let fake = Fake::start();
    let mut stream = BufReader::new(UnixStream::connect(fake.path()).unwrap());
    let mut say = |line: &str| {
        stream.get_mut().write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_line(&mut answer).unwrap();
        answer
    };
    assert!(
        say("{\"request\":\"units\"}\n").starts_with("{\"response\":\"units\",\"data\":{\"cluster\":\"access-1\",")
    );
    assert!(
        say("{\"request\":\"restart-fpc\",\"fpc\":\"fpc0\",\"policy\":\"maintain\"}\n").contains("\"logout\":false")
    );
    let error = say("{\"request\":\"format-disk\"}\n");
    assert!(
        error.starts_with("{\"response\":\"error\",\"data\":\"not a request: unknown variant `format-disk`"),
        "{error}"
    );
    assert!(say("{\"request\":\"drops\",\"befor\":1}\n").contains("unknown field `befor`"));
    assert!(say("\n").contains("not a request"));
    assert!(say(&"x".repeat(5000)).contains("at most 4096 octets"));
    let mut rest = String::new();
    assert_eq!(stream.read_line(&mut rest).unwrap(), 0, "a line without end closes the connection");
}

#[test]
fn who_may_and_who_may_not() {
    let fake = Fake::start();
    let mode = std::fs::metadata(fake.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "root's alone without a group");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let second = ControlSocket::bind(&fake.path(), None).unwrap_err();
    assert!(second.to_string().starts_with("a gateway is already running"), "{second}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let group = ControlSocket::bind(&path, Some("no-such-group")).unwrap_err();
    assert!(group.to_string().starts_with("gateway.control_group: there is no group no-such-group"), "{group}");
}

/// A process that was killed leaves its socket behind: the next one takes the place.
#[test]
fn a_socket_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let dead = Client::connect(&path).unwrap_err();
    assert!(dead.to_string().starts_with("no gateway is running: nothing listens at"), "{dead}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    drop(ControlSocket::bind(&path, Some("root")).unwrap());
    assert!(!path.exists(), "it is removed at the end");
    let none = Client::connect(Path::new("/nonexistent/control.sock")).unwrap_err();
    assert!(none.to_string().contains("start one with `gateway run`"), "{none}");
}

/// A run loop that is gone is an error, not a hang.
#[tokio::test]
async fn nobody_answers() {
    let (asker, questions) = questions();
    drop(questions);
    assert_eq!(asker.ask(Request::Status).await, Response::Error("the gateway is stopping".to_owned()));
}
