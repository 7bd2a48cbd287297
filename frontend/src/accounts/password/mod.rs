//! Passwords: [`PasswordHash`] is what is stored of one, [`PasswordHasher`] makes and verifies it, and
//! here is which new ones are taken and how one is made up.
//!
//! Invariants: 1. At most `at_once` hashes are computed at the same time, each in the memory that its
//! cost names and never more than 64 MiB, and at most `waiting` wait for a turn; who comes then is told
//! [`HasherError::Busy`] at once. A caller that goes away gives up its place in the queue, but a hash that
//! is being computed keeps its turn until it is done. 2. Verifying for a user that does not exist costs
//! what it costs for one that does, so the time of an answer says nothing about names. That holds as far as
//! the stored hashes have the present cost: see [`PasswordHasher::needs_rehash`]. 3. No password and no
//! hash is ever in an error or in what `Debug` writes.

use crate::accounts::limits::RetryAfter;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use floundr_engine::random::Random;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::{self, JoinError};

/// Bytes of the shortest password that is taken.
pub(crate) const MIN_PASSWORD_LEN: usize = 8;
/// Bytes of the longest password that is taken.
pub(crate) const MAX_PASSWORD_LEN: usize = 1024;

/// The most a stored hash may cost to verify, since it is paid at each login.
const DEAREST: Cost = Cost {
    memory_kib: 64 * 1024,
    passes: 16,
    lanes: 16,
};

/// When to come back if all places are taken: the queue of a slow machine is worked off by then.
const BUSY_FOR: RetryAfter = RetryAfter(Duration::from_secs(2));

/// Made-up passwords are of these: 32, so that 5 random bits choose one, and without 0, 1, l and o, which
/// are taken for one another.
const ALPHABET: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";
/// Characters of a made-up password: 120 random bits.
const MADE_UP_LEN: usize = 24;

/// A salted Argon2id hash of a password, as a PHC string. Always one that can be verified at a bounded cost.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PasswordHash(Arc<str>);

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes of the memory.
    pub lanes: u32,
}

/// What a hasher costs, and how much of that at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HasherOptions {
    /// The cost of new hashes.
    pub(crate) cost: Cost,
    /// Hashes computed at the same time.
    pub(crate) at_once: usize,
    /// Callers that may wait for a turn.
    pub(crate) waiting: usize,
}

/// Computes hashes, on threads where nothing waits for them. A clone shares the turns.
#[derive(Clone)]
pub(crate) struct PasswordHasher(Arc<Shared>);

struct Shared {
    argon2: Argon2<'static>,
    /// Of no password: its output is random, and nothing that is known hashes to it.
    dummy: PasswordHash,
    /// Those computing and those waiting.
    places: Arc<Semaphore>,
    /// Those computing.
    turns: Arc<Semaphore>,
    verifications: AtomicU64,
}

/// Why a text is not a hash that can be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseHashError {
    /// Not a PHC string of Argon2id with salt and output.
    #[error("the hash of a password is not a PHC string of argon2id with a salt and an output")]
    Form,
    /// Verifying it would take too much.
    #[error(
        "the hash of a password takes {} KiB, {} passes and {} lanes; the most are {}, {} and {}",
        .0.memory_kib, .0.passes, .0.lanes, DEAREST.memory_kib, DEAREST.passes, DEAREST.lanes
    )]
    Cost(Cost),
}

