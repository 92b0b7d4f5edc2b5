//! The upstream that does wrong as a program, for tests in other languages: prints one line of JSON, the URL of each fault, and ends with its standard
//! input. A line `heal` on it makes the ports behave; a line `counts` is answered with the connections open now and accepted so far.
#![forbid(unsafe_code)]

use std::io::{self, BufRead, Write};

use turnout_testkit::Chaos;
use turnout_testkit::chaos::faults;

fn main() -> io::Result<()> {
    let chaos = Chaos::start()?;
    // Names and URLs are plain ASCII without quotes.
    let urls: Vec<_> = faults().map(|fault| format!("\"{}\": \"{}\"", fault.name, chaos.url(fault.name))).collect();
    let mut out = io::stdout();
    writeln!(out, "{{{}}}", urls.join(", "))?;
    for line in io::stdin().lock().lines() {
        match line?.as_str() {
            "heal" => {
                chaos.heal();
                writeln!(out, "{{}}")?;
            }
            "counts" => writeln!(out, "{{\"open\": {}, \"accepted\": {}}}", chaos.open(), chaos.accepted())?,
            other => writeln!(out, "{{\"unknown\": {other:?}}}")?,
        }
    }
    Ok(())
}
