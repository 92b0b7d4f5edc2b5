//! Prints docs/guide/options.md; `make docs` puts it there.

use std::io::{self, Write};

fn main() -> io::Result<()> {
    io::stdout().write_all(turnout_config::reference().as_bytes())
}
