//! `floundr tui`: which servers there are and how things look, then the terminal client.
//!
//! Invariants:
//! 1. Without a terminal nothing is begun.
//! 2. Nothing is logged: the screen has one writer.

use super::Failure;
use crate::args::{ThemeChoice, TuiArgs};
use crate::client;
use crate::config::{Config, Resolved};
use crate::profile::Profile;
use crate::tui::app::Start;
use crate::tui::link::Wire;
use crate::tui::server::{Address, Login, Server};
use crate::tui::theme::{Look, Theme};
use anyhow::{Context as _, Result, anyhow};
use ratatui::layout::Size;
use std::env;
use std::io::{IsTerminal as _, stdin, stdout};
use tokio::runtime::Runtime;

/// What the server behind the socket is called.
const HERE: &str = "this machine";

/// Runs until the user leaves.
pub(crate) fn run(resolved: &Resolved, args: &TuiArgs) -> Result<(), Failure> {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Err(Failure::Usage(anyhow!(
            "floundr tui needs a terminal for its input and its output; programs ask with the other \
             commands and --json, see floundr help"
        )));
    }
    let config = &resolved.config;
    let profile = Profile::read(&config.home).map_err(Failure::Usage)?;
    let variable = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
    let look = look(args, profile.theme.as_deref(), variable);
    let runtime = runtime().map_err(Failure::Run)?;
    let ran = runtime.block_on(async {
        let (servers, current) = servers(config, profile).await;
        let start = Start {
            servers,
            current,
            look,
            size: Size::default(),
            now: 0,
        };
        let home = config.home.clone();
        crate::tui::run(start, |out| Box::new(Wire::new(out, home))).await
    });
    // What still waits for a server must not hold up the end.
    runtime.shutdown_background();
    ran.map_err(Failure::Run)
}

/// The runtime: one thread. Drawing and asking a few things a second is little work, and a thread more that is
/// woken for each of them would be most of what an idle client costs.
fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start waiting for the terminal and the servers")
}

