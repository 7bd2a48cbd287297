//! The file that names the registries to compare, and how each is started.
//!
//! 1. Unknown keys and placeholders are refused: a misspelt setting must not silently measure a default.
//! 2. Names are unique; they are the columns of the table. The first is a registry, not a limit.
//! 3. What is wrong is said with its line, and the line is not shown: it may hold a password.
//! 4. Over TLS a contender is started as its `tls` says, and not at all without one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use serde::Deserialize;

use crate::compare::rows::Row;
use crate::login::Login;
use crate::transport::Protocol;

/// One registry, before a port and a folder are chosen.
#[derive(Debug, Clone, Default, Deserialize)]
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
    /// What is different when it serves TLS.
    pub tls: Option<Tls>,
    /// Whether it is no registry but a limit of what one could reach.
    #[serde(default)]
    pub limit: bool,
    /// The folder it serves, when it is a server of files: it takes no pushes.
    pub static_root: Option<String>,
    /// Who to be to it, when it demands a login.
    pub login: Option<Login>,
}

/// How a contender is started to serve TLS, where that differs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Arguments behind the others.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Environment variables besides the others.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Address that answers 200 over TLS once the registry is ready.
    pub ready: String,
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
    /// `{tls_port}`
    pub tls_port: u16,
    /// `{cert}`
    pub cert: String,
    /// `{key}`
    pub key: String,
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
    let contents: Contents = toml::from_str(text)
        .map_err(|error| located(text, &error))
        .context("not a list of registries")?;
    let mut names = Vec::new();
    for contender in &contents.registry {
        let name = &contender.name;
        ensure!(!names.contains(&name), "registry {name:?} is there twice");
        ensure!(
            !contender.command.is_empty(),
            "registry {name:?} has an empty command"
        );
        if let Some(Login { token, .. }) = &contender.login {
            let is_path = token.starts_with('/') && !token.contains(['{', '}']);
            ensure!(
                is_path,
                "the token of registry {name:?} is at {token:?}, which is no path"
            );
        }
        names.push(name);
    }
    let first = contents.registry.first().context("no registry")?;
    ensure!(
        !first.limit,
        "{:?} is a limit and comes first, where the registry to compare belongs",
        first.name
    );
    Ok(contents.registry)
}

/// As [`toml`] says it, but for the line that it shows.
fn located(text: &str, error: &toml::de::Error) -> Error {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.bytes().take(at);
    let line = 1 + before.filter(|byte| *byte == b'\n').count();
    anyhow!("line {line}: {}", error.message())
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

    /// It, as it is started to be measured with `row`; `None` when it cannot serve that.
    pub fn serving(&self, row: &Row) -> Option<Self> {
        if self.static_root.is_some() && !row.load.only_reads() {
            return None;
        }
        let mut started = self.clone();
        if row.protocol != Protocol::Plain {
            let tls = started.tls.take()?;
            started.command.extend(tls.arguments);
            started.env.extend(tls.env);
            started.ready = tls.ready;
        }
        Some(started)
    }
}

// === impl Places ===

impl Places {
    /// `text` with the placeholders filled in; other braces are left alone.
    pub fn fill(&self, text: &str) -> String {
        text.replace("{port}", &self.port.to_string())
            .replace("{tls_port}", &self.tls_port.to_string())
            .replace("{dir}", &self.dir)
            .replace("{config}", &self.config)
            .replace("{cert}", &self.cert)
            .replace("{key}", &self.key)
    }

