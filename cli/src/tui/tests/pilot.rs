//! [`Pilot`]: types keys at the application and answers what it asks for, from a [`Fake`] server.

use super::picture;
use crate::tui::app::place::Place;
use crate::tui::app::{App, Start};
use crate::tui::message::{Effect, Event, Failure, Link, Message, Reply, Request, Ticket};
use crate::tui::server::{Address, Login, Server};
use crate::tui::theme::{Look, Theme};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// The time at which all tests happen.
pub(crate) const NOW: u64 = 1_790_000_000_000;

/// The member of a fake's answer that is its `ETag`.
pub(crate) const ETAG: &str = "ETag";

/// What a server would answer.
pub(crate) type Fake = Box<dyn FnMut(&Request) -> Result<Value, Failure>>;

/// Somebody at the keys.
pub(crate) struct Pilot {
    /// What they see.
    pub(crate) app: App,
    fake: Fake,
    /// Everything that was asked, as `METHOD /path`, with the body behind it if there was one, and
    /// ` if VERSION` behind that if it was only for one.
    pub(crate) asked: Vec<String>,
    /// Everything else that was to be done.
    pub(crate) effects: Vec<Effect>,
    /// Whether questions wait for [`Pilot::answer`].
    pub(crate) is_slow: bool,
    waiting: VecDeque<(Ticket, Request)>,
    size: Size,
    now: u64,
}

// === impl Pilot ===

impl Pilot {
    /// One who is logged in as an administrator on a screen of 80 by 24, with what `fake` answers.
    pub(crate) fn new(fake: impl FnMut(&Request) -> Result<Value, Failure> + 'static) -> Self {
        Self::on((80, 24), Theme::Dark, fake)
    }

    /// The same, on another screen.
    pub(crate) fn on(
        size: (u16, u16),
        theme: Theme,
        mut fake: impl FnMut(&Request) -> Result<Value, Failure> + 'static,
    ) -> Self {
        let server = Server {
            name: "home".to_owned(),
            at: Address::Url("http://localhost:8080".to_owned()),
            login: Some(Login::Password {
                user: "floundr_admin".to_owned(),
                password: "swordfish".to_owned().into(),
            }),
            ca_file: None,
            is_remembered: true,
        };
        let start = Start {
            servers: vec![server],
            current: Some(0),
            look: Look {
                theme,
                ascii: false,
            },
            size: Size::new(size.0, size.1),
            now: NOW,
        };
        let answer = move |request: &Request| match request.path.as_str() {
            "/whoami" => Ok(
                json!({ "kind": "user", "name": "floundr_admin", "key": null, "must_change": false, "administrator": true }),
            ),
            _ => fake(request),
        };
        Self::start(start, answer)
    }

    /// One whom the server takes for somebody else than the administrator: what `/whoami` says.
    pub(crate) fn knowing(
        me: Value,
        mut fake: impl FnMut(&Request) -> Result<Value, Failure> + 'static,
    ) -> Self {
        let mut pilot = Self::new(|_| Ok(Value::Null));
        pilot.fake = Box::new(move |request| match request.path.as_str() {
            "/whoami" => Ok(me.clone()),
            _ => fake(request),
        });
        // Who one is, is asked again when the server is back.
        pilot.send(Message::Link(Link::Down {
            why: String::new(),
            retry_at: NOW,
        }));
        pilot.send(Message::Link(Link::Up));
        pilot.asked.clear();
        pilot
    }

    /// One who begins with anything.
    pub(crate) fn start(
        start: Start,
        fake: impl FnMut(&Request) -> Result<Value, Failure> + 'static,
    ) -> Self {
        let (size, now) = (start.size, start.now);
        let (app, effects) = App::new(start);
        let mut pilot = Self {
            app,
            fake: Box::new(fake),
            asked: Vec::new(),
            effects: Vec::new(),
            is_slow: false,
            waiting: VecDeque::new(),
            size,
            now,
        };
        pilot.done(effects);
        pilot
    }