/// How things look: as it was asked for, else as the file says, else as the terminal can.
fn look(args: &TuiArgs, kept: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Look {
    let asked = args.theme.map(|choice| match choice {
        ThemeChoice::Dark => Theme::Dark,
        ThemeChoice::Light => Theme::Light,
        ThemeChoice::Terminal => Theme::Terminal,
        ThemeChoice::None => Theme::None,
    });
    let plain = variable("NO_COLOR").map(|_| Theme::None);
    let has_all = variable("COLORTERM").is_some_and(|text| text == "truecolor" || text == "24bit");
    let usual = if has_all {
        Theme::Dark
    } else {
        Theme::Terminal
    };
    let theme = asked.or(plain).or_else(|| kept.and_then(Theme::named));
    // The first that is there says it, as everywhere.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(variable);
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    Look {
        theme: theme.unwrap_or(usual),
        ascii: args.ascii || !(locale.contains("utf-8") || locale.contains("utf8")),
    }
}

/// The servers there are, and which of them is asked first.
async fn servers(config: &Config, profile: Profile) -> (Vec<Server>, Option<usize>) {
    let wanted = profile.current.clone();
    let mut servers: Vec<Server> = Vec::new();
    for known in profile.servers() {
        let mut server = Server::from_known(known);
        server.ca_file = server.ca_file.or_else(|| config.remote.ca_file.clone());
        server.name = free_name(&servers, &server.name);
        servers.push(server);
    }
    let socket = client::socket(config);
    let listens = matches!(client::listening(&socket).await, Ok(Some(_)));
    if listens || socket.exists() {
        servers.push(Server {
            name: free_name(&servers, HERE),
            at: Address::Socket(socket),
            login: None,
            ca_file: None,
            is_remembered: false,
        });
    }
    if let Some(url) = &config.remote.url {
        let current = named(&mut servers, url, config);
        return (servers, Some(current));
    }
    let wanted = servers
        .iter()
        .position(|server| Some(&server.name) == wanted.as_ref());
    let first = servers.iter().position(|server| server.is_remembered);
    let here = servers.len().checked_sub(1).filter(|_| listens);
    (servers, wanted.or(first).or(here))
}

/// The server at a URL that was given, asked with the key that was given, else as the file says.
fn named(servers: &mut Vec<Server>, url: &str, config: &Config) -> usize {
    let at = Address::Url(url.to_owned());
    let known = servers.iter().position(|server| server.at == at);
    let key = config.remote.key.clone();
    match (known, key) {
        (Some(place), None) => place,
        (known, key) => {
            let known = known.and_then(|place| servers.get(place));
            let ca_file = known.and_then(|known| known.ca_file.clone());
            servers.push(Server {
                name: free_name(servers, url),
                at,
                login: key.map(|key| Login::of(None, key)),
                ca_file: config.remote.ca_file.clone().or(ca_file),
                is_remembered: false,
            });
            servers.len() - 1
        }
    }
}

/// A name that no other server has.
fn free_name(servers: &[Server], name: &str) -> String {
    let is_free = |name: &str| servers.iter().all(|server| server.name != name);
    let numbered = (2..).map(|number| format!("{name} ({number})"));
    let mut names = [name.to_owned()].into_iter().chain(numbered);
    names.find(|name| is_free(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::SettingFlags;
    use crate::config::{Surroundings, resolve};
    use std::path::Path;

    fn looked(theme: Option<ThemeChoice>, kept: Option<&str>, set: &[(&str, &str)]) -> Look {
        let args = TuiArgs {
            theme,
            ascii: false,
        };
        let variable = |name: &str| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| (*text).to_owned())
        };
        look(&args, kept, variable)
    }

    #[test]
    fn the_first_who_says_how_it_looks_decides() {
        let all = [("NO_COLOR", "1"), ("COLORTERM", "truecolor")];
        let light = looked(Some(ThemeChoice::Light), Some("dark"), &all);
        assert_eq!(light.theme, Theme::Light);
        assert_eq!(looked(None, Some("dark"), &all).theme, Theme::None);
        assert_eq!(looked(None, Some("light"), &all[1..]).theme, Theme::Light);
        assert_eq!(looked(None, None, &all[1..]).theme, Theme::Dark);
        assert_eq!(looked(None, Some("mauve"), &[]).theme, Theme::Terminal);
    }

    #[test]
    fn only_what_a_terminal_can_write_is_drawn() {
        for (set, is_ascii) in [
            (&[][..], true),
            (&[("LANG", "C")], true),
            (&[("LANG", "de_DE.UTF-8")], false),
            (&[("LC_ALL", "C"), ("LANG", "C.utf8")], true),
            (&[("LC_CTYPE", "C.utf8"), ("LANG", "C")], false),
        ] {
            assert_eq!(looked(None, None, set).ascii, is_ascii, "{set:?}");
        }
    }

    /// Which servers there are by these settings and this `floundr.yml`, each as `NAME ADDRESS WHO`, and
    /// which is asked first.
    async fn found(home: &Path, yaml: &str, set: &[(&str, &str)]) -> (Vec<String>, Option<usize>) {
        std::fs::write(home.join("floundr.yml"), yaml).unwrap();
        let text = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let mut surroundings = Surroundings::default();
        surroundings.environment.extend(set.iter().map(text));
        let home = home.to_str().unwrap().to_owned();
        let entry = ("FLOUNDR_HOME".to_owned(), home);
        surroundings.environment.extend([entry]);
        let config = resolve(&SettingFlags::default(), &surroundings)
            .unwrap()
            .config;
        let profile = Profile::read(&config.home).unwrap();
        let (servers, current) = servers(&config, profile).await;
        let text =
            |server: &Server| format!("{} {} {}", server.name, server.address(), server.who());
        (servers.iter().map(text).collect(), current)
    }

    const TWO: &str = "url: http://near\nemail: ann\npassword: swordfish\n\
                       servers: [{url: 'http://far', name: far, email: bob, password: x}]\n";

    #[tokio::test]
    async fn the_server_of_the_file_is_asked_first_or_the_one_it_names() {
        let home = tempfile::tempdir().unwrap();
        let (servers, current) = found(home.path(), TWO, &[]).await;
        assert_eq!(
            servers,
            ["http://near http://near ann", "far http://far bob"]
        );
        assert_eq!(current, Some(0));
        let named = format!("{TWO}current: far\n");
        assert_eq!(found(home.path(), &named, &[]).await.1, Some(1));
        // A name that is not there is none.
        let named = format!("{TWO}current: gone\n");
        assert_eq!(found(home.path(), &named, &[]).await.1, Some(0));
        assert_eq!(found(home.path(), "", &[]).await, (Vec::new(), None));
    }

    #[tokio::test]
    async fn the_address_that_was_given_is_asked_with_what_is_known_of_it_alone() {
        let home = tempfile::tempdir().unwrap();
        let far = ("FLOUNDR_URL", "http://far/");
        let (servers, current) = found(home.path(), TWO, &[far]).await;
        assert_eq!((servers.len(), current), (2, Some(1)));
        let other = ("FLOUNDR_URL", "http://other");
        let (servers, current) = found(home.path(), TWO, &[other]).await;
        assert_eq!(current, Some(2));
        assert_eq!(servers[2], "http://other http://other nobody");
        // A key that was given is for this server, and the one of the file stays as it is.
        let key = ("FLOUNDR_KEY", "eve:secret");
        let (servers, current) = found(home.path(), TWO, &[far, key]).await;
        assert_eq!(
            (servers[1].as_str(), current),
            ("far http://far bob", Some(2))
        );
        assert_eq!(servers[2], "http://far http://far eve");
    }

    #[tokio::test]
    async fn the_server_on_this_machine_is_asked_where_the_file_names_none() {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("manage.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let (servers, current) = found(home.path(), "", &[]).await;
        let here = format!("this machine unix:{} operator", socket.display());
        assert_eq!(
            (servers.as_slice(), current),
            (&[here.clone()][..], Some(0))
        );
        let (servers, current) = found(home.path(), TWO, &[]).await;
        assert_eq!((servers[2].as_str(), current), (here.as_str(), Some(0)));
        // One that has ended is known, and not asked by itself.
        drop(listener);
        assert_eq!(found(home.path(), "", &[]).await, (vec![here], None));
    }

    #[test]
    fn names_are_not_given_twice() {
        let server = |name: &str| Server {
            name: name.to_owned(),
            at: Address::Url("http://x".to_owned()),
            login: None,
            ca_file: None,
            is_remembered: false,
        };
        assert_eq!(free_name(&[server("a")], "b"), "b");
        assert_eq!(free_name(&[server("a"), server("a (2)")], "a"), "a (3)");
    }
}
