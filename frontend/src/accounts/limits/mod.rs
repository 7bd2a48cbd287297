//! [`RateLimits`]: how many logins may fail, and how many requests come, in what time.
//!
//! A limit is a token bucket for each key: it begins full, each event takes one token, and one comes back
//! every so often. Failed logins take from three buckets, and a login is refused while any is empty:
//!
//! | key | what it bounds |
//! |---|---|
//! | address and name | guessing one password from one place; the tight one: 10, then one each 6 s |
//! | address | trying many names from one place; larger, since people share an address |
//! | name | guessing one password from many places; so large that one address cannot empty it: its own buckets let through less than comes back here |
//!
//! So who attacks a name from one address locks out nobody at another. Who has so many addresses that the
//! bucket of a name runs dry still does not lock out its user from an address where the user has logged in
//! before: such *familiar* pairs are not held to the name's bucket.
//!
//! Tokens are taken for failures alone, after the fact: many connections that log in at once with the right
//! password need none. What may slip through by that is bounded by the hasher's places, since all others
//! are turned away there. A success gives nothing back, so nobody fills a bucket with an account of their own.
//!
//! Invariants: 1. Each set of buckets keeps at most `entries` of them. One that is full again is not kept;
//! when there is no room, the one nearest to being full goes, so a flood of new addresses forgets the least
//! of all. 2. An IPv6 address counts as its /64, which one host has to itself, and an IPv4 address mapped
//! into IPv6 as the IPv4 address. 3. All is forgotten when the process ends.

use crate::accounts::expiring::Expiring;
use crate::accounts::{KeyId, UserName};
use parking_lot::Mutex;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// How long an address stays familiar after a login: people log in less often than daily.
const FAMILIAR_FOR: Duration = Duration::from_hours(30 * 24);

/// Not now: try again after this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("too many at once; try again in {} s", self.whole_seconds())]
pub(crate) struct RetryAfter(pub(crate) Duration);

/// A bucket of `burst` tokens, of which one comes back each `every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    every: Duration,
    burst: u32,
}

/// The limits, and how much memory they may take.
#[derive(Debug, Clone)]
pub(crate) struct LimitOptions {
    /// Failed logins of one name from one address.
    pub(crate) failures_of_pair: Rate,
    /// Failed logins from one address.
    pub(crate) failures_of_address: Rate,
    /// Failed logins of one name.
    pub(crate) failures_of_name: Rate,
    /// Requests of one requester; `None`: as many as it likes.
    pub(crate) requests: Option<Rate>,
    /// Buckets kept of each kind, of some 100 to 500 bytes each.
    pub(crate) entries: usize,
}

/// Whom a request is counted for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Requester {
    /// A user, from wherever.
    User(UserName),
    /// An API key.
    Key(KeyId),
    /// Nobody known, at this address.
    Address(IpAddr),
}

/// The buckets of everybody. Shared by all requests; no call waits but for the short lock of one set.
#[derive(Debug)]
pub(crate) struct RateLimits {
    pairs: Buckets<(IpAddr, UserName)>,
    addresses: Buckets<IpAddr>,
    names: Buckets<UserName>,
    familiar: Mutex<Expiring<(IpAddr, UserName)>>,
    requests: Option<Buckets<Requester>>,
}

/// One bucket for each key. A bucket is the moment when it is full again, and no entry means full.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    rate: Rate,
    full_at: Mutex<Expiring<K>>,
}

// === impl RetryAfter ===

impl RetryAfter {
    /// In whole seconds, rounded up and at least 1, as `Retry-After` says it (RFC 9110, 10.2.3).
    pub(crate) fn whole_seconds(self) -> u64 {
        let more = u64::from(self.0.subsec_nanos() > 0);
        self.0.as_secs().saturating_add(more).max(1)
    }
}

// === impl Rate ===

impl Rate {
    /// `burst` at once (at least one), then one each `every`.
    pub(crate) const fn new(every: Duration, burst: u32) -> Self {
        let burst = if burst == 0 { 1 } else { burst };
        Self { every, burst }
    }

    /// `burst` at once, then `per_second` a second; each at least one.
    pub(crate) fn per_second(per_second: u32, burst: u32) -> Self {
        Self::new(Duration::from_secs(1) / per_second.max(1), burst)
    }

    /// How long an empty bucket takes to be full.
    fn whole(self) -> Duration {
        self.every.saturating_mul(self.burst)
    }

    /// When a bucket that is full at `full_at` will be full once a token is taken at `now`.
    fn after_one(self, full_at: Option<Duration>, now: Duration) -> Duration {
        full_at
            .map_or(now, |at| at.max(now))
            .saturating_add(self.every)
    }

