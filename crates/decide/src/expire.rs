//! The end of a lease: what ends soon, what is over, and what to do about it. A lease includes its last day.
//!
//! ```text
//! running ──(last day over)──► asked to shut down ──(grace over)──► forced off ──► ended: off, kept with its disk
//! ```

use crate::request::{days_after, days_inclusive};
use bellwether_model::{
    Day, Error, ErrorKind, Result, Timestamp,
    observed::PowerState,
    policy::Policy,
    vm::{Vm, VmState},
};
use std::time::Duration;

/// Where a lease stands on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its first day is to come, in so many days.
    NotBegun {
        /// Days until then.
        days: u32,
    },
    /// It goes on beyond the days in which one warns.
    Running,
    /// It ends soon; 0 means that today is the last day.
    EndsSoon {
        /// Days after today that are left.
        days_left: u32,
    },
    /// It ended so many days ago; 1 means that yesterday was the last day.
    Over {
        /// Days since.
        days: u32,
    },
}

/// Where the VM's lease stands.
pub fn standing(vm: &Vm, today: Day, policy: &Policy) -> Standing {
    let days = |from: Day, to: Day| {
        u32::try_from((days_inclusive(from, to) - 1).max(0)).unwrap_or(u32::MAX)
    };
    if today < vm.lease_from {
        return Standing::NotBegun {
            days: days(today, vm.lease_from),
        };
    }
    if vm.lease_until < today {
        return Standing::Over {
            days: days(vm.lease_until, today),
        };
    }
    match days(today, vm.lease_until) {
        days_left if days_left <= policy.warn_days => Standing::EndsSoon { days_left },
        _ => Standing::Running,
    }
}

/// What a lease's end asks for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Tell the owner, once for this end, that so many days are left.
    Warn {
        /// Days after today that are left.
        days_left: u32,
    },
    /// Ask the guest to shut down.
    AskShutdown,
    /// It was asked; its grace lasts until then.
    WaitUntil(Timestamp),
    /// It did not heed: take its power away.
    ForceOff,
    /// It is off: record that the lease is over; nothing is deleted.
    End,
}

/// What to do about a VM's lease. `power` is what its host shows now (none: its host does not know it or does not
/// answer), `asked_at` when its guest was asked to shut down because of this end, `warned` whether its owner knows.
pub fn action(
    vm: &Vm,
    power: Option<PowerState>,
    asked_at: Option<Timestamp>,
    warned: bool,
    today: Day,
    now: Timestamp,
    policy: &Policy,
) -> Action {
    if matches!(vm.state, VmState::Gone | VmState::Deleting | VmState::Ended) {
        return Action::Nothing;
    }
    match standing(vm, today, policy) {
        Standing::EndsSoon { days_left } if !warned => Action::Warn { days_left },
        Standing::Over { .. } => over(vm, power, asked_at, now, policy),
        _ => Action::Nothing,
    }
}

fn over(
    vm: &Vm,
    power: Option<PowerState>,
    asked_at: Option<Timestamp>,
    now: Timestamp,
    policy: &Policy,
) -> Action {
    // While it moves or is made, or its host is away, the next round decides.
    if matches!(
        vm.state,
        VmState::Migrating | VmState::Provisioning | VmState::HostUnreachable
    ) {
        return Action::Nothing;
    }
    match power {
        None => Action::Nothing,
        Some(PowerState::ShutOff | PowerState::Crashed) => Action::End,
        // A paused guest can't heed.
        Some(PowerState::Paused) => Action::ForceOff,
        Some(PowerState::Running | PowerState::ShuttingDown) => match asked_at {
            None => Action::AskShutdown,
            Some(asked) => {
                let until = asked.plus(Duration::from_secs(u64::from(
                    policy.shutdown_grace_seconds,
                )));
                if now < until {
                    Action::WaitUntil(until)
                } else {
                    Action::ForceOff
                }
            }
        },
    }
}

