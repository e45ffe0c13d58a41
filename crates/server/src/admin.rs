//! `bellwetherd admin create`: the first way in.

use crate::{cli::NewAdmin, config::Config, run};
use anyhow::{Context, Result, anyhow, bail};
use bellwether_engine::people::{self, NewAccount};
use secrecy::{ExposeSecret, SecretString};
use std::io::{BufRead, IsTerminal};

/// Makes an active admin.
pub async fn create(config: &Config, new: NewAdmin) -> Result<()> {
    let engine = run::engine(config).await?;
    let password = password(&new.login)?;
    let account = NewAccount {
        full_name: new.full_name.unwrap_or_else(|| new.login.clone()),
        mail: new
            .mail
            .unwrap_or_else(|| format!("{}@localhost", new.login)),
        login: new.login,
        password,
    };
    let user = people::create_admin(&engine, account)
        .await
        .map_err(|error| match error.context() {
            Some(context) => anyhow!("{error} ({context})"),
            None => anyhow!("{error}"),
        })?;
    engine.store().close().await;
    println!("{} is an administrator now.", user.login);
    Ok(())
}

/// Asked for twice where somebody sits at a terminal, else the first line of standard input.
fn password(login: &str) -> Result<SecretString> {
    if !std::io::stdin().is_terminal() {
        return first_line(&mut std::io::stdin().lock());
    }
    let ask = |prompt: String| -> Result<SecretString> {
        Ok(rpassword::prompt_password(prompt)
            .context("can't read the password")?
            .into())
    };
    let first = ask(format!("Password for {login}: "))?;
    let again = ask("The same again: ".into())?;
    if first.expose_secret() != again.expose_secret() {
        bail!("the two passwords differ");
    }
    Ok(first)
}

fn first_line(input: &mut impl BufRead) -> Result<SecretString> {
    let mut line = String::new();
    input
        .read_line(&mut line)
        .context("can't read the password from standard input")?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        bail!("standard input holds no password: give it as the first line");
    }
    Ok(password.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_keeps_its_spaces() {
        let read =
            |text: &str| first_line(&mut text.as_bytes()).map(|p| p.expose_secret().to_string());
        assert_eq!(read(" two words \r\nmore").unwrap(), " two words ");
        assert_eq!(read("one").unwrap(), "one");
        assert!(read("").is_err());
        assert!(read("\n").is_err());
    }
}