/// Why a hash was not computed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HasherError {
    /// Too many are being verified.
    #[error("too many passwords are being verified; {0}")]
    Busy(RetryAfter),
    /// Argon2 refused: its options do not fit, or there is no memory.
    #[error("a password cannot be hashed")]
    Argon2(#[source] password_hash::Error),
    /// The system gave no random bytes.
    #[error("there are no random bytes for passwords")]
    Random(#[source] io::Error),
    /// The computation did not end: the process stops.
    #[error("the hashing of a password was stopped")]
    Stopped(#[source] JoinError),
}

/// Why a new password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPassword {
    /// Too short or too long.
    #[error("a password has {MIN_PASSWORD_LEN} to {MAX_PASSWORD_LEN} characters, and this has {0}")]
    Length(usize),
    /// A control character, which no prompt and no header passes on as it is.
    #[error("a password has no control characters")]
    Control,
}

// === impl PasswordHash ===

impl PasswordHash {
    /// The PHC string.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PasswordHash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        let cost = cost_of(text).ok_or(ParseHashError::Form)?;
        let fits = cost.memory_kib <= DEAREST.memory_kib
            && cost.passes <= DEAREST.passes
            && cost.lanes <= DEAREST.lanes;
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(ParseHashError::Cost(cost))
        }
    }
}

impl TryFrom<String> for PasswordHash {
    type Error = ParseHashError;

    fn try_from(text: String) -> Result<Self, ParseHashError> {
        text.parse()
    }
}

impl From<PasswordHash> for String {
    fn from(hash: PasswordHash) -> Self {
        hash.as_str().to_owned()
    }
}

/// Shows nothing: a hash can be guessed against.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

// === impl Cost ===

impl Default for Cost {
    /// The least that OWASP's password storage cheat sheet has for Argon2id: 19 MiB, 2 passes, 1 lane.
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            passes: 2,
            lanes: 1,
        }
    }
}

impl From<&Params> for Cost {
    fn from(params: &Params) -> Self {
        Self {
            memory_kib: params.m_cost(),
            passes: params.t_cost(),
            lanes: params.p_cost(),
        }
    }
}

// === impl HasherOptions ===

impl Default for HasherOptions {
    fn default() -> Self {
        Self {
            cost: Cost::default(),
            at_once: 2,
            waiting: 32,
        }
    }
}

// === impl PasswordHasher ===

