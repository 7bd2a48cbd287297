//! [`Narrowed`]: of which records the server sends those that are shown: the filter form.

use crate::config::values;
use crate::tui::text::{encoded, moment};
use crate::tui::widgets::form::{Field, Form};

/// What the server is asked for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Narrowed {
    actor: String,
    action: String,
    object: String,
    /// As they were typed, and what that is in milliseconds since the epoch.
    since: Option<(String, u64)>,
    until: Option<(String, u64)>,
}

/// A moment as it is typed: how long ago, or a date in UTC with or without a time.
fn read_moment(text: &str, now: u64) -> Result<u64, String> {
    if let Ok(ago) = values::duration(text) {
        return Ok(now.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)));
    }
    let wrong = || format!("{text} is no time such as 2h, 7d, 2026-01-31 or 2026-01-31 10:00");
    read_date(text).ok_or_else(wrong)
}

fn read_date(text: &str) -> Option<u64> {
    let (date, clock) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let mut parts = date.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let mut parts = clock.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let is_clock = hour < 24 && minute < 60 && second < 60;
    if !is_clock || !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    // A year that begins in March has its odd day at its end.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let seconds = days.checked_sub(719_468)? * 86_400 + hour * 3600 + minute * 60 + second;
    // A day that its month does not have comes out as another.
    let same = moment(seconds * 1000);
    let is_there = same.get(8..10)?.parse::<u64>().ok()? == day;
    is_there.then_some(seconds * 1000)
}

// === impl Narrowed ===

impl Narrowed {
    /// The form in which it is filled in.
    pub(super) fn form(&self) -> Form {
        let typed = |moment: &Option<(String, u64)>| {
            moment
                .as_ref()
                .map(|(text, _)| text.clone())
                .unwrap_or_default()
        };
        let times = "how long ago, such as 2h or 7d, or 2026-01-31 10:00, in UTC";
        Form::new(
            "Which records; empty fields: all",
            vec![
                Field::text(
                    "actor",
                    &self.actor,
                    "exactly: a user, robot:ID, anonymous, operator",
                ),
                Field::text(
                    "action",
                    &self.action,
                    "exactly: such as delete or grant_create",
                ),
                Field::text("object", &self.object, "a part of it, such as team/"),
                Field::text("since", &typed(&self.since), times),
                Field::text("until", &typed(&self.until), times),
            ],
        )
    }

    /// What was filled in, or what is wrong with it.
    pub(super) fn read(form: &Form, now: u64) -> Result<Self, String> {
        let moment = |label: &str| {
            let given = form.given(label);
            let read = given.map(|text| Ok((text.to_owned(), read_moment(text, now)?)));
            read.transpose()
                .map_err(|why: String| format!("{label}: {why}"))
        };
        Ok(Self {
            actor: form.text("actor").to_owned(),
            action: form.text("action").to_owned(),
            object: form.text("object").to_owned(),
            since: moment("since")?,
            until: moment("until")?,
        })
    }

    /// Whether all are asked for.
    pub(super) fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether records of this action are asked for by its name.
    pub(super) fn is_of(&self, action: &str) -> bool {
        self.action == action
    }

    /// The path that asks for them, ending in `?` or `&`.
    pub(super) fn path(&self) -> String {
        let mut path = "/audit?".to_owned();
        let texts = [
            ("actor", &self.actor),
            ("action", &self.action),
            ("object", &self.object),
        ];
        for (name, text) in texts {
            if !text.is_empty() {
                path += &[name, "=", &encoded(text), "&"].concat();
            }
        }
        for (name, moment) in [("since", &self.since), ("until", &self.until)] {
            if let Some((_, moment)) = moment {
                path += &[name, "=", &moment.to_string(), "&"].concat();
            }
        }
        path
    }

    /// What it is, for a title.
    pub(super) fn title(&self) -> String {
        let mut parts = Vec::new();
        let texts = [
            ("actor", &self.actor),
            ("action", &self.action),
            ("object", &self.object),
        ];
        for (name, text) in texts {
            if !text.is_empty() {
                parts.push(format!("{name} {text}"));
            }
        }
        for (name, time) in [("since", &self.since), ("until", &self.until)] {
            if let Some((_, time)) = time {
                parts.push(format!("{name} {}", moment(*time)));
            }
        }
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for at in [0, 951_782_400_000, 1_790_000_000_000, 4_102_444_799_000] {
            assert_eq!(read_moment(&moment(at), 0), Ok(at));
        }
        assert_eq!(read_moment("1970-01-02", 0), Ok(86_400_000));
        assert_eq!(read_moment("2h", 7_200_001), Ok(1));
        for bad in [
            "",
            "2026-02-30",
            "2026-13-01",
            "2026-01-01 24:00",
            "soon",
            "2026-01",
        ] {
            assert!(read_moment(bad, 0).is_err(), "{bad}");
        }
    }
}
