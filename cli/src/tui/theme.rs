//! [`Look`]: colours and symbols. A screen says what something means ([`Tone`]); here stands how that
//! looks.
//!
//! Invariants:
//! 1. Without colours everything can still be told apart: by weight, by reversal, by a word.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::{bar, border};

/// What something means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    /// Text.
    #[default]
    Plain,
    /// Less important than the rest.
    Dim,
    /// What one can act on: names, keys.
    Accent,
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Wrong, or not to be undone.
    Bad,
    /// A heading.
    Heading,
    /// The row the cursor is on.
    Selected,
    /// What was searched for.
    Match,
}

/// Which colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Theme {
    /// Light text on dark, in 24 bits.
    #[default]
    Dark,
    /// Dark text on light, in 24 bits.
    Light,
    /// The terminal's own 16 colours.
    Terminal,
    /// None.
    None,
}

/// How things look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Look {
    /// The colours.
    pub(crate) theme: Theme,
    /// Whether borders and bars are ASCII.
    pub(crate) ascii: bool,
}

/// What a screen is drawn with, beside its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Paint {
    /// How things look.
    pub(crate) look: Look,
    /// Milliseconds since the epoch.
    pub(crate) now: u64,
}

/// The colours of a theme: of each tone, and of the ground.
struct Palette {
    text: Color,
    dim: Color,
    accent: Color,
    good: Color,
    warning: Color,
    bad: Color,
    selected: Color,
    matched: Color,
}

const DARK: Palette = Palette {
    text: Color::Rgb(0xd8, 0xde, 0xe9),
    dim: Color::Rgb(0x7b, 0x88, 0xa1),
    accent: Color::Rgb(0x88, 0xc0, 0xd0),
    good: Color::Rgb(0xa3, 0xbe, 0x8c),
    warning: Color::Rgb(0xeb, 0xcb, 0x8b),
    bad: Color::Rgb(0xe0, 0x6c, 0x75),
    selected: Color::Rgb(0x2b, 0x35, 0x47),
    matched: Color::Rgb(0x40, 0x39, 0x18),
};

const LIGHT: Palette = Palette {
    text: Color::Rgb(0x24, 0x29, 0x2f),
    dim: Color::Rgb(0x6e, 0x77, 0x81),
    accent: Color::Rgb(0x05, 0x50, 0xae),
    good: Color::Rgb(0x1a, 0x7f, 0x37),
    warning: Color::Rgb(0x8a, 0x5a, 0x00),
    bad: Color::Rgb(0xcf, 0x22, 0x2e),
    selected: Color::Rgb(0xd0, 0xe3, 0xf7),
    matched: Color::Rgb(0xff, 0xf0, 0xb3),
};

const TERMINAL: Palette = Palette {
    text: Color::Reset,
    dim: Color::DarkGray,
    accent: Color::Cyan,
    good: Color::Green,
    warning: Color::Yellow,
    bad: Color::Red,
    selected: Color::Blue,
    matched: Color::Yellow,
};

// === impl Theme ===

impl Theme {
    /// All of them, with their names.
    pub(crate) const NAMES: [(&'static str, Self); 4] = [
        ("dark", Self::Dark),
        ("light", Self::Light),
        ("terminal", Self::Terminal),
        ("none", Self::None),
    ];

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, theme)| *theme)
    }

    const fn palette(self) -> Option<&'static Palette> {
        match self {
            Self::Dark => Some(&DARK),
            Self::Light => Some(&LIGHT),
            Self::Terminal => Some(&TERMINAL),
            Self::None => None,
        }
    }
}

// === impl Look ===

impl Look {
    /// How a tone looks.
    pub(crate) fn style(self, tone: Tone) -> Style {
        let weight = match tone {
            Tone::Accent | Tone::Heading | Tone::Bad => Modifier::BOLD,
            _ => Modifier::empty(),
        };
        let Some(palette) = self.theme.palette() else {
            return Style::new().add_modifier(match tone {
                Tone::Selected => Modifier::REVERSED,
                Tone::Match => Modifier::UNDERLINED,
                Tone::Dim => Modifier::DIM,
                _ => weight,
            });
        };
        let style = match tone {
            Tone::Plain => Style::new().fg(palette.text),
            Tone::Dim => Style::new().fg(palette.dim),
            Tone::Accent | Tone::Heading => Style::new().fg(palette.accent),
            Tone::Good => Style::new().fg(palette.good),
            Tone::Warning => Style::new().fg(palette.warning),
            Tone::Bad => Style::new().fg(palette.bad),
            // Only the ground: what a cell means stays to be seen.
            Tone::Selected => Style::new().bg(palette.selected),
            Tone::Match => Style::new().bg(palette.matched),
        };
        style.add_modifier(weight)
    }

    /// Makes a drawn picture readable: what stands on the ground of the cursor's row or of a match has a
    /// colour that was chosen for another ground.
    pub(crate) fn readable(self, buffer: &mut Buffer) {
        if self.theme != Theme::Terminal {
            return;
        }
        for cell in &mut buffer.content {
            match (cell.bg, cell.fg) {
                // Of the 16 colours only these are sure to be seen there, whatever the terminal makes
                // of them; what they meant is told by words too.
                (Color::Blue, Color::Reset | Color::DarkGray | Color::Red | Color::Blue) => {
                    cell.fg = Color::White;
                }
                (Color::Yellow, _) => cell.fg = Color::Black,
                _ => {}
            }
        }
    }