    /// Whether a token can be taken at `now` so that the bucket is full at `full_at` then.
    fn allows(self, full_at: Duration, now: Duration) -> Result<(), RetryAfter> {
        let missing = full_at.saturating_sub(now.saturating_add(self.whole()));
        if missing.is_zero() {
            Ok(())
        } else {
            Err(RetryAfter(missing))
        }
    }
}

// === impl LimitOptions ===

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            failures_of_pair: Rate::new(Duration::from_secs(6), 10),
            failures_of_address: Rate::new(Duration::from_secs(2), 30),
            failures_of_name: Rate::new(Duration::from_secs(1), 1000),
            requests: None,
            entries: 4096,
        }
    }
}

// === impl RateLimits ===

impl RateLimits {
    /// Buckets that are all full.
    pub(crate) fn new(options: &LimitOptions) -> Self {
        let entries = options.entries;
        Self {
            pairs: Buckets::new(options.failures_of_pair, entries),
            addresses: Buckets::new(options.failures_of_address, entries),
            names: Buckets::new(options.failures_of_name, entries),
            familiar: Mutex::new(Expiring::new(entries)),
            requests: options.requests.map(|rate| Buckets::new(rate, entries)),
        }
    }

    /// Whether a login as `name` from `address` may be tried. Takes nothing. To be asked before a password
    /// is verified, but not when it is remembered as verified. `name` is `None` for a text that is no name.
    ///
    /// # Errors
    /// How long to wait, if too many failed.
    pub(crate) fn may_log_in(
        &self,
        address: IpAddr,
        name: Option<&UserName>,
        now: Duration,
    ) -> Result<(), RetryAfter> {
        let address = network(address);
        self.addresses.check(&address, now)?;
        let Some(name) = name else {
            return Ok(());
        };
        let pair = (address, name.clone());
        self.pairs.check(&pair, now)?;
        if self.familiar.lock().until(&pair, now).is_some() {
            return Ok(());
        }
        self.names.check(name, now)
    }

    /// A login as `name` from `address` was refused for its password or its name.
    pub(crate) fn login_failed(&self, address: IpAddr, name: Option<&UserName>, now: Duration) {
        let address = network(address);
        self.addresses.take_if_any(address, now);
        if let Some(name) = name {
            self.pairs.take_if_any((address, name.clone()), now);
            self.names.take_if_any(name.clone(), now);
        }
    }

    /// `name` has logged in from `address`: the two are familiar for 30 days.
    pub(crate) fn login_succeeded(&self, address: IpAddr, name: &UserName, now: Duration) {
        let until = now.saturating_add(FAMILIAR_FOR);
        let pair = (network(address), name.clone());
        self.familiar.lock().hold(pair, until, now);
    }

    /// Counts a request of `requester`.
    ///
    /// # Errors
    /// How long to wait, if there were too many; one that is refused is not counted.
    pub(crate) fn request(&self, requester: Requester, now: Duration) -> Result<(), RetryAfter> {
        let Some(buckets) = &self.requests else {
            return Ok(());
        };
        let requester = match requester {
            Requester::Address(address) => Requester::Address(network(address)),
            known @ (Requester::User(_) | Requester::Key(_)) => known,
        };
        buckets.take(requester, now)
    }
}

// === impl Buckets ===

impl<K: Clone + Eq + Hash + Ord> Buckets<K> {
    /// Buckets that are full, of which `entries` are held.
    pub(crate) fn new(rate: Rate, entries: usize) -> Self {
        Self {
            rate,
            full_at: Mutex::new(Expiring::new(entries)),
        }
    }

    /// Whether there is a token.
    fn check(&self, key: &K, now: Duration) -> Result<(), RetryAfter> {
        let before = self.full_at.lock().until(key, now);
        self.rate.allows(self.rate.after_one(before, now), now)
    }

    /// Takes a token, or says when there will be one.
    pub(crate) fn take(&self, key: K, now: Duration) -> Result<(), RetryAfter> {
        let mut full_at = self.full_at.lock();
        let after = self.rate.after_one(full_at.until(&key, now), now);
        self.rate.allows(after, now)?;
        full_at.hold(key, after, now);
        Ok(())
    }

    /// Takes a token for what has happened already. An empty bucket stays empty, and owes nothing.
    fn take_if_any(&self, key: K, now: Duration) {
        let mut full_at = self.full_at.lock();
        let after = self.rate.after_one(full_at.until(&key, now), now);
        let empty = now.saturating_add(self.rate.whole());
        full_at.hold(key, after.min(empty), now);
    }
}

/// What of an address is one host's: see the module's invariants.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let host_bits = u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !host_bits))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests;
