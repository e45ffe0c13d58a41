//! What a state machine is here: a finite type with a table of allowed steps.

use crate::{Error, Result};
use std::fmt::Display;

/// A state with its edges. The table is the diagram at the top of the type's module.
pub trait State: Copy + PartialEq + Display + Sized + 'static {
    /// The word for what has the state, for messages: "request", "VM".
    const WHAT: &'static str;
    /// Every state.
    const ALL: &'static [Self];
    /// The states that may follow this one.
    fn next(self) -> &'static [Self];
    /// `to`, if the diagram has that edge; staying is always allowed.
    fn step(self, to: Self) -> Result<Self> {
        if self == to || self.next().contains(&to) {
            Ok(to)
        } else {
            Err(Error::conflict(format!(
                "The {} is {self} and can't become {to}.",
                Self::WHAT
            )))
        }
    }
}

/// Declares an enum whose variants have a wire name and the edges that leave them.
#[macro_export]
macro_rules! state_machine {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal => [$($next:ident),*]),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }
        impl $crate::states::State for $name {
            const WHAT: &'static str = $what;
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            fn next(self) -> &'static [Self] {
                match self { $(Self::$variant => &[$(Self::$next),*]),+ }
            }
        }
        impl $name {
            /// The word on the wire, in the database and on pages.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err($crate::Error::invalid(format!(
                        "'{}' is no state of a {}; they are: {}", $crate::text::shown(other), $what, [$($text),+].join(", ")))),
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The edges that a module's first page tells, as lines `- from → to, to: why`.
    fn told(source: &str) -> BTreeSet<(String, String)> {
        let mut edges = BTreeSet::new();
        for line in source
            .lines()
            .filter_map(|line| line.strip_prefix("//! - "))
        {
            let Some((from, rest)) = line.split_once(" → ") else {
                continue;
            };
            let (to, _) = rest.split_once(": ").expect("why");
            for from in from.split(", ") {
                for to in to.split(", ") {
                    let new = edges.insert((from.to_owned(), to.to_owned()));
                    assert!(new, "{from} → {to} is told twice");
                }
            }
        }
        edges
    }

    fn allowed<S: State>() -> BTreeSet<(String, String)> {
        let mut edges = BTreeSet::new();
        for from in S::ALL {
            edges.extend(
                from.next()
                    .iter()
                    .map(|to| (from.to_string(), to.to_string())),
            );
        }
        edges
    }

    #[test]
    fn every_edge_is_told_where_the_states_are_and_no_other() {
        use crate::{
            image::ImageState, job::JobState, people::AccountState, request::RequestState,
            vm::VmState,
        };
        assert_eq!(told(include_str!("image.rs")), allowed::<ImageState>());
        assert_eq!(told(include_str!("job.rs")), allowed::<JobState>());
        assert_eq!(told(include_str!("people.rs")), allowed::<AccountState>());
        assert_eq!(told(include_str!("request.rs")), allowed::<RequestState>());
        assert_eq!(told(include_str!("vm.rs")), allowed::<VmState>());
    }
}