    /// What borders are drawn with.
    pub(crate) const fn border(self) -> border::Set<'static> {
        if self.ascii { ASCII } else { border::ROUNDED }
    }

    /// Of what the bars of a sparkline are made.
    pub(crate) const fn bars(self) -> bar::Set<'static> {
        if self.ascii {
            ASCII_BARS
        } else {
            bar::NINE_LEVELS
        }
    }

    /// A full and an empty part of a gauge.
    pub(crate) const fn gauge(self) -> (&'static str, &'static str) {
        if self.ascii {
            ("#", "-")
        } else {
            ("\u{2588}", "\u{2591}")
        }
    }

    /// One picture of what turns while something is waited for, at this time in milliseconds.
    pub(crate) fn spinner(self, now: u64) -> &'static str {
        const UNICODE: [&str; 8] = [
            "\u{280b}", "\u{2819}", "\u{2839}", "\u{2838}", "\u{283c}", "\u{2834}", "\u{2826}",
            "\u{2827}",
        ];
        const PLAIN: [&str; 4] = ["-", "\\", "|", "/"];
        let pictures: &[&str] = if self.ascii { &PLAIN } else { &UNICODE };
        let which = now / 100 % pictures.len() as u64;
        pictures[usize::try_from(which).unwrap_or(0)]
    }

    /// What stands for a text that was cut off.
    pub(crate) const fn ellipsis(self) -> &'static str {
        if self.ascii { "~" } else { "\u{2026}" }
    }

    /// Marks what is open and what is closed in a tree.
    pub(crate) const fn fold(self, is_open: bool) -> &'static str {
        match (self.ascii, is_open) {
            (true, true) => "v",
            (true, false) => ">",
            (false, true) => "\u{25be}",
            (false, false) => "\u{25b8}",
        }
    }

    /// Marks the column that rows are sorted by.
    pub(crate) const fn order(self, is_descending: bool) -> &'static str {
        match (self.ascii, is_descending) {
            (true, true) => "v",
            (true, false) => "^",
            (false, true) => "\u{2193}",
            (false, false) => "\u{2191}",
        }
    }

    /// Between the parts of the line that says where one is.
    pub(crate) const fn separator(self) -> &'static str {
        if self.ascii { " > " } else { " \u{203a} " }
    }
}

const ASCII: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

const ASCII_BARS: bar::Set<'static> = bar::Set {
    full: "#",
    seven_eighths: "#",
    three_quarters: "#",
    five_eighths: "=",
    half: "=",
    three_eighths: "-",
    one_quarter: "-",
    one_eighth: "_",
    empty: " ",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_no_style_has_one_and_the_cursor_is_seen() {
        let look = Look {
            theme: Theme::None,
            ascii: false,
        };
        for tone in [
            Tone::Plain,
            Tone::Dim,
            Tone::Bad,
            Tone::Selected,
            Tone::Match,
        ] {
            let style = look.style(tone);
            assert_eq!((style.fg, style.bg), (None, None), "{tone:?}");
        }
        assert_ne!(look.style(Tone::Selected), look.style(Tone::Plain));
        assert_ne!(look.style(Tone::Match), look.style(Tone::Plain));
    }

    /// The relative luminance of a colour (WCAG 2).
    fn luminance(colour: Color) -> f64 {
        let Color::Rgb(red, green, blue) = colour else {
            panic!("{colour} is what the terminal makes of it");
        };
        let [red, green, blue] = [red, green, blue].map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    #[test]
    fn every_colour_can_be_read_on_every_ground() {
        for (palette, ground) in [(DARK, 0x00), (LIGHT, 0xff)] {
            let ground = Color::Rgb(ground, ground, ground);
            let colours = [
                palette.text,
                palette.dim,
                palette.accent,
                palette.good,
                palette.warning,
                palette.bad,
            ];
            let grounds = [ground, palette.selected, palette.matched];
            let pairs = colours.map(|colour| grounds.map(|ground| (colour, ground)));
            for (colour, ground) in pairs.into_iter().flatten() {
                let (one, other) = (luminance(colour), luminance(ground));
                let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                assert!(contrast >= 3.0, "{colour} on {ground}: {contrast}");
            }
        }
    }

    #[test]
    fn with_the_colours_of_the_terminal_nothing_on_the_cursors_row_is_hidden() {
        let look = Look {
            theme: Theme::Terminal,
            ascii: false,
        };
        let all = [
            Tone::Plain,
            Tone::Dim,
            Tone::Accent,
            Tone::Good,
            Tone::Warning,
            Tone::Bad,
        ];
        for ground in [Tone::Selected, Tone::Match] {
            for tone in all {
                let mut buffer = Buffer::empty(ratatui::layout::Rect::new(0, 0, 1, 1));
                buffer.content[0].set_style(look.style(ground).patch(look.style(tone)));
                look.readable(&mut buffer);
                let cell = &buffer.content[0];
                let is_dark = matches!(cell.fg, Color::Reset | Color::DarkGray | Color::Red);
                assert!(!is_dark && cell.fg != cell.bg, "{tone:?} on {ground:?}");
                assert!(cell.bg != Color::Yellow || cell.fg == Color::Black);
            }
        }
    }

    #[test]
    fn every_theme_has_its_name() {
        for (name, theme) in Theme::NAMES {
            assert_eq!(Theme::named(name), Some(theme));
        }
        assert_eq!(Theme::named("pink"), None);
    }
}
