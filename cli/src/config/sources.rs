//! Where values come from: flags, environment, `.env`, `floundr.toml`, defaults, in this order.
//!
//! Invariants:
//! 1. The first source that has a value wins, and is remembered with it.
//! 2. An empty variable counts as absent: that is what container tools make of an unset one.
//! 3. A key of `floundr.toml` that is no setting is an error that names key and line.

use super::policies;
use super::settings::{Kind, SETTINGS, Setting};
use crate::args::SettingFlags;
use anyhow::{Context as _, Result, bail};
use floundr_engine::policy::Policy;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag.
    Flag(&'static str),
    /// A variable of the environment.
    Environment(&'static str),
    /// A variable of the file `.env`.
    DotEnv(&'static str),
    /// A line of `floundr.toml`.
    File(usize),
    /// Nobody said anything.
    Default,
}

/// The process's surroundings, as values so that tests can make them up.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    /// The environment.
    pub(crate) environment: HashMap<String, String>,
    /// What `.env` adds to it.
    pub(crate) dot_env: HashMap<String, String>,
}

/// What `floundr.toml` says: per key the text and its line.
#[derive(Debug, Default)]
pub(crate) struct SettingsFile {
    /// Where it is, or would be.
    pub(crate) path: PathBuf,
    /// Whether it is there.
    pub(crate) exists: bool,
    /// What its `[[policy]]` tables say.
    pub(crate) policies: Vec<Policy>,
    values: Vec<Line>,
}

/// A setting, its text and its line.
type Line = (Setting, String, usize);

// === impl Source ===

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(variable) => write!(f, "{variable} in the environment"),
            Self::DotEnv(variable) => write!(f, "{variable} in .env"),
            Self::File(line) => write!(f, "floundr.toml line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

// === impl Surroundings ===

impl Surroundings {
    /// Those of this process: its environment, and `.env` in `directory` if there is one.
    pub(crate) fn of_process(directory: &Path) -> Result<Self> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let dot_env = match dotenvy::from_path_iter(directory.join(".env")) {
            Ok(variables) => variables
                .collect::<Result<_, _>>()
                .context("cannot read .env in the working directory")?,
            Err(error) if error.not_found() => HashMap::new(),
            Err(error) => return Err(error).context("cannot read .env in the working directory"),
        };
        Ok(Self {
            environment,
            dot_env,
        })
    }

    /// A variable that is not empty, from wherever it is.
    pub(crate) fn variable(&self, name: &'static str) -> Option<(String, Source)> {
        let in_map = |map: &HashMap<String, String>| {
            map.get(name).filter(|value| !value.is_empty()).cloned()
        };
        in_map(&self.environment)
            .map(|value| (value, Source::Environment(name)))
            .or_else(|| in_map(&self.dot_env).map(|value| (value, Source::DotEnv(name))))
    }
}

// === impl SettingsFile ===

impl SettingsFile {
    /// Reads `floundr.toml` in `home`. One that is not there says nothing.
    pub(crate) fn read(home: &Path) -> Result<Self> {
        let path = home.join("floundr.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let (values, policies) =
                    parse(&text, home).with_context(|| format!("cannot use {}", path.display()))?;
                Ok(Self {
                    path,
                    exists: true,
                    policies,
                    values,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self {
                path,
                ..Self::default()
            }),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// The value of `setting` from the first source that has one.
pub(crate) fn look_up(
    setting: Setting,
    flags: &SettingFlags,
    surroundings: &Surroundings,
    file: &SettingsFile,
) -> Option<(String, Source)> {
    let from_flag = || {
        flags
            .given(setting)
            .map(|(value, flag)| (value, Source::Flag(flag)))
    };
    let from_file = || {
        let found = file.values.iter().find(|(found, ..)| *found == setting);
        found.map(|(_, value, line)| (value.clone(), Source::File(*line)))
    };
    let by_default = || {
        let value = setting.row().default?;
        Some((value.to_owned(), Source::Default))
    };
    from_flag()
        .or_else(|| surroundings.variable(setting.row().variable))
        .or_else(from_file)
        .or_else(by_default)
}

fn parse(text: &str, home: &Path) -> Result<(Vec<Line>, Vec<Policy>)> {
    let line_of = |offset: usize| 1 + text.bytes().take(offset).filter(|b| *b == b'\n').count();
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let line = line_of(error.span().map_or(0, |span| span.start));
            bail!("line {line}: {}", error.message());
        }
    };
    let mut values = Vec::new();
    let mut policies = Vec::new();
    for (name, value) in &table {
        let line = line_of(name.span().start);
        let name = name.get_ref().as_ref();
        if name == policies::KEY {
            policies = policies::parse(value, &line_of)?;
            continue;
        }
        let Some(setting) = Setting::in_file(name) else {
            bail!(
                "line {line}: there is no setting {name:?}; there are {}",
                known()
            );
        };
        let value = match value.get_ref() {
            DeValue::String(value) => value.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Integer(value) if value.radix() == 10 => value.as_str().to_owned(),
            _ => bail!("line {line}: {name} must be a text, a whole number, true or false"),
        };
        let value = match setting.row().kind {
            Kind::Path => home.join(value).display().to_string(),
            Kind::Plain | Kind::Secret => value,
        };
        values.push((setting, value, line));
    }
    values.sort_by_key(|(_, _, line)| *line);
    Ok((values, policies))
}

fn known() -> String {
    let names: Vec<_> = SETTINGS
        .iter()
        .filter(|row| row.setting != Setting::HomeDir)
        .map(|row| row.name)
        .collect();
    names.join(", ")
}