    /// As [`fill`](Self::fill), but nothing in braces may be left.
    ///
    /// # Errors
    /// When another placeholder is in `text`.
    pub fn fill_all(&self, text: &str) -> Result<String> {
        let filled = self.fill(text);
        if filled.contains(['{', '}']) {
            bail!(
                "{text:?} has a placeholder that is none of {{port}}, {{tls_port}}, {{dir}}, \
                 {{config}}, {{cert}} and {{key}}"
            );
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::rows::rows;

    fn places() -> Places {
        Places {
            port: 5000,
            dir: "/d".into(),
            config: "/c.yml".into(),
            tls_port: 5443,
            cert: "/c.pem".into(),
            key: "/k.pem".into(),
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
        let expected = "floundr distribution docker-registry zot angos nginx";
        assert_eq!(names.join(" "), expected);
        let limits: Vec<_> = contenders.iter().map(|contender| contender.limit).collect();
        assert_eq!(limits, [false, false, false, false, false, true]);
        for contender in &contenders {
            assert!(
                contender
                    .template
                    .as_ref()
                    .is_none_or(|template| template.is_file())
            );
            let parts = contender.command.iter().chain(contender.env.values());
            let mut parts: Vec<_> = parts.chain([&contender.ready]).collect();
            if !["zot", "angos"].contains(&contender.name.as_str()) {
                let tls = contender.tls.as_ref().unwrap();
                parts.push(&tls.ready);
                parts.extend(tls.arguments.iter().chain(tls.env.values()));
            }
            for part in parts.into_iter().chain(&contender.static_root) {
                places().fill_all(part).unwrap();
            }
        }
        assert_eq!(read(&path, &["distribution".into()]).unwrap().len(), 1);
        assert!(read(&path, &["nobody".into()]).is_err());
    }

    #[test]
    fn the_shipped_contenders_write_no_access_log() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("compare/registries.toml");
        for contender in read(&path, &[]).unwrap() {
            let template = contender.template.as_deref().map(fs::read_to_string);
            let template = template.transpose().unwrap().unwrap_or_default();
            let set = |name| contender.env.get(name).map_or("", String::as_str);
            let is_off = match contender.name.as_str() {
                "floundr" => set("LOG_LEVEL").ends_with("floundr::access=off"),
                "zot" => template.contains("\"level\": \"error\""),
                "angos" => set("RUST_LOG") == "error",
                "nginx" => template.contains("  access_log off;\n"),
                _ => template.contains("  accesslog:\n    disabled: true\n"),
            };
            assert!(is_off, "{}", contender.name);
        }
    }

    #[test]
    fn the_shipped_file_about_tokens_differs_in_nothing_but_accounts() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compare");
        let contenders = read(&folder.join("token.toml"), &[]).unwrap();
        let [without, with] = contenders.as_slice() else {
            panic!("{contenders:?}");
        };
        assert_eq!(without.name, "without accounts");
        assert_eq!(with.name, "with accounts");
        let floundr = read(&folder.join("registries.toml"), &["floundr".into()]).unwrap();
        assert_eq!(without.command, floundr[0].command);
        assert_eq!(without.env, floundr[0].env);
        assert!(without.login.is_none());
        let (last, command) = without.command.split_last().unwrap();
        assert_eq!((last.as_str(), command), ("--no-auth", &*with.command));
        let login = with.login.as_ref().unwrap();
        let mut env = without.env.clone();
        env.insert("FLOUNDR_ADMIN_PASSWORD".into(), login.password.clone());
        assert_eq!(with.env, env);
        assert_eq!(login.user, "floundr_admin");
        assert!(
            login
                .token
                .contains("scope=repository:bench/compare:pull,push")
        );
        for contender in &contenders {
            let tls = contender.tls.as_ref().unwrap();
            let of_floundr = floundr[0].tls.as_ref().unwrap();
            assert_eq!(tls.arguments, of_floundr.arguments);
            for ready in [&contender.ready, &tls.ready] {
                assert!(places().fill_all(ready).unwrap().ends_with("/ready"));
            }
        }
    }

    #[test]
    fn placeholders_are_filled_and_unknown_ones_refused() {
        assert_eq!(
            places()
                .fill_all("{dir}:{port} {config} {tls_port} {cert} {key}")
                .unwrap(),
            "/d:5000 /c.yml 5443 /c.pem /k.pem"
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
        assert!(parse(&format!("{good}limit = true\n")).is_err());
        assert!(parse(&format!("{good}tls = {{}}\n")).is_err());
        assert!(parse(&format!("{good}tls = {{ ready = 'x', prot = 1 }}\n")).is_err());
        assert!(parse("registry = []").is_err());
        let login = format!("{good}[registry.login]\nuser = 'u'\npassword = 'p'\ntoken = '/t?x'\n");
        assert!(parse(&login).unwrap()[0].login.is_some());
        assert!(parse(&format!("{login}pin = 'p'\n")).is_err());
        assert!(parse(&login.replace("password = 'p'\n", "")).is_err());
        assert!(parse(&login.replace("/t?x", "http://h/t")).is_err());
        assert!(parse(&login.replace("/t?x", "/t?x={port}")).is_err());
        assert!(parse(&good.replace("['x']", "[]")).is_err());
    }

    #[test]
    fn a_mistake_is_said_with_its_line_and_the_line_is_not_shown() {
        let text = "[[registry]]\nname = 'a'\ncommand = ['x']\nready = 'http://h'\n\
                    [registry.login]\nuser = 'u'\npin = 'swordfish'\n";
        let error = format!("{:#}", parse(text).unwrap_err());
        assert!(
            error.starts_with("not a list of registries: line 7: unknown field `pin`"),
            "{error}"
        );
        assert!(!error.contains("swordfish"), "{error}");
        let whole = text.replace("pin = ", "token = '/t'\npassword = ");
        let contenders = parse(&whole).unwrap();
        assert_eq!(contenders[0].login.as_ref().unwrap().password, "swordfish");
        assert!(!format!("{contenders:?}").contains("swordfish"));
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

    #[test]
    fn over_tls_a_contender_is_started_as_it_says_and_not_at_all_without() {
        let plain = "[[registry]]\nname = 'a'\ncommand = ['x', 'y']\nready = 'http://h'\n";
        let tls = "env = { A = '1' }\n\
                   tls = { ready = 'https://h', arguments = ['z'], env = { B = '2' } }\n";
        let row = |id: &str| rows(1.0, &[id.to_owned()]).unwrap().remove(0);
        let contender = parse(&format!("{plain}{tls}")).unwrap().remove(0);
        for id in ["pull-1-tls", "push-1-h2"] {
            let started = contender.serving(&row(id)).unwrap();
            assert_eq!(started.command, ["x", "y", "z"]);
            assert_eq!(started.ready, "https://h");
            assert!(started.env.keys().eq(["A", "B"]));
            assert!(parse(plain).unwrap()[0].serving(&row(id)).is_none());
        }
        let started = contender.serving(&row("pull-1")).unwrap();
        assert_eq!(started.command, ["x", "y"]);
        assert_eq!(started.ready, "http://h");
    }

    #[test]
    fn a_server_of_files_serves_reads_alone() {
        let text = "[[registry]]\nname = 'a'\ncommand = ['x']\nready = 'http://h'\n\
                    static_root = '{dir}'\ntls = { ready = 'https://h' }\n";
        let contender = parse(text).unwrap().remove(0);
        let served: Vec<_> = rows(1.0, &[])
            .unwrap()
            .into_iter()
            .filter(|row| contender.serving(row).is_some())
            .map(|row| row.id)
            .collect();
        assert_eq!(
            served,
            [
                "pull-1",
                "pull-8",
                "pull-range",
                "pull-1-tls",
                "pull-1-h2",
                "get-manifest",
                "head-manifest",
                "wrk-get",
                "raw-head"
            ]
        );
    }
}