impl PasswordHasher {
    /// A hasher whose turns are all free. At least one hash is computed at a time.
    ///
    /// # Errors
    /// When Argon2 does not take the cost, or there are no random bytes.
    pub(crate) fn new(options: HasherOptions, random: &dyn Random) -> Result<Self, HasherError> {
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = options.cost;
        let params = Params::new(memory_kib, passes, lanes, None)
            .map_err(|error| HasherError::Argon2(error.into()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let at_once = options.at_once.max(1);
        Ok(Self(Arc::new(Shared {
            dummy: dummy(argon2.params(), random)?,
            argon2,
            places: Arc::new(Semaphore::new(at_once.saturating_add(options.waiting))),
            turns: Arc::new(Semaphore::new(at_once)),
            verifications: AtomicU64::new(0),
        })))
    }

    /// The hash of `password`, with a salt of its own. Which passwords are taken is decided before, by
    /// [`check_new_password`]. Cancel safe: nothing is kept.
    ///
    /// # Errors
    /// Busy, or the machine's fault.
    pub(crate) async fn hash(&self, password: &str) -> Result<PasswordHash, HasherError> {
        let password = password.to_owned();
        self.compute(move |shared| {
            let hash = shared.argon2.hash_password(password.as_bytes());
            let hash = hash.map_err(HasherError::Argon2)?;
            Ok(PasswordHash(hash.to_string().into()))
        })
        .await
    }

    /// Whether `hash` is of `password`. `None` is never, but takes as long. Cancel safe.
    ///
    /// # Errors
    /// Busy, or the machine's fault; a wrong password is `false`.
    pub(crate) async fn verify(
        &self,
        password: &str,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, HasherError> {
        let exists = hash.is_some();
        let hash = hash.unwrap_or(&self.0.dummy).clone();
        let password = password.to_owned();
        let fits = self
            .compute(move |shared| shared.verify(&password, &hash))
            .await?;
        Ok(fits && exists)
    }

    /// Whether `hash` has another cost than new ones: worth making anew when its password is at hand.
    pub(crate) fn needs_rehash(&self, hash: &PasswordHash) -> bool {
        cost_of(hash.as_str()) != Some(self.0.argon2.params().into())
    }

    /// How often a password was compared with a hash, the dummy one included, since the start.
    pub(crate) fn verifications(&self) -> u64 {
        self.0.verifications.load(Ordering::Relaxed)
    }

    /// Computes when it is this caller's turn. The permits go along, so that a computation whose caller is
    /// gone still counts.
    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, HasherError> + Send + 'static,
    ) -> Result<T, HasherError> {
        let place = Arc::clone(&self.0.places).try_acquire_owned();
        let place = place.map_err(|_none_free| HasherError::Busy(BUSY_FOR))?;
        let turn = Arc::clone(&self.0.turns).acquire_owned().await;
        let turn = turn.expect("the semaphore is never closed");
        let shared = Arc::clone(&self.0);
        let computation = task::spawn_blocking(move || {
            let _permits = (place, turn);
            work(&shared)
        });
        computation.await.map_err(HasherError::Stopped)?
    }
}

impl fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHasher")
            .field("cost", &Cost::from(self.0.argon2.params()))
            .field("verifications", &self.verifications())
            .finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    fn verify(&self, password: &str, hash: &PasswordHash) -> Result<bool, HasherError> {
        self.verifications.fetch_add(1, Ordering::Relaxed);
        let hash = phc::PasswordHash::new(hash.as_str());
        let hash = hash.map_err(|error| HasherError::Argon2(error.into()))?;
        match self.argon2.verify_password(password.as_bytes(), &hash) {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(HasherError::Argon2(error)),
        }
    }
}

/// Whether a new password may be `password`.
///
/// # Errors
/// Why not; the error does not hold the password.
pub(crate) fn check_new_password(password: &str) -> Result<(), UnfitPassword> {
    let length = password.chars().count();
    if !(MIN_PASSWORD_LEN..=MAX_PASSWORD_LEN).contains(&length) {
        return Err(UnfitPassword::Length(length));
    }
    if password.chars().any(char::is_control) {
        return Err(UnfitPassword::Control);
    }
    Ok(())
}

/// A made-up password of 24 characters, which nobody guesses.
///
/// # Errors
/// When there are no random bytes.
pub(crate) fn make_up_password(random: &dyn Random) -> io::Result<String> {
    let mut bytes = [0; MADE_UP_LEN];
    random.fill(&mut bytes)?;
    let characters = bytes.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    Ok(characters.iter().collect())
}

/// A hash with `params` of which nobody knows a password.
fn dummy(params: &Params, random: &dyn Random) -> Result<PasswordHash, HasherError> {
    let (mut salt, mut output) = ([0; 16], [0; Params::DEFAULT_OUTPUT_LEN]);
    random.fill(&mut salt).map_err(HasherError::Random)?;
    random.fill(&mut output).map_err(HasherError::Random)?;
    let argon2 = |error: phc::Error| HasherError::Argon2(error.into());
    let hash = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: params.try_into().map_err(HasherError::Argon2)?,
        salt: Some(phc::Salt::new(&salt).map_err(argon2)?),
        hash: Some(phc::Output::new(&output).map_err(argon2)?),
    };
    Ok(PasswordHash(hash.to_string().into()))
}

/// What verifying the PHC string `text` costs; `None` if it cannot be verified.
fn cost_of(text: &str) -> Option<Cost> {
    let hash = phc::PasswordHash::new(text).ok()?;
    let known = hash.algorithm == Algorithm::Argon2id.ident()
        && hash
            .version
            .is_none_or(|version| Version::try_from(version).is_ok())
        && hash.salt.is_some()
        && hash.hash.is_some();
    let params = Params::try_from(&hash).ok()?;
    known.then(|| Cost::from(&params))
}

#[cfg(test)]
pub(super) mod tests;
