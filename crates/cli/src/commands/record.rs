//! What happened: the audit log, live events; and what the server is.

use crate::{
    complete,
    context::{self, Context},
    exit::{Fault, Outcome},
    resolve,
    text::{or_dash, words},
};
use bellwether_api::{
    audit::{AuditLine, AuditQuery},
    event::Event,
};
use clap::Args;
use clap_complete::ArgValueCompleter;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Options of `audit`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  bellwether audit --by ada --limit 20\n  bellwether audit --vm ada/web"
)]
pub struct Audit {
    /// Only about this VM
    #[arg(long, add = ArgValueCompleter::new(complete::vms))]
    vm: Option<String>,
    /// Only about this request
    #[arg(long, conflicts_with = "vm", add = ArgValueCompleter::new(complete::requests))]
    request: Option<String>,
    /// Only about this host
    #[arg(long, conflicts_with_all = ["vm", "request"], add = ArgValueCompleter::new(complete::hosts))]
    host: Option<String>,
    /// Only what this person did
    #[arg(long, value_name = "LOGIN", add = ArgValueCompleter::new(complete::users))]
    by: Option<String>,
    /// At most this many lines
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// The audit log.
pub async fn audit(args: Audit, cx: &Context) -> Outcome {
    let about = match (&args.vm, &args.request, &args.host) {
        (Some(vm), _, _) => Some(("vm", resolve::vm(cx, vm).await?)),
        (_, Some(request), _) => Some(("request", resolve::request(cx, request).await?)),
        (_, _, Some(host)) => Some(("host", resolve::host(cx, host).await?)),
        _ => None,
    };
    let actor = match &args.by {
        Some(login) => Some(resolve::user(cx, login).await?),
        None => None,
    };
    let query = AuditQuery {
        about: about.map(|(kind, _)| kind.into()),
        about_id: about.map(|(_, id)| id.to_string()),
        actor,
        ..AuditQuery::default()
    };
    let answer = cx.client.audit(&query, args.limit).await?;
    cx.answer(&answer, |list| lines(cx, &list.items))
}

/// Audit lines as a table.
pub fn lines(cx: &Context, lines: &[AuditLine]) -> String {
    let mut table = cx.table(["WHEN", "WHO", "WHAT", "TEXT"]);
    for line in lines {
        table.row([
            line.at.to_string(),
            line.actor_login.clone(),
            line.action.clone(),
            line.text.clone(),
        ]);
    }
    table.show("Nothing.")
}

/// Options of `events`.
#[derive(Args, Debug)]
#[command(
    after_help = "One event a line; with --json one JSON object a line. After a break in the connection it carries on\nwhere it was."
)]
pub struct Events {
    /// Only of this topic: vm, request, job, host, migration, image, …
    #[arg(long)]
    topic: Option<String>,
    /// From the event after this one, instead of from now
    #[arg(long, value_name = "SEQ")]
    after: Option<i64>,
    /// End after this many events
    #[arg(long)]
    count: Option<u64>,
}

/// Follows live events.
pub async fn events(args: Events, cx: &Context) -> Outcome {
    let mut last = args.after;
    let mut left = args.count;
    loop {
        let began = Instant::now();
        let mut trouble: Option<Fault> = None;
        let result = cx
            .client
            .events(last, |event| {
                last = event.seq.or(last);
                if args
                    .topic
                    .as_ref()
                    .is_some_and(|topic| *topic != event.topic)
                {
                    return ControlFlow::Continue(());
                }
                trouble = context::print(&show(cx, &event)).err();
                left = left.map(|n| n.saturating_sub(1));
                if left == Some(0) || trouble.is_some() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })
            .await;
        if let Some(fault) = trouble {
            return Err(fault);
        }
        if left == Some(0) {
            return Ok(());
        }
        match result {
            // A server that ends a connection it held for a while restarts or has had enough of it: carry on.
            Ok(_) => {}
            Err(failure) if failure.is_passing() && began.elapsed() > Duration::from_secs(5) => {}
            Err(failure) => return Err(failure.into()),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn show(cx: &Context, event: &Event) -> String {
    if cx.json {
        return serde_json::to_string(event).unwrap_or_default();
    }
    crate::text::clean(&format!("{}  {}  {}", event.at, event.topic, event.id))
}

/// What the server is.
pub async fn server(tasks: bool, cx: &Context) -> Outcome {
    if tasks {
        let answer = cx.client.tasks().await?;
        return cx.answer(&answer, |list| {
            let mut table = cx.table(["TASK", "LAST RUN", "TOOK", "TROUBLE"]);
            for task in &list.items {
                table.row([
                    words(&task.name),
                    or_dash(task.last_run_at, |at| at.to_string()),
                    or_dash(task.last_run_ms, |ms| format!("{ms} ms")),
                    or_dash(task.trouble.as_ref(), Clone::clone),
                ]);
            }
            table.show("No tasks.")
        });
    }
    let answer = cx.client.server().await?;
    cx.answer(&answer, |server| {
        let mut sheet = cx.sheet();
        sheet
            .line("Server", cx.client.server_address())
            .line("Version", &server.version)
            .line("Interface", &server.api)
            .line("Clock", server.now.to_string())
            .line("Time zone", &server.time_zone)
            .line("Today", server.today.to_string());
        sheet.show()
    })
}
