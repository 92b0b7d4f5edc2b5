//! One entry as one line, for people or for programs.
//!
//! What a client sent never ends a line, closes a quote or reaches a terminal as a control character.

use std::io::Write;
use std::time::SystemTime;

use http::{HeaderValue, Version};
use turnout_http::{AccessEntry, Outcome, Spent};

/// `PEER TIME "METHOD TARGET VERSION" STATUS BYTES MILLISECONDSms "REFERER" "USER-AGENT"`, where the time up to the answer's head went, if that is
/// known (`cpu=MSms waitcpu=MSms io=MSms`), and how it ended if not well.
pub(super) fn text(entry: &AccessEntry<'_>, to: &mut Vec<u8>) {
    // Writing to a Vec does not fail.
    let _ = match entry.peer {
        Some(peer) => write!(to, "{}", peer.ip()),
        None => write!(to, "-"),
    };
    let _ = write!(to, " {} \"", humantime::format_rfc3339_millis(received(entry)));
    match (entry.method, entry.target) {
        (Some(method), Some(target)) => {
            escape(method.as_str().as_bytes(), to);
            to.push(b' ');
            escape(target.to_string().as_bytes(), to);
            let _ = write!(to, " {}", version(entry.version));
        }
        _ => to.push(b'-'),
    }
    let _ = match entry.status {
        Some(status) => write!(to, "\" {}", status.as_u16()),
        None => write!(to, "\" -"),
    };
    let _ = write!(to, " {} {:.1}ms \"", entry.sent, entry.duration.as_secs_f64() * 1e3);
    escape(entry.referer.map_or(b"-", HeaderValue::as_bytes), to);
    to.extend_from_slice(b"\" \"");
    escape(entry.user_agent.map_or(b"-", HeaderValue::as_bytes), to);
    to.push(b'"');
    if let Some(spent) = &entry.spent {
        let [cpu, wait_cpu, io] = milliseconds(spent);
        let _ = write!(to, " cpu={cpu:.1}ms waitcpu={wait_cpu:.1}ms io={io:.1}ms");
    }
    match entry.outcome {
        Outcome::Complete => {}
        Outcome::Refused(why) => drop(write!(to, " refused: {why}")),
        other => drop(write!(to, " {}", word(other))),
    }
    to.push(b'\n');
}

/// One object a line; a field that is not known is null.
pub(super) fn json(entry: &AccessEntry<'_>, to: &mut Vec<u8>) {
    let value = |value: Option<&HeaderValue>| value.map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
    let spent = entry.spent.as_ref().map(milliseconds);
    let rounded = |milliseconds: f64| (milliseconds * 1e3).round() / 1e3;
    let object = serde_json::json!({
        "time": humantime::format_rfc3339_millis(received(entry)).to_string(),
        "peer": entry.peer.map(|it| it.ip().to_string()),
        "method": entry.method.map(http::Method::as_str),
        "target": entry.target.map(ToString::to_string),
        "version": version(entry.version),
        "status": entry.status.map(|it| it.as_u16()),
        "bytes": entry.sent,
        "duration_ms": (entry.duration.as_secs_f64() * 1e6).round() / 1e3,
        "cpu_ms": spent.map(|spent| rounded(spent[0])),
        "waitcpu_ms": spent.map(|spent| rounded(spent[1])),
        "io_ms": spent.map(|spent| rounded(spent[2])),
        "referer": value(entry.referer),
        "user_agent": value(entry.user_agent),
        "outcome": word(entry.outcome),
        "refused": match entry.outcome { Outcome::Refused(why) => Some(why), _ => None },
    });
    // A map of text and numbers into a Vec: neither can fail.
    let _ = serde_json::to_writer(&mut *to, &object);
    to.push(b'\n');
}

fn milliseconds(spent: &Spent) -> [f64; 3] {
    [spent.processing, spent.waiting_for_cpu, spent.waiting_for_io].map(|time| time.as_secs_f64() * 1e3)
}

fn received(entry: &AccessEntry<'_>) -> SystemTime {
    SystemTime::now().checked_sub(entry.received.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Aborted => "aborted",
        Outcome::Complete => "complete",
        Outcome::Disconnected => "disconnected",
        Outcome::Refused(_) => "refused",
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

fn escape(text: &[u8], to: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => to.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => to.push(byte),
            _ => drop(write!(to, "\\x{byte:02x}")),
        }
    }
}
