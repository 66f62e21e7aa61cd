//! Reads the configuration from its three sources.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};

use super::{Config, InvalidConfig};

/// Why there is no configuration. Names the key and never prints a value: it may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration file {0} does not exist")]
    Missing(PathBuf),
    #[error("configuration: {0}")]
    Unreadable(String),
    #[error(transparent)]
    Invalid(#[from] InvalidConfig),
}

/// Read from the current folder when no other file is named.
const DEFAULT_FILE: &str = "ostiary.toml";

/// Defaults, then `file` (or `ostiary.toml` in the current folder, when there is one), then the environment:
/// `OSTIARY_SERVER__ISSUER` is `server.issuer`.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    match file {
        Some(path) if !path.is_file() => return Err(ConfigError::Missing(path.to_owned())),
        Some(path) => figment = figment.merge(Toml::file_exact(path)),
        None if Path::new(DEFAULT_FILE).is_file() => figment = figment.merge(Toml::file_exact(DEFAULT_FILE)),
        None => {}
    }
    // The file by itself first: an environment variable must not hide what is wrong with it.
    figment.extract::<Config>().map_err(|error| ConfigError::Unreadable(describe(&error)))?;
    let environment = Env::prefixed("OSTIARY_").ignore(&["CONFIG", "MASTER_KEY"]).split("__");
    let config: Config = figment.merge(environment).extract().map_err(|error| ConfigError::Unreadable(describe(&error)))?;
    config.validate()?;
    Ok(config)
}

/// Which key is wrong and what was expected, without the value.
fn describe(error: &figment::Error) -> String {
    use figment::error::Kind;
    let key = error.path.join(".");
    match &error.kind {
        Kind::UnknownField(name, _) => {
            // The path may end with the name already.
            let inside = key.strip_suffix(name.as_str()).map_or(key.as_str(), |rest| rest.trim_end_matches('.'));
            let name = if inside.is_empty() { name.clone() } else { format!("{inside}.{name}") };
            format!("unknown key '{name}'")
        }
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => format!("'{key}' should be {expected}"),
        Kind::UnknownVariant(_, expected) => format!("'{key}' should be one of {}", expected.join(", ")),
        Kind::Message(message) if key.is_empty() => format!("the file is not valid TOML{}", position(message)),
        _ => format!("'{key}' has a value that does not fit"),
    }
}

/// ` (line 3, column 7)`, from the first line of the parser's message. The lines after it quote the file.
fn position(message: &str) -> String {
    let place = message.lines().next().and_then(|line| line.split_once(" at line "));
    let numbers: Option<Vec<u32>> = place.map(|(_, place)| place.split(", column ").flat_map(str::parse).collect());
    match numbers.as_deref() {
        Some([line, column]) => format!(" (line {line}, column {column})"),
        _ => String::new(),
    }
}
