//! The load reads every way an HTTP/1.1 answer can end, and counts what is none.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use turnout_lab::load::{self, Plan, Progress, Report, Target};

/// Answers the first request of each of `connections` connections with these bytes, then closes.
fn report(answer: &'static [u8], requests: u64) -> Report {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = std::thread::spawn(move || {
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut head = [0; 4096];
            let read = stream.read(&mut head).expect("a request");
            let head = std::str::from_utf8(&head[..read]).expect("text");
            assert!(head.starts_with("GET /x HTTP/1.1\r\n") && head.ends_with("\r\n\r\n"), "{head}");
            assert_eq!(head.lines().count(), 13, "a request line, eleven headers, an empty line: {head}");
            stream.write_all(answer).expect("the load reads");
        }
    });
    let plan = Plan {
        requests: Some(requests),
        time: Duration::from_secs(5),
        patience: Duration::from_secs(2),
        ..Plan::new(Target::parse(&format!("http://{address}/x")).expect("a URL"), 1)
    };
    let report = load::run(plan, Arc::<Progress>::default()).expect("a runtime");
    server.join().expect("the server's own asserts hold");
    report
}

#[test]
fn bodies_end_where_their_framing_says() {
    let rows: [(&[u8], u64); 6] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", 5),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil close", 11),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", 5),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\na\r\n0\r\nT: v\r\n\r\n", 1),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 0),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", 2),
    ];
    for (answer, body) in rows {
        let report = report(answer, 2);
        let shown = String::from_utf8_lossy(answer);
        assert_eq!((report.requests, report.errors.total), (2, 0), "{shown}: {report:?}");
        assert_eq!((report.body_bytes.min, report.body_bytes.max), (body, body), "{shown}");
    }
}

#[test]
fn a_cut_answer_and_a_wrong_one_are_errors() {
    let cut = report(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 1);
    assert_eq!((cut.requests, cut.errors.closed, cut.errors.total), (0, 1, 1), "{cut:?}");
    let chunk = report(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n", 1);
    assert_eq!((chunk.errors.malformed, chunk.errors.total), (1, 1), "{chunk:?}");
    let noise = report(b"SSH-2.0-OpenSSH_9.2\r\n", 1);
    assert_eq!((noise.errors.malformed, noise.errors.total), (1, 1), "{noise:?}");
    let status = report(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 1);
    assert_eq!((status.requests, status.errors.status, status.statuses.get(&500)), (1, 1, Some(&1)), "{status:?}");
}
