//! The table as a page of the guide. docs/guide/options.md is this text; a test says when it is not.

use std::fmt::Write as _;

use crate::routes::{FLAGS, Flag, SHARED};
use crate::table::{Group, OPTIONS, Opt, Takes};

const HEAD: &str = "# Options of `turnout serve`

Written by `make docs` from the table in crates/turnout-config; change that.

    turnout serve [APP] [OPTIONS]

APP is `module:attribute`, such as `mysite.asgi:application`; without it, the Django project whose manage.py is here or in
a directory above is served.

Every option can be given in three places, and the later wins: a line of `turnout.toml` or of `[tool.turnout]` in
`pyproject.toml` (the nearest one here or above, or `--config FILE`), an environment variable, the command line.
Durations: `500ms`, `30s`, `5m`, `1h`, `30d`. Sizes: `65536`, `64KiB`, `10MB`.
";

/// Every option as Markdown, in the order of the help.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    for group in Group::ALL {
        let _ = write!(page, "\n## {}\n", group.title());
        for option in OPTIONS.iter().filter(|option| option.group == group) {
            entry(&mut page, option);
        }
    }
    let shared: Vec<_> = SHARED.iter().map(|name| format!("`--{name}`")).collect();
    let _ = write!(
        page,
        "\n## `turnout routes`\n\n    turnout routes [APP] [/PREFIX ...] [OPTIONS]\n\n\
        Reads the settings of `turnout serve`, of which it has `--config`, {} as flags too. What it shows: [routes](routes.md).\n",
        shared.join(", ")
    );
    for Flag { name, value, help } in FLAGS {
        let space = if value.is_empty() { "" } else { " " };
        let _ = write!(page, "\n### `--{name}{space}{value}`\n\n{help}\n");
    }
    page
}

fn entry(page: &mut String, option: &Opt) {
    let Opt { name, value, default, help, .. } = option;
    let space = if value.is_empty() { "" } else { " " };
    let default = match option.takes {
        Takes::Switch(_) => "off".to_owned(),
        _ if default.is_empty() => "none".to_owned(),
        _ => format!("`{default}`"),
    };
    let repeatable = if matches!(option.takes, Takes::Many(_)) { ", repeatable" } else { "" };
    let variable = option.variable();
    // A string's write cannot fail.
    let _ = write!(
        page,
        "\n### `--{name}{space}{value}`\n\n{help}\n\nDefault: {default}{repeatable}. Variable `{variable}`, key `{name}`.\n"
    );
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_guide_has_every_option_as_it_is() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/options.md");
        let written = std::fs::read_to_string(page).expect("docs/guide/options.md is part of the repository");
        assert_eq!(written, super::reference(), "the options changed: type make docs");
    }
}
