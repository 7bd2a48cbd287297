//! Tests of scopes as they are filled in.

use super::*;
use crate::tui::theme::Look;
use proptest::prelude::*;

fn press(scopes: &mut Scopes, code: KeyCode) -> Step {
    scopes.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn control(scopes: &mut Scopes, letter: char) {
    scopes.key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL));
}

#[test]
fn taking_the_last_scope_away_does_not_allow_all() {
    let mut scopes = Scopes::new(None);
    assert_eq!(scopes.filled_in(), Ok(None));
    control(&mut scopes, 'o');
    scopes.paste("team/**");
    assert!(matches!(scopes.filled_in(), Ok(Some(rows)) if rows[0].on == "team/**"));
    control(&mut scopes, 'x');
    assert!(scopes.filled_in().is_err());
}

#[test]
fn what_a_pattern_matches_is_asked_for_by_a_part_that_all_these_names_have() {
    assert_eq!(literal("team/**"), "team");
    assert_eq!(literal("**/application"), "application");
    assert_eq!(literal("a/**/bc"), "bc");
    assert_eq!(literal("**"), "");
}

#[test]
fn patterns_complete_to_prefixes_and_names() {
    let names = ["team/a/x", "team/b", "my/team"].map(str::to_owned);
    assert_eq!(
        suggested("te", &names),
        ["team/**", "team/a/**", "team/a/x", "team/b", "my/team"]
    );
}

#[test]
fn keys_lead_through_the_rows_and_out() {
    let mut scopes = Scopes::new(Some(&[Scope::default()]));
    assert_eq!(press(&mut scopes, KeyCode::Up), Step::Previous);
    assert_eq!(press(&mut scopes, KeyCode::Tab), Step::Stay);
    for _ in 0..4 {
        assert_eq!(press(&mut scopes, KeyCode::Tab), Step::Stay);
    }
    press(&mut scopes, KeyCode::Char(' '));
    assert_eq!(scopes.rows[0].permissions, [false, false, false, true]);
    assert_eq!(press(&mut scopes, KeyCode::Tab), Step::Next);
}

proptest! {
    #[test]
    fn whatever_is_typed_the_focus_is_on_a_line_there_is(keys in prop::collection::vec(0..14_u8, 0..60)) {
        let mut scopes = Scopes::new(None);
        scopes.know(String::new(), vec!["a/b".to_owned()], true);
        for key in keys {
            match key {
                0 => control(&mut scopes, 'o'),
                1 => control(&mut scopes, 'x'),
                2 => control(&mut scopes, 'n'),
                3 => control(&mut scopes, 'p'),
                4 => scopes.paste("**"),
                other => {
                    let codes = [KeyCode::Up, KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::Tab,
                        KeyCode::BackTab, KeyCode::Enter, KeyCode::Char(' '), KeyCode::Char('a')];
                    press(&mut scopes, codes[usize::from(other - 5)]);
                }
            }
            prop_assert!(scopes.line <= scopes.last());
            let lines = scopes.lines(usize::from(key) * 7, Look::default(), true);
            prop_assert_eq!(lines.len(), scopes.height());
        }
    }
}