/// Whether the lease may be extended to `until`, included: by its owner within the policy, by an admin to any later day.
pub fn may_extend(vm: &Vm, until: Day, today: Day, policy: &Policy, admin: bool) -> Result<()> {
    if matches!(vm.state, VmState::Gone | VmState::Deleting) {
        return Err(Error::conflict(format!(
            "The VM is {}; its lease can't be extended.",
            vm.state
        )));
    }
    let earliest = if vm.lease_until < today {
        today
    } else {
        days_after(vm.lease_until, 1)
    };
    let latest = days_after(today, policy.max_lease_days.max(1) - 1);
    if !admin && !policy.users_may_extend {
        return Err(Error::new(
            ErrorKind::Forbidden,
            "Leases are extended by an administrator here; ask for it.",
        ));
    }
    if until < earliest {
        let accepted = if admin {
            format!("{earliest} or later is accepted")
        } else {
            format!("{earliest} to {latest} is accepted")
        };
        return Err(Error::field(
            "until",
            format!(
                "{until} does not extend the lease, which ends on {}; {accepted}",
                vm.lease_until
            ),
        ));
    }
    if !admin && until > latest {
        return Err(if earliest > latest {
            Error::field(
                "until",
                format!(
                    "the lease ends on {} already; {latest} is the latest day without an administrator",
                    vm.lease_until
                ),
            )
        } else {
            Error::field(
                "until",
                format!(
                    "{until} is too far; {earliest} to {latest} is accepted without an administrator"
                ),
            )
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{day, vm};
    use proptest::prelude::*;

    fn leased(until: &str) -> Vm {
        Vm {
            lease_from: day("2026-11-01"),
            lease_until: day(until),
            ..vm(1)
        }
    }

    const TODAY: &str = "2026-11-24";

    #[test]
    fn where_a_lease_stands() {
        for (until, expected) in [
            ("2026-11-23", Standing::Over { days: 1 }),
            ("2026-11-24", Standing::EndsSoon { days_left: 0 }),
            ("2026-12-01", Standing::EndsSoon { days_left: 7 }),
            ("2026-12-02", Standing::Running),
        ] {
            assert_eq!(
                standing(&leased(until), day(TODAY), &Policy::default()),
                expected
            );
        }
        let early = standing(&leased("2026-12-01"), day("2026-10-30"), &Policy::default());
        assert_eq!(early, Standing::NotBegun { days: 2 });
    }

    #[test]
    fn asked_then_forced_then_ended_and_never_before_its_time() {
        let policy = Policy::default();
        let asked = Timestamp::from_seconds(1_000);
        let late = asked.plus(Duration::from_secs(120));
        let over = leased("2026-11-23");
        let act = |vm: &Vm, power, asked_at, now| {
            action(vm, power, asked_at, true, day(TODAY), now, &policy)
        };
        let running = Some(PowerState::Running);
        assert_eq!(act(&over, running, None, asked), Action::AskShutdown);
        assert_eq!(
            act(&over, running, Some(asked), asked),
            Action::WaitUntil(late)
        );
        assert_eq!(act(&over, running, Some(asked), late), Action::ForceOff);
        assert_eq!(
            act(&over, Some(PowerState::ShutOff), Some(asked), late),
            Action::End
        );
        assert_eq!(act(&over, None, Some(asked), late), Action::Nothing);
        let moving = Vm {
            state: VmState::Migrating,
            ..over
        };
        assert_eq!(act(&moving, running, Some(asked), late), Action::Nothing);
        let last_day = leased(TODAY);
        assert_eq!(act(&last_day, running, None, late), Action::Nothing);
        let unwarned = action(&last_day, running, None, false, day(TODAY), late, &policy);
        assert_eq!(unwarned, Action::Warn { days_left: 0 });
    }

    #[test]
    fn extending_says_what_would_be_accepted() {
        let policy = Policy {
            max_lease_days: 30,
            ..Policy::default()
        };
        let said = |vm: &Vm, until: &str, admin| {
            may_extend(vm, day(until), day(TODAY), &policy, admin).map_err(|error| error.message)
        };
        let vm = leased("2026-11-30");
        assert_eq!(said(&vm, "2026-12-23", false), Ok(()));
        for (until, part) in [
            (
                "2026-11-30",
                "does not extend the lease, which ends on 2026-11-30; 2026-12-01 to 2026-12-23",
            ),
            ("2026-12-24", "is too far; 2026-12-01 to 2026-12-23"),
        ] {
            let message = said(&vm, until, false).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(said(&vm, "2028-01-01", true), Ok(()));
        assert_eq!(
            said(&leased("2026-11-01"), TODAY, false),
            Ok(()),
            "an ended one from today"
        );
        assert!(said(&leased("2026-11-01"), "2026-11-23", true).is_err());
        let long = said(&leased("2027-06-01"), "2027-06-02", false).unwrap_err();
        assert!(long.contains("2026-12-23 is the latest day"), "{long}");
        let strict = Policy {
            users_may_extend: false,
            ..policy.clone()
        };
        let error = may_extend(&vm, day("2026-12-02"), day(TODAY), &strict, false).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Forbidden);
        assert!(may_extend(&vm, day("2026-12-02"), day(TODAY), &strict, true).is_ok());
    }

    proptest! {
        #[test]
        fn a_running_vm_is_never_stopped_on_or_before_its_last_day(ahead in 0_u32..800, asked in proptest::option::of(0_i64..10_000), now: i64) {
            let mut vm = vm(1);
            vm.lease_until = days_after(day(TODAY), ahead);
            let act = action(&vm, Some(PowerState::Running), asked.map(Timestamp), false, day(TODAY), Timestamp(now), &Policy::default());
            prop_assert!(matches!(act, Action::Nothing | Action::Warn { .. }), "{:?}", act);
        }
    }
}