    /// From now on the server knows the pilot as this.
    pub(crate) fn be(&mut self, me: Value) {
        let mut fake = std::mem::replace(&mut self.fake, Box::new(not_there));
        self.fake = Box::new(move |request| match request.path.as_str() {
            "/whoami" => Ok(me.clone()),
            _ => fake(request),
        });
        self.send(Message::Link(Link::Down {
            why: "another login".to_owned(),
            retry_at: self.now,
        }));
        self.send(Message::Link(Link::Up));
    }

    /// Goes to a place that other screens lead to.
    pub(crate) fn visit(&mut self, place: Place) {
        let effects = self.app.visit(place);
        self.done(effects);
    }

    /// Tells the application something, and answers what it asks because of it.
    pub(crate) fn send(&mut self, message: Message) {
        let effects = self.app.update(message);
        self.done(effects);
    }

    fn done(&mut self, effects: Vec<Effect>) {
        let is_heard = effects.contains(&Effect::Listen);
        for effect in effects {
            match effect {
                Effect::Ask(ticket, request) => {
                    let body = request
                        .body
                        .as_ref()
                        .map(|body| format!(" {body}"))
                        .unwrap_or_default();
                    let version = request.if_match.as_ref();
                    let version = version.map(|tag| format!(" if {tag}")).unwrap_or_default();
                    let what = format!("{} {}{body}{version}", request.method, request.path);
                    self.asked.push(what);
                    self.waiting.push_back((ticket, request));
                }
                Effect::GiveUp(ticket) => self.waiting.retain(|(waiting, _)| *waiting != ticket),
                other => self.effects.push(other),
            }
        }
        if is_heard {
            self.send(Message::Link(Link::Connecting));
            self.send(Message::Link(Link::Up));
        }
        if !self.is_slow {
            self.answer();
        }
    }

    /// Answers everything that waits.
    pub(crate) fn answer(&mut self) {
        while let Some((ticket, request)) = self.waiting.pop_front() {
            let reply = (self.fake)(&request).map(|mut body| {
                // A fake says the version beside the body, which servers do in a header.
                let etag = body.as_object_mut().and_then(|body| body.remove(ETAG));
                let etag = etag.and_then(|etag| etag.as_str().map(str::to_owned));
                Reply { body, etag }
            });
            self.send(Message::Answered(ticket, reply));
        }
    }

    /// Types keys as `keys` writes them: `jj<enter>gg<c-d>`; `<lt>` is `<`.
    pub(crate) fn keys(&mut self, typed: &str) {
        for key in keys(typed) {
            self.send(Message::Key(key));
        }
    }

    /// Lets time go by, in milliseconds.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.now += ms;
        self.send(Message::Tick(self.now));
    }

    /// The server tells something.
    pub(crate) fn hear(&mut self, kind: &str, data: Value) {
        let kind = kind.to_owned();
        self.send(Message::Heard(Event { kind, data }));
    }

    /// The terminal has another size.
    pub(crate) fn resize(&mut self, width: u16, height: u16) {
        self.size = Size::new(width, height);
        self.send(Message::Resized(self.size));
    }

    /// What is to be seen: letters and styles.
    pub(crate) fn picture(&self) -> String {
        self.drawn(picture::whole)
    }

    /// What is to be seen: letters alone.
    pub(crate) fn screen(&self) -> String {
        self.drawn(picture::letters)
    }

    fn drawn(&self, show: impl FnOnce(&ratatui::buffer::Buffer) -> String) -> String {
        drawn(&self.app, self.size, show)
    }

    /// Fails unless the text is to be seen.
    #[track_caller]
    pub(crate) fn sees(&self, text: &str) {
        let screen = self.screen();
        assert!(
            screen.contains(text),
            "{text:?} is not to be seen:\n{screen}"
        );
    }

    /// Fails if the text is to be seen.
    #[track_caller]
    pub(crate) fn sees_no(&self, text: &str) {
        let screen = self.screen();
        assert!(!screen.contains(text), "{text:?} is to be seen:\n{screen}");
    }

    /// Fails unless this was the last that was asked with a method other than GET.
    #[track_caller]
    pub(crate) fn has_asked(&self, what: &str) {
        let changes = self
            .asked
            .iter()
            .rev()
            .find(|asked| !asked.starts_with("GET "));
        assert_eq!(changes.map(String::as_str), Some(what));
    }

    /// Everything that was put into the clipboard.
    pub(crate) fn copied(&self) -> Vec<&str> {
        let copied = self.effects.iter().filter_map(|effect| match effect {
            Effect::Copy(text) => Some(text.as_str()),
            _ => None,
        });
        copied.collect()
    }
}

