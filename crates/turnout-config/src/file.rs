//! The settings file: `turnout.toml`, or `[tool.turnout]` of `pyproject.toml`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::cli::{ConfigError, show};
use crate::table::{OPTIONS, Opt, Takes};

/// A file that was found and is TOML.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    table: Table,
    /// The key `app`.
    pub(crate) app: Option<String>,
}

/// The nearest file here or above that speaks of turnout.
pub(crate) fn find(directory: &Path) -> Result<Option<File>, ConfigError> {
    for directory in directory.ancestors() {
        for name in ["turnout.toml", "pyproject.toml"] {
            if let Some(file) = read_if_there(&directory.join(name))? {
                return Ok(Some(file));
            }
        }
    }
    Ok(None)
}

/// A file that was named: it must be there.
pub(crate) fn read(path: &Path) -> Result<File, ConfigError> {
    read_if_there(path)?.ok_or_else(|| ConfigError(format!("{}: no such file, or no [tool.turnout] in it", show(path))))
}

fn read_if_there(path: &Path) -> Result<Option<File>, ConfigError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        // Directories above that we may not look into are none of our business.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(ConfigError(format!("{}: {error}", show(path)))),
    };
    let is_pyproject = path.file_name().is_some_and(|name| name == "pyproject.toml");
    // Somebody else's pyproject.toml, perhaps broken, does not stop a server that it says nothing about.
    if is_pyproject && !text.contains("turnout") {
        return Ok(None);
    }
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        ConfigError(format!("{} line {line}: {}", show(path), error.message()))
    })?;
    if is_pyproject {
        match table.remove("tool").and_then(|tool| tool.get("turnout").cloned()) {
            Some(Value::Table(own)) => table = own,
            Some(_) => return Err(ConfigError(format!("{}: tool.turnout must be a table", show(path)))),
            None => return Ok(None),
        }
    }
    let app = match table.remove("app") {
        None => None,
        Some(Value::String(app)) => Some(app),
        Some(_) => return Err(ConfigError(format!("{}: app must be a string, module:attribute", show(path)))),
    };
    Ok(Some(File { path: path.to_owned(), table, app }))
}

impl File {
    /// A key nobody knows is a slip of the pen that would otherwise change nothing and say nothing.
    pub(crate) fn check_names(&self) -> Result<(), ConfigError> {
        match self.table.keys().find(|key| OPTIONS.iter().all(|option| option.name != *key)) {
            None => Ok(()),
            Some(key) => {
                let hyphens = key.replace('_', "-");
                let hint = match OPTIONS.iter().find(|option| option.name == hyphens) {
                    Some(option) => format!("did you mean {}?", option.name),
                    None => "see turnout serve --help".to_owned(),
                };
                Err(ConfigError(format!("{}: {key}: no such option, {hint}", show(&self.path))))
            }
        }
    }

    /// The texts of an option, and how to name their source in an error.
    pub(crate) fn values(&self, option: &Opt) -> Option<Result<(String, Vec<String>), ConfigError>> {
        let value = self.table.get(option.name)?;
        let source = format!("{}: {} = ", show(&self.path), option.name);
        let texts = match value {
            Value::Array(values) if matches!(option.takes, Takes::Many(_)) => values.iter().map(text).collect(),
            value => text(value).map(|text| vec![text]),
        };
        Some(match texts {
            Some(texts) => Ok((source, texts)),
            None => {
                Err(ConfigError(format!("{source}({}): must be a string, a number or true/false", value.type_str())))
            }
        })
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(on) => Some(on.to_string()),
        Value::Array(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}
