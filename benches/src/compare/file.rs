//! The file that names the registries to compare, and how each is started.
//!
//! 1. Unknown keys and placeholders are refused: a misspelt setting must not silently measure a default.
//! 2. Names are unique; they are the columns of the table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// One registry, before a port and a folder are chosen.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contender {
    /// What the table calls it.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Environment variables besides the inherited ones.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Address that answers 200 once the registry is ready.
    pub ready: String,
    /// File whose filled-in copy is `{config}`; relative to the file that names it.
    pub template: Option<PathBuf>,
    /// Whether to go on without it when its program is not installed.
    #[serde(default)]
    pub optional: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    registry: Vec<Contender>,
}

/// What fills the placeholders.
#[derive(Debug, Clone)]
pub struct Places {
    /// `{port}`
    pub port: u16,
    /// `{dir}`
    pub dir: String,
    /// `{config}`
    pub config: String,
}

/// Reads the contenders from `path`; only those named in `only`, unless it is empty.
///
/// # Errors
/// When the file is not as described above, or lacks a name that is asked for.
pub fn read(path: &Path, only: &[String]) -> Result<Vec<Contender>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut contenders = parse(&text).with_context(|| format!("in {}", path.display()))?;
    for name in only {
        let known = contenders.iter().any(|contender| contender.name == *name);
        ensure!(
            known,
            "no registry in {} is called {name:?}",
            path.display()
        );
    }
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    contenders.retain(|contender| only.is_empty() || only.contains(&contender.name));
    for contender in &mut contenders {
        contender.template = contender
            .template
            .take()
            .map(|template| folder.join(template));
    }
    Ok(contenders)
}

fn parse(text: &str) -> Result<Vec<Contender>> {
    let contents: Contents = toml::from_str(text).context("not a list of registries")?;
    let mut names = Vec::new();
    for contender in &contents.registry {
        let name = &contender.name;
        ensure!(!names.contains(&name), "registry {name:?} is there twice");
        ensure!(
            !contender.command.is_empty(),
            "registry {name:?} has an empty command"
        );
        names.push(name);
    }
    ensure!(!names.is_empty(), "no registry");
    Ok(contents.registry)
}

// === impl Contender ===

impl Contender {
    /// Where its program is; `None` when it is not installed.
    pub fn program(&self) -> Option<PathBuf> {
        let name = Path::new(self.command.first()?);
        if name.components().count() > 1 {
            return name.is_file().then(|| name.to_owned());
        }
        let path = env::var_os("PATH")?;
        env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    }
}

// === impl Places ===

impl Places {
    /// `text` with `{port}`, `{dir}` and `{config}` filled in; other braces are left alone.
    pub fn fill(&self, text: &str) -> String {
        text.replace("{port}", &self.port.to_string())
            .replace("{dir}", &self.dir)
            .replace("{config}", &self.config)
    }

    /// As [`fill`](Self::fill), but nothing in braces may be left.
    ///
    /// # Errors
    /// When another placeholder is in `text`.
    pub fn fill_all(&self, text: &str) -> Result<String> {
        let filled = self.fill(text);
        if filled.contains(['{', '}']) {
            bail!("{text:?} has a placeholder that is not {{port}}, {{dir}} or {{config}}");
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            port: 5000,
            dir: "/d".into(),
            config: "/c.yml".into(),
        }
    }

    #[test]
    fn the_shipped_file_names_floundr_first() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("compare/registries.toml");
        let contenders = read(&path, &[]).unwrap();
        let names: Vec<_> = contenders
            .iter()
            .map(|contender| contender.name.as_str())
            .collect();
        assert_eq!(names, ["floundr", "distribution", "docker-registry"]);
        for contender in &contenders {
            assert!(
                contender
                    .template
                    .as_ref()
                    .is_none_or(|template| template.is_file())
            );
            for part in contender.command.iter().chain([&contender.ready]) {
                places().fill_all(part).unwrap();
            }
        }
        assert_eq!(read(&path, &["distribution".into()]).unwrap().len(), 1);
        assert!(read(&path, &["nobody".into()]).is_err());
    }

    #[test]
    fn placeholders_are_filled_and_unknown_ones_refused() {
        assert_eq!(
            places().fill_all("{dir}:{port} {config}").unwrap(),
            "/d:5000 /c.yml"
        );
        assert_eq!(places().fill("{ \"port\": {port} }"), "{ \"port\": 5000 }");
        assert!(places().fill_all("{prot}").is_err());
    }

    #[test]
    fn files_with_mistakes_are_refused() {
        let good = "[[registry]]\nname = 'a'\ncommand = ['x']\nready = 'http://h'\n";
        assert_eq!(parse(good).unwrap().len(), 1);
        assert!(parse(&format!("{good}{good}")).is_err());
        assert!(parse(&format!("{good}comand = 1\n")).is_err());
        assert!(parse("registry = []").is_err());
        assert!(parse(&good.replace("['x']", "[]")).is_err());
    }

    #[test]
    fn a_program_is_found_on_the_path_or_by_its_own() {
        let mut contender = parse("[[registry]]\nname = 'a'\ncommand = ['sh']\nready = 'http://h'")
            .unwrap()
            .remove(0);
        assert!(contender.program().is_some());
        contender.command = vec!["./not/there".into()];
        assert_eq!(contender.program(), None);
    }
}
