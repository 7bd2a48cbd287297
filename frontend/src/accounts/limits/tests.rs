//! Tests of the limits: buckets against a model, who locks out whom, and memory.

use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn at(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An address of its own for each `number`.
fn numbered(number: u32) -> IpAddr {
    IpAddr::V4(number.into())
}

fn limits() -> RateLimits {
    RateLimits::new(&LimitOptions::default())
}

fn with_requests(rate: Rate) -> RateLimits {
    RateLimits::new(&LimitOptions {
        requests: Some(rate),
        ..LimitOptions::default()
    })
}

/// Fails as often as it is let at `now`; returns how often that was.
fn fail_until_refused(
    limits: &RateLimits,
    address: IpAddr,
    user: &UserName,
    now: Duration,
) -> usize {
    let mut failures = 0;
    while failures < 10_000 && limits.may_log_in(address, Some(user), now).is_ok() {
        limits.login_failed(address, Some(user), now);
        failures += 1;
    }
    failures
}

proptest! {
    /// The model counts tokens, in the nanoseconds that it takes for them to come back.
    #[test]
    fn a_bucket_gives_what_counting_its_tokens_would(
        every in 1_u64..5_000,
        burst in 1_u32..6,
        steps in prop::collection::vec((0_u64..9_000, any::<bool>()), 0..80),
    ) {
        let buckets = Buckets::new(Rate::new(Duration::from_nanos(every), burst), 1);
        let most = every * u64::from(burst);
        let (mut tokens, mut now) = (most, 0);
        for (passes, forced) in steps {
            now += passes;
            tokens = most.min(tokens + passes);
            let moment = Duration::from_nanos(now);
            let expected = if tokens >= every {
                Ok(())
            } else {
                Err(RetryAfter(Duration::from_nanos(every - tokens)))
            };
            prop_assert_eq!(buckets.check(&(), moment), expected);
            if forced {
                buckets.take_if_any((), moment);
                tokens = tokens.saturating_sub(every);
            } else {
                prop_assert_eq!(buckets.take((), moment), expected);
                tokens -= if expected.is_ok() { every } else { 0 };
            }
        }
    }

    #[test]
    fn who_waits_as_long_as_told_is_let_in(every in 1_u64..5_000, burst in 1_u32..6, later in 0_u64..5_000) {
        let buckets = Buckets::new(Rate::new(Duration::from_nanos(every), burst), 1);
        for _token in 0..burst {
            prop_assert_eq!(buckets.take((), Duration::ZERO), Ok(()));
        }
        let now = Duration::from_nanos(later.min(every - 1));
        let RetryAfter(wait) = buckets.take((), now).unwrap_err();
        let early = (now + wait).saturating_sub(Duration::from_nanos(1));
        prop_assert!(buckets.take((), early).is_err());
        prop_assert_eq!(buckets.take((), now + wait), Ok(()));
    }
}

#[test]
fn after_ten_failures_one_more_each_six_seconds() {
    let (limits, jo, home) = (limits(), name("jo"), at("192.0.2.1"));
    assert_eq!(fail_until_refused(&limits, home, &jo, SECOND), 10);
    let refused = limits.may_log_in(home, Some(&jo), SECOND);
    assert_eq!(refused, Err(RetryAfter(6 * SECOND)));
    assert_eq!(fail_until_refused(&limits, home, &jo, 7 * SECOND), 1);
}

#[test]
fn one_address_locks_out_nobody_at_another() {
    let (limits, jo) = (limits(), name("jo"));
    // An hour of failing as often as it is let.
    for second in 0..3600 {
        fail_until_refused(&limits, at("192.0.2.1"), &jo, second * SECOND);
        let elsewhere = limits.may_log_in(at("192.0.2.2"), Some(&jo), second * SECOND);
        assert_eq!(elsewhere, Ok(()));
    }
}

#[test]
fn trying_many_names_from_one_address_is_refused_and_other_addresses_are_not() {
    let (limits, home) = (limits(), at("192.0.2.1"));
    let tried = (0..100)
        .filter(|number| {
            fail_until_refused(&limits, home, &name(&format!("u{number}")), SECOND) > 0
        })
        .count();
    assert_eq!(tried, 3, "10 failures each of 30");
    let jo = name("jo");
    assert!(limits.may_log_in(home, Some(&jo), SECOND).is_err());
    assert!(limits.may_log_in(home, None, SECOND).is_err());
    assert_eq!(
        limits.may_log_in(at("192.0.2.2"), Some(&jo), SECOND),
        Ok(())
    );
}

#[test]
fn what_is_no_name_counts_for_its_address() {
    let (limits, home) = (limits(), at("192.0.2.1"));
    for _failure in 0..30 {
        assert_eq!(limits.may_log_in(home, None, SECOND), Ok(()));
        limits.login_failed(home, None, SECOND);
    }
    assert!(limits.may_log_in(home, None, SECOND).is_err());
}

#[test]
fn guessing_from_many_addresses_is_refused_except_where_the_user_has_logged_in() {
    let (limits, jo, home) = (limits(), name("jo"), at("192.0.2.1"));
    limits.login_succeeded(home, &jo, SECOND);
    let guesses: usize = (0..200)
        .map(|number| fail_until_refused(&limits, numbered(number), &jo, SECOND))
        .sum();
    assert_eq!(guesses, 1000);
    let stranger = limits.may_log_in(numbered(1000), Some(&jo), SECOND);
    assert_eq!(stranger, Err(RetryAfter(SECOND)));
    assert_eq!(limits.may_log_in(home, Some(&jo), SECOND), Ok(()));
    assert_eq!(fail_until_refused(&limits, home, &jo, SECOND), 10);
    let (later, another) = (SECOND + FAMILIAR_FOR, name("flo"));
    assert_eq!(
        limits.may_log_in(numbered(1000), Some(&another), SECOND),
        Ok(())
    );
    assert!(limits.familiar.lock().until(&(home, jo), later).is_none());
}

#[test]
fn a_success_gives_no_token_back() {
    let (limits, jo, home) = (limits(), name("jo"), at("192.0.2.1"));
    fail_until_refused(&limits, home, &jo, SECOND);
    limits.login_succeeded(home, &jo, SECOND);
    assert!(limits.may_log_in(home, Some(&jo), SECOND).is_err());
}

#[test]
fn an_ipv6_host_is_its_64_and_a_mapped_ipv4_address_is_itself() {
    let cases = [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ("::ffff:192.0.2.1", "192.0.2.1", true),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
    ];
    for (one, other, same) in cases {
        let (limits, jo) = (limits(), name("jo"));
        fail_until_refused(&limits, at(one), &jo, SECOND);
        let refused = limits.may_log_in(at(other), Some(&jo), SECOND).is_err();
        assert_eq!(refused, same, "{one} and {other}");
    }
}

#[test]
fn requests_are_counted_for_each_requester_and_only_when_told() {
    let limits = with_requests(Rate::per_second(2, 3));
    let jo = Requester::User(name("jo"));
    for _request in 0..3 {
        assert_eq!(limits.request(jo.clone(), SECOND), Ok(()));
    }
    let refused = limits.request(jo.clone(), SECOND);
    assert_eq!(refused, Err(RetryAfter(SECOND / 2)));
    assert_eq!(limits.request(jo.clone(), SECOND + SECOND / 2), Ok(()));
    let others = [
        Requester::User(name("flo")),
        Requester::Key(KeyId::new(1)),
        Requester::Address(at("192.0.2.1")),
    ];
    for other in others {
        assert_eq!(limits.request(other, SECOND), Ok(()));
    }
    let off = self::limits();
    assert!((0..1000).all(|_request| off.request(jo.clone(), SECOND).is_ok()));
}

#[test]
fn requests_of_one_ipv6_host_are_counted_together() {
    let limits = with_requests(Rate::per_second(1, 1));
    let first = limits.request(Requester::Address(at("2001:db8::1")), SECOND);
    let second = limits.request(Requester::Address(at("2001:db8::2")), SECOND);
    assert!(first.is_ok() && second.is_err());
}

#[test]
fn a_flood_of_addresses_takes_no_more_memory_and_does_not_free_who_is_held() {
    let options = LimitOptions {
        entries: 100,
        requests: Some(Rate::per_second(1, 1)),
        ..LimitOptions::default()
    };
    let limits = RateLimits::new(&options);
    let jo = name("jo");
    fail_until_refused(&limits, at("192.0.2.1"), &jo, SECOND);
    for number in 0..5000 {
        let (address, user) = (numbered(number), name(&format!("u{number}")));
        limits.login_failed(address, Some(&user), SECOND);
        limits.login_succeeded(address, &user, SECOND);
        limits.request(Requester::Address(address), SECOND).unwrap();
    }
    assert_eq!(limits.pairs.full_at.lock().len(), 100);
    assert_eq!(limits.addresses.full_at.lock().len(), 100);
    assert_eq!(limits.names.full_at.lock().len(), 100);
    assert_eq!(limits.familiar.lock().len(), 100);
    let requests = limits.requests.as_ref().unwrap();
    assert_eq!(requests.full_at.lock().len(), 100);
    let refused = limits.may_log_in(at("192.0.2.1"), Some(&jo), SECOND);
    assert_eq!(refused, Err(RetryAfter(6 * SECOND)));
}

#[test]
fn the_wait_is_said_in_whole_seconds_that_suffice() {
    let cases = [(0, 1), (1, 1), (1000, 1), (1001, 2), (5999, 6)];
    for (millis, seconds) in cases {
        let wait = RetryAfter(Duration::from_millis(millis));
        assert_eq!(wait.whole_seconds(), seconds);
        assert!(wait.to_string().ends_with(&format!("in {seconds} s")));
    }
}

#[test]
fn settings_at_their_ends_do_not_overflow() {
    for rate in [
        Rate::new(Duration::MAX, u32::MAX),
        Rate::new(Duration::ZERO, 0),
        Rate::per_second(0, 0),
        Rate::per_second(u32::MAX, u32::MAX),
    ] {
        let buckets = Buckets::new(rate, 0);
        assert_eq!(buckets.take((), SECOND), Ok(()), "{rate:?}");
        buckets.take_if_any((), Duration::MAX);
    }
}