/// What an application shows on a screen of this size.
pub(crate) fn drawn(
    app: &App,
    size: Size,
    show: impl FnOnce(&ratatui::buffer::Buffer) -> String,
) -> String {
    let mut terminal = Terminal::new(TestBackend::new(size.width, size.height)).unwrap();
    terminal.draw(|frame| app.draw(frame)).unwrap();
    show(terminal.backend().buffer())
}

/// The keys that a text such as `jj<enter>gg<c-d>` names; `<lt>` is `<`.
pub(crate) fn keys(typed: &str) -> Vec<KeyEvent> {
    let mut keys = Vec::new();
    let mut rest = typed;
    while let Some(first) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (key, behind) = match named {
            Some((name, behind)) => (named_key(name), behind),
            None => (
                plain(KeyCode::Char(first)),
                rest.strip_prefix(first).unwrap_or(""),
            ),
        };
        keys.push(key);
        rest = behind;
    }
    keys
}

fn plain(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

fn named_key(name: &str) -> KeyEvent {
    if let Some(letter) = name.strip_prefix("c-") {
        let letter = letter.chars().next().unwrap();
        return KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
    }
    plain(match name {
        "lt" => KeyCode::Char('<'),
        "esc" => KeyCode::Esc,
        "enter" => KeyCode::Enter,
        "tab" => KeyCode::Tab,
        "s-tab" => KeyCode::BackTab,
        "backspace" => KeyCode::Backspace,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pageup" => KeyCode::PageUp,
        "pagedown" => KeyCode::PageDown,
        "del" => KeyCode::Delete,
        "space" => KeyCode::Char(' '),
        name => panic!("no key is called {name}"),
    })
}

/// A page that is the last.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is given what was just made"
)]
pub(crate) fn page(items: Vec<Value>) -> Value {
    json!({ "items": items, "next": null })
}

/// What a server says that has nothing at this path.
pub(crate) fn not_there(request: &Request) -> Result<Value, Failure> {
    Err(Failure::Refused {
        status: 404,
        detail: format!("{} is not there", request.path),
    })
}

/// Compares a screen at three sizes and in two themes with what it was; `keys` lead to it, and what
/// happens then, if anything, is done by a function.
macro_rules! pictures {
    ($name:literal, $keys:expr, $fake:expr) => {
        $crate::tui::tests::pilot::pictures!($name, $keys, $fake, |_| {});
    };
    ($name:literal, $keys:expr, $fake:expr, $then:expr) => {
        let then: fn(&mut $crate::tui::tests::pilot::Pilot) = $then;
        for (width, height) in [(80, 24), (120, 40), (200, 50)] {
            for (theme, colours) in [
                ("dark", $crate::tui::theme::Theme::Dark),
                ("none", $crate::tui::theme::Theme::None),
            ] {
                let mut pilot = $crate::tui::tests::pilot::Pilot::on((width, height), colours, $fake);
                pilot.keys($keys);
                then(&mut pilot);
                // A first drawing tells the lists how high they are.
                drop(pilot.screen());
                let name = format!("{}-{width}x{height}-{theme}", $name);
                insta::with_settings!({ snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/src/tui/tests/pictures"), prepend_module_to_snapshot => false, omit_expression => true }, {
                    insta::assert_snapshot!(name, pilot.picture());
                });
            }
        }
    };
}
pub(crate) use pictures;
