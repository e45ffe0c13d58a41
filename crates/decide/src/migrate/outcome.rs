//! How a move ended: judged by what both hosts say, never assumed.
//!
//! The dangerous window is "paused on the source, not known to run on the target". A source is continued only where the
//! target is proven to have nothing of the VM: a target that has it, even switched off, may have run it meanwhile, and
//! old memory on a newer disk destroys the disk.

use bellwether_model::{migration::MigrationOutcome, observed::PowerState};

/// What one of the two hosts says of the VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It shows there so.
    Shows(PowerState),
    /// It is not there.
    NotThere,
    /// The host is declared off, and runs nothing by that word.
    DeclaredOff,
    /// The host did not answer.
    Silent,
}

impl Said {
    /// In words, to follow the host's name.
    pub fn words(self) -> String {
        match self {
            Self::Shows(power) => format!("says it is {}", power.as_str()),
            Self::NotThere => "does not know it".into(),
            Self::DeclaredOff => "is declared off".into(),
            Self::Silent => "does not answer".into(),
        }
    }
}

/// Where a VM is that was to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// It runs on the target; the source has let it go.
    OnTarget,
    /// It runs on the source; the target has nothing of it.
    OnSource,
    /// It is paused on the source and proven absent from the target: the source may be continued.
    PausedOnSource,
    /// It was shut off (by its guest or a person) while moving; on the source.
    OffOnSource,
    /// It was shut off after it had moved; on the target.
    OffOnTarget,
    /// It runs on the target while the source still holds it paused: libvirt lets go of the source in a moment, or its
    /// last message was lost and it never will.
    HandedOver,
    /// The copy is still under way, or is being cleared away.
    Moving,
    /// It is on neither host.
    Nowhere,
    /// The hosts say what can't be put right by itself; a person must look.
    Contradiction,
    /// A host that must be asked did not answer.
    Unknown,
}

/// Judges the two answers. `moving`: the source reports a migration under way.
///
/// A source that runs the guest with no migration under way is proof by itself: libvirt leaves a source paused, never
/// running, while it is in doubt about the target. So a target that is cut off need not be waited for.
pub fn whereabouts(source: Said, target: Said, moving: bool) -> Whereabouts {
    use PowerState::{Crashed, Paused, Running, ShutOff, ShuttingDown};
    use Said::{DeclaredOff, NotThere, Shows, Silent};
    if moving {
        return Whereabouts::Moving;
    }
    match (source, target) {
        (Silent, _) => Whereabouts::Unknown,
        (Shows(Running), Silent) => Whereabouts::OnSource,
        (_, Silent) => Whereabouts::Unknown,
        // What was coming in dies with its source; libvirt clears it away in a moment.
        (DeclaredOff, Shows(Paused)) => Whereabouts::Moving,
        (DeclaredOff, Shows(Running | ShuttingDown)) => Whereabouts::OnTarget,
        (DeclaredOff, _) => Whereabouts::OffOnSource,
        (NotThere | Shows(ShutOff), Shows(Running | ShuttingDown | Paused)) => {
            Whereabouts::OnTarget
        }
        (NotThere, Shows(ShutOff | Crashed)) => Whereabouts::OffOnTarget,
        (NotThere, NotThere | DeclaredOff) => Whereabouts::Nowhere,
        (Shows(Running | ShuttingDown), NotThere | DeclaredOff | Shows(ShutOff)) => {
            Whereabouts::OnSource
        }
        (Shows(Paused), NotThere | DeclaredOff) => Whereabouts::PausedOnSource,
        (Shows(Paused), Shows(Running)) => Whereabouts::HandedOver,
        // The target is being prepared or torn down; only the source runs.
        (Shows(Running), Shows(Paused)) => Whereabouts::Moving,
        (Shows(ShutOff | Crashed), NotThere | DeclaredOff | Shows(ShutOff | Crashed)) => {
            Whereabouts::OffOnSource
        }
        _ => Whereabouts::Contradiction,
    }
}

/// The outcome to record for where the VM is.
pub fn outcome(whereabouts: Whereabouts, cancelled: bool) -> MigrationOutcome {
    use Whereabouts::{
        Contradiction, HandedOver, Moving, Nowhere, OffOnSource, OffOnTarget, OnSource, OnTarget,
        PausedOnSource, Unknown,
    };
    match whereabouts {
        OnTarget | OffOnTarget | HandedOver => MigrationOutcome::Completed,
        OnSource | PausedOnSource | OffOnSource if cancelled => MigrationOutcome::Cancelled,
        OnSource | PausedOnSource | OffOnSource => MigrationOutcome::Failed,
        Moving => MigrationOutcome::Running,
        Nowhere | Contradiction | Unknown => MigrationOutcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PowerState::{Crashed, Paused, Running, ShutOff, ShuttingDown};
    use Said::{DeclaredOff, NotThere, Shows, Silent};

    const ALL: [Said; 8] = [
        Shows(Running),
        Shows(Paused),
        Shows(ShuttingDown),
        Shows(ShutOff),
        Shows(Crashed),
        NotThere,
        DeclaredOff,
        Silent,
    ];

    #[test]
    fn a_paused_source_is_continued_only_where_the_target_has_nothing() {
        for source in ALL {
            for target in ALL {
                if whereabouts(source, target, false) == Whereabouts::PausedOnSource {
                    assert_eq!(source, Shows(Paused));
                    assert!(matches!(target, NotThere | DeclaredOff), "{target:?}");
                }
            }
        }
        assert_eq!(
            whereabouts(Shows(Paused), Shows(ShutOff), false),
            Whereabouts::Contradiction,
            "its guest may have run there and shut down"
        );
    }

    #[test]
    fn nothing_is_concluded_of_two_that_live_or_of_a_host_that_is_silent() {
        let live = [Shows(Running), Shows(Paused), Shows(ShuttingDown)];
        for source in ALL {
            for target in ALL {
                let found = whereabouts(source, target, false);
                let told = (source, target, found);
                if source == Silent || target == Silent && source != Shows(Running) {
                    assert_eq!(found, Whereabouts::Unknown, "{told:?}");
                }
                if live.contains(&source) && live.contains(&target) {
                    let open = matches!(
                        found,
                        Whereabouts::Contradiction | Whereabouts::Moving | Whereabouts::HandedOver
                    );
                    assert!(open, "{told:?}");
                }
                assert_eq!(whereabouts(source, target, true), Whereabouts::Moving);
            }
        }
    }

    #[test]
    fn where_it_runs_it_is() {
        let both = |source, target| whereabouts(source, target, false);
        assert_eq!(both(NotThere, Shows(Running)), Whereabouts::OnTarget);
        assert_eq!(both(Shows(ShutOff), Shows(Running)), Whereabouts::OnTarget);
        assert_eq!(both(Shows(Running), NotThere), Whereabouts::OnSource);
        assert_eq!(both(Shows(Running), Silent), Whereabouts::OnSource);
        assert_eq!(both(Shows(Paused), Shows(Running)), Whereabouts::HandedOver);
        assert_eq!(both(Shows(ShutOff), NotThere), Whereabouts::OffOnSource);
        assert_eq!(both(NotThere, Shows(ShutOff)), Whereabouts::OffOnTarget);
        assert_eq!(both(NotThere, NotThere), Whereabouts::Nowhere);
        assert_eq!(both(DeclaredOff, NotThere), Whereabouts::OffOnSource);
    }
}
