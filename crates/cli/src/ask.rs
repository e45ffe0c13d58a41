//! Asking the person: hidden on a terminal, else a line of standard input. Secrets are never arguments.

use crate::exit::{Exit, Fault, Outcome};
use bellwether_api::Secret;
use std::io::{self, BufRead, IsTerminal, Write};

/// A secret: asked for hidden, or the next line of standard input.
pub fn secret(prompt: &str) -> Outcome<Secret> {
    let text = if io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{prompt}: ")).map_err(unread)?
    } else {
        line()?
    };
    match text.is_empty() {
        true => Err(Fault::usage(format!("{prompt}: nothing was given."))),
        false => Ok(text.into()),
    }
}

/// A new secret: asked for twice on a terminal.
pub fn new_secret(prompt: &str) -> Outcome<Secret> {
    let first = secret(prompt)?;
    if io::stdin().is_terminal() && secret(&format!("{prompt} again"))? != first {
        return Err(Fault::usage(
            "The two are not the same; nothing was changed.",
        ));
    }
    Ok(first)
}

/// Something that may be seen.
pub fn visible(prompt: &str) -> Outcome<String> {
    if io::stdin().is_terminal() {
        eprint!("{prompt}: ");
        io::stderr().flush().map_err(unread)?;
    }
    line()
}

/// The name of what is to be lost: given, or typed on a terminal.
pub fn confirmation(given: Option<String>, what: &str, name: &str) -> Outcome<String> {
    match given {
        Some(given) => Ok(given),
        None if io::stdin().is_terminal() => visible(&format!(
            "{what} Type its name ({}) to go on",
            crate::text::clean(name)
        )),
        None => {
            let name = crate::text::clean(name);
            Err(Fault::usage(format!(
                "{what} Confirm with: --confirm '{name}'"
            )))
        }
    }
}

fn line() -> Outcome<String> {
    let mut text = String::new();
    io::stdin().lock().read_line(&mut text).map_err(unread)?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

fn unread(e: io::Error) -> Fault {
    Fault::new(Exit::Failed, format!("Can't read what was typed: {e}."))
}
