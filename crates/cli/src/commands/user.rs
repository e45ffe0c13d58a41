//! People, for admins.

use crate::{
    complete,
    context::Context,
    exit::Outcome,
    resolve,
    resolve::MOST,
    text::{mib, words},
};
use bellwether_api::{
    client::Answer,
    user::{AccountState, Role, User, UserChange, UserQuery},
};
use clap::Subcommand;
use clap_complete::ArgValueCompleter;

/// What to do with people.
#[derive(Subcommand, Debug)]
#[command(
    after_help = "Examples:\n  bellwether user list --state waiting\n  bellwether user activate ada\n  bellwether user role ada admin"
)]
pub enum Command {
    /// People
    List {
        /// Only in this state: waiting, active, disabled
        #[arg(long)]
        state: Option<AccountState>,
    },
    /// What each person holds
    Totals,
    /// Let somebody in, or in again
    Activate {
        /// Login or identifier
        #[arg(add = ArgValueCompleter::new(complete::users))]
        user: String,
    },
    /// Lock somebody out; their VMs stay
    Disable {
        /// Login or identifier
        #[arg(add = ArgValueCompleter::new(complete::users))]
        user: String,
    },
    /// Change what somebody may do
    Role {
        /// Login or identifier
        #[arg(add = ArgValueCompleter::new(complete::users))]
        user: String,
        /// user or admin
        role: Role,
    },
}

/// Does it.
pub async fn run(command: Command, cx: &Context) -> Outcome {
    match command {
        Command::List { state } => {
            let query = UserQuery {
                state,
                ..UserQuery::default()
            };
            let answer = cx.client.users(&query, MOST).await?;
            cx.answer(&answer, |list| {
                let mut table = cx.table(["LOGIN", "NAME", "MAIL", "ROLE", "STATE", "SINCE"]);
                for user in &list.items {
                    table.row([
                        user.login.clone(),
                        user.full_name.clone(),
                        user.mail.clone(),
                        words(user.role),
                        words(user.state),
                        user.created_at.to_string(),
                    ]);
                }
                table.show("Nobody.")
            })
        }
        Command::Totals => {
            let answer = cx.client.totals(MOST).await?;
            cx.answer(&answer, |list| {
                let mut table = cx.table(["LOGIN", "VMS", "VCPUS", "MEMORY", "DISK"]);
                for person in &list.items {
                    table.row([
                        person.user.name.clone(),
                        person.vms.to_string(),
                        person.vcpus.to_string(),
                        mib(person.memory_mib),
                        format!("{} GiB", person.disk_gib),
                    ]);
                }
                table.show("Nobody holds anything.")
            })
        }
        Command::Activate { user } => {
            change(
                cx,
                &user,
                UserChange {
                    state: Some(AccountState::Active),
                    role: None,
                },
            )
            .await
        }
        Command::Disable { user } => {
            change(
                cx,
                &user,
                UserChange {
                    state: Some(AccountState::Disabled),
                    role: None,
                },
            )
            .await
        }
        Command::Role { user, role } => {
            change(
                cx,
                &user,
                UserChange {
                    state: None,
                    role: Some(role),
                },
            )
            .await
        }
    }
}

async fn change(cx: &Context, user: &str, change: UserChange) -> Outcome {
    let id = resolve::user(cx, user).await?;
    let answer: Answer<User> = cx.client.change_user(id, &change).await?;
    cx.answer(&answer, |user| {
        format!(
            "{} is {}, role {}.",
            user.login,
            words(user.state),
            user.role
        )
    })
}
