//! How much one client may ask. Limits are kept in this process: a restart forgets them, replicas count on their own.

use crate::{
    client::Client,
    config,
    cookie::secret_of,
    error::{Failure, Result},
    net::one_client,
    room::{Place, Room},
    state::AppState,
};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bellwether_decide::account::login_key;
use bellwether_model::UserId;
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use std::{
    collections::HashSet,
    hash::{BuildHasher, Hash, RandomState},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How many accounts with addresses are remembered.
const MOST_KNOWN: usize = 100_000;

/// The limits of this process.
pub struct Limits {
    clock: DefaultClock,
    hasher: RandomState,
    requests: DefaultKeyedRateLimiter<u64>,
    requests_of_address: DefaultKeyedRateLimiter<u64>,
    logins: DefaultKeyedRateLimiter<u64>,
    logins_of_address: DefaultKeyedRateLimiter<u64>,
    logins_of_account: DefaultKeyedRateLimiter<u64>,
    /// Accounts with addresses from which they were logged in to.
    known: Mutex<HashSet<u64>>,
    registrations: DefaultKeyedRateLimiter<u64>,
    streams: Room<UserId>,
}

fn at_least_one(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN)
}

impl Limits {
    /// As configured.
    pub fn new(config: &config::Limits) -> Self {
        let per_minute = |n: u32| {
            RateLimiter::keyed(
                Quota::per_minute(at_least_one(n)).allow_burst(at_least_one(n.saturating_mul(2))),
            )
        };
        let per_second = |n: u32| {
            RateLimiter::keyed(
                Quota::per_second(at_least_one(n)).allow_burst(at_least_one(n.saturating_mul(10))),
            )
        };
        Self {
            clock: DefaultClock::default(),
            hasher: RandomState::new(),
            requests: per_second(config.requests_per_second),
            requests_of_address: per_second(config.requests_per_second.saturating_mul(10)),
            logins: per_minute(config.logins_per_minute),
            logins_of_address: per_minute(config.logins_per_minute_and_address),
            logins_of_account: per_minute(config.logins_per_minute_and_account),
            known: Mutex::default(),
            registrations: RateLimiter::keyed(Quota::per_hour(at_least_one(
                config.registrations_per_hour,
            ))),
            streams: Room::new(config.event_streams_per_person),
        }
    }

    fn check(
        &self,
        limiter: &DefaultKeyedRateLimiter<u64>,
        key: impl Hash,
        message: &str,
    ) -> Result<()> {
        limiter
            .check_key(&self.hasher.hash_one(key))
            .map_err(|until| Failure::too_many(message, until.wait_time_from(self.clock.now())))
    }

    /// An attempt to log in to `login` from `client`. Counted whether it succeeds or not, for an account and an
    /// address together; and for the account alone, unless it was logged in to from that address before: who guesses
    /// from many addresses is held up, the account's owner is not.
    pub fn login(&self, client: Client, login: &str) -> Result<()> {
        let message = "Too many attempts to log in. Wait a little and try again.";
        let (from, account) = (one_client(client.address), login_key(login));
        self.check(&self.logins_of_address, from, message)?;
        self.check(&self.logins, (from, &account), message)?;
        let pair = self.hasher.hash_one((from, &account));
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&pair) {
            return Ok(());
        }
        drop(known);
        self.check(&self.logins_of_account, account, message)
    }

    /// Such an attempt was right.
    pub fn logged_in(&self, client: Client, login: &str) {
        let pair = (one_client(client.address), login_key(login));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Forgetting them costs somebody a wait at worst, and only while their account is under attack.
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(self.hasher.hash_one(pair));
    }

    /// An attempt to register from `client`.
    pub fn registration(&self, client: Client) -> Result<()> {
        self.check(
            &self.registrations,
            one_client(client.address),
            "Too many new accounts from this address. Try again later.",
        )
    }

    /// A place among the live streams of `user`; given back when dropped.
    pub fn stream(&self, user: UserId) -> Result<Place<UserId>> {
        self.streams.take(user).ok_or_else(|| {
            Failure::too_many(
                "Too many pages of yours are listening for live events. Close some.",
                Duration::from_secs(30),
            )
        })
    }

    /// Forgets clients that have been quiet long enough to have their full allowance.
    pub fn forget_quiet(&self) {
        for limiter in [
            &self.requests,
            &self.requests_of_address,
            &self.logins,
            &self.logins_of_address,
            &self.logins_of_account,
            &self.registrations,
        ] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// Counts each request for its session or token, which many people behind one address have each their own of; and for
/// its address, which may ask as much as ten sessions, so that inventing tokens gains nothing.
pub async fn requests(
    State(state): State<AppState>,
    client: Client,
    request: Request,
    next: Next,
) -> Response {
    let limits = &state.limits;
    let message = "Too many requests. Wait a little and try again.";
    let from = one_client(client.address);
    let asker = match secret_of(request.headers(), client.secure) {
        Some(secret) => limits.hasher.hash_one(secret),
        None => limits.hasher.hash_one(from),
    };
    let counted = limits
        .check(&limits.requests_of_address, from, message)
        .and_then(|()| limits.check(&limits.requests, asker, message));
    match counted {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> Client {
        Client {
            address: address.parse().unwrap(),
            secure: false,
        }
    }

    #[test]
    fn guessing_is_slowed_without_locking_others_out() {
        let limits = Limits::new(&config::Limits {
            logins_per_minute: 3,
            logins_per_minute_and_address: 10,
            ..Default::default()
        });
        for _ in 0..6 {
            assert!(limits.login(from("10.0.0.1"), "ada").is_ok());
        }
        let refused = limits.login(from("10.0.0.1"), "ADA").unwrap_err();
        assert!(refused.retry_after.unwrap() > Duration::ZERO);
        assert!(limits.login(from("10.0.0.1"), "bob").is_ok());
        assert!(limits.login(from("10.0.0.2"), "ada").is_ok());
        // Any account from one address.
        let tried = (0..100)
            .take_while(|n| limits.login(from("10.0.0.1"), &format!("u{n}")).is_ok())
            .count();
        assert!(tried < 20, "{tried}");
    }

    #[test]
    fn blanks_and_capitals_are_no_other_account() {
        let limits = Limits::new(&config::Limits {
            logins_per_minute: 2,
            ..Default::default()
        });
        for login in ["ada", " ada", "ADA\t", "ada "] {
            assert!(limits.login(from("10.0.0.1"), login).is_ok());
        }
        assert!(limits.login(from("10.0.0.1"), "\nAda").is_err());
    }

    #[test]
    fn guessing_from_many_addresses_is_slowed_but_for_the_owner() {
        let limits = Limits::new(&config::Limits {
            logins_per_minute_and_account: 5,
            ..Default::default()
        });
        let owner = from("192.0.2.1");
        assert!(limits.login(owner, "ada").is_ok());
        limits.logged_in(owner, "Ada");
        let guesses = (0..100)
            .take_while(|n| {
                limits
                    .login(from(&format!("2001:db8:{n}::1")), "ada")
                    .is_ok()
            })
            .count();
        assert_eq!(guesses, 9);
        assert!(limits.login(owner, "ada").is_ok());
        assert!(limits.login(from("2001:db8::1"), "bob").is_ok());
    }
}
