//! Logging in and out, registering, one's own password and tokens.

use crate::{
    ask,
    config::{self, Login as Known},
    context::Context,
    exit::{Exit, Fault, Outcome},
    resolve,
    text::{ago, or_dash, words},
};
use bellwether_api::{
    problem::ProblemCode,
    session::{PasswordChange, SessionInput, TokenInput},
    user::{AccountInput, AccountState},
};
use clap::{Args, Subcommand};

/// Options of `login`.
#[derive(Args, Debug)]
#[command(
    after_help = "The password is asked for without showing it, or read from standard input:\n  pass cloud | bellwether login ada"
)]
pub struct Login {
    /// Your login; asked for if absent
    login: Option<String>,
    /// What to call the token, for `bellwether token list`
    #[arg(long, default_value = "bellwether command line")]
    name: String,
    /// Days until you have to log in again
    #[arg(long, default_value_t = 90)]
    days: i64,
}

/// Logs in.
pub async fn login(args: Login, cx: &Context) -> Outcome {
    let login = match args.login {
        Some(login) => login,
        None => ask::visible("Login")?,
    };
    let password = ask::secret("Password")?;
    let token = Some(TokenInput {
        name: args.name,
        days: args.days,
    });
    let answer = cx
        .client
        .log_in(&SessionInput {
            login,
            password,
            token,
        })
        .await?;
    let session = &answer.value;
    let Some(new) = &session.token else {
        return Err(Fault::new(
            Exit::Failed,
            "The server made no token; is it of another version?",
        ));
    };
    let mut config = config::load()?;
    let server = cx.client.server_address().to_owned();
    let known = Known {
        login: session.user.login.clone(),
        token: new.secret.expose().into(),
        ca_file: cx
            .ca_file
            .as_deref()
            .map(|path| std::path::absolute(path).unwrap_or(path.into())),
    };
    config.logins.insert(server.clone(), known);
    config.server = Some(server.clone());
    config::save(&config)?;
    if cx.json {
        // The token is kept; it need not stand in a terminal or a log besides.
        return cx
            .raw(&serde_json::json!({ "user": session.user, "token": new.token }).to_string());
    }
    cx.say(&format!(
        "Logged in at {server} as {} ({}) until {}.",
        session.user.login, session.user.role, new.token.expires_at
    ))
}

/// Logs out.
pub async fn logout(cx: &Context) -> Outcome {
    let mut config = config::load()?;
    let ended = cx.client.log_out().await;
    config.logins.remove(cx.client.server_address());
    config::save(&config)?;
    match ended {
        Ok(_) => {}
        // A token that no longer works is as good as revoked.
        Err(failure)
            if failure
                .problem()
                .is_some_and(|p| p.code == ProblemCode::Unauthenticated) => {}
        Err(failure) => {
            let mut fault = Fault::from(failure);
            fault
                .details
                .push("The token was forgotten here, but may not be revoked there.".into());
            return Err(fault);
        }
    }
    cx.say("Logged out.")
}

/// Options of `register`.
#[derive(Args, Debug)]
#[command(
    after_help = "The password is asked for twice without showing it, or read from standard input."
)]
pub struct Register {
    /// Login: 2–32 of a–z, 0–9, '.', '_', '-', beginning with a letter
    login: String,
    /// Your name
    #[arg(long)]
    full_name: String,
    /// Your mail address
    #[arg(long)]
    mail: String,
}

/// Makes an account.
pub async fn register(args: Register, cx: &Context) -> Outcome {
    let Register {
        login,
        full_name,
        mail,
    } = args;
    let password = ask::new_secret("Password")?;
    let answer = cx
        .client
        .register(&AccountInput {
            login,
            full_name,
            mail,
            password,
        })
        .await?;
    cx.answer(&answer, |user| match user.state {
        AccountState::Active => format!("Welcome. Log in with: bellwether login {}", user.login),
        _ => "The account waits for an administrator to let you in.".into(),
    })
}

/// Who is logged in.
pub async fn whoami(cx: &Context) -> Outcome {
    let answer = cx.client.me().await?;
    cx.answer(&answer, |me| {
        let mut sheet = cx.sheet();
        sheet
            .line("Login", &me.user.login)
            .line("Name", &me.user.full_name)
            .line("Mail", &me.user.mail)
            .line("Role", words(me.user.role))
            .line("Server", cx.client.server_address())
            .line(
                "Token",
                format!("{}, until {}", me.token.name, me.token.expires_at),
            );
        sheet.show()
    })
}

/// Changes the password.
pub async fn password(cx: &Context, end_api_tokens: bool) -> Outcome {
    let current = ask::secret("Current password")?;
    let new = ask::new_secret("New password")?;
    let answer = cx
        .client
        .change_password(&PasswordChange {
            current,
            new,
            end_api_tokens,
        })
        .await?;
    cx.answer(&answer, |changed| {
        let rest = match changed.api_tokens {
            0 => "no API token of yours works any more".into(),
            1 => "one API token still works: bellwether token list".into(),
            n => format!("{n} API tokens still work: bellwether token list"),
        };
        format!("The password is changed; sessions in browsers have ended, {rest}.")
    })
}

/// What to do with tokens.
#[derive(Subcommand, Debug)]
pub enum TokenCommand {
    /// Your sessions and tokens
    List,
    /// Make an API token and print its secret, this once
    Create {
        /// What to call it
        name: String,
        /// Days until it ends
        #[arg(long, default_value_t = 90)]
        days: i64,
    },
    /// End a session or token
    Revoke {
        /// Its name or identifier
        token: String,
    },
}

/// Tokens.
pub async fn token(command: TokenCommand, cx: &Context) -> Outcome {
    match command {
        TokenCommand::List => {
            let answer = cx.client.tokens().await?;
            cx.answer(&answer, |list| {
                let mut table = cx.table(["NAME", "KIND", "USED", "ENDS", "ID"]);
                for token in &list.items {
                    table.row([
                        or_dash(Some(&token.name).filter(|n| !n.is_empty()), Clone::clone),
                        words(token.kind),
                        ago(token.used_at),
                        token.expires_at.to_string(),
                        token.id.to_string(),
                    ]);
                }
                table.show("No tokens.")
            })
        }
        TokenCommand::Create { name, days } => {
            let answer = cx.client.create_token(&TokenInput { name, days }).await?;
            if !cx.json {
                eprintln!(
                    "Keep it now; it can't be shown again. It ends {}.",
                    answer.token.expires_at
                );
            }
            cx.answer(&answer, |new| new.secret.expose().into())
        }
        TokenCommand::Revoke { token } => {
            let id = resolve::token(cx, &token).await?;
            let answer = cx.client.revoke_token(id).await?;
            cx.answer(&answer, |()| "Revoked.".into())
        }
    }
}
