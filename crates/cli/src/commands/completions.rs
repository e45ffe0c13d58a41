//! Completion scripts.

use crate::{
    context,
    exit::{Exit, Fault, Outcome},
};
use clap::ValueEnum;
use clap_complete::env::Shells;

/// Shells that can complete.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum Shell {
    /// Bash
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
}

/// Prints the script that registers the completion. It calls back this program, so that names are complete too.
pub fn print(shell: Shell) -> Outcome {
    let name = match shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let mut script = Vec::new();
    Shells::builtins()
        .completer(name)
        .ok_or_else(|| Fault::usage(format!("There is no completion for {name}.")))?
        .write_registration(
            "COMPLETE",
            "bellwether",
            "bellwether",
            "bellwether",
            &mut script,
        )
        .map_err(|e| Fault::new(Exit::Failed, format!("Can't make the script: {e}.")))?;
    context::print(String::from_utf8_lossy(&script).trim_end())
}
