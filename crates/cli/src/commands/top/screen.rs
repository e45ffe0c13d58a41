//! The screen: drawn anew after each look and each key, of which the terminal gets only what changed.

use super::{
    draw::draw,
    frame::Frame,
    state::{State, View, Wish},
};
use crate::{
    context::Context,
    exit::{Exit, Fault, Outcome},
};
use bellwether_api::metrics::{MetricsQuery, Series};
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::{io, time::Duration};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Shows the screen until somebody leaves it, or it has looked `count` times (0 for no end).
pub async fn run(
    cx: &Context,
    mut state: State,
    colour: bool,
    delay: Duration,
    count: u64,
) -> Outcome {
    // What is wrong with the server or the login is better said on an ordinary terminal.
    state.take(Frame::ask(cx).await?);
    let mut terminal = ratatui::try_init().map_err(broken)?;
    let ended = keep_up(cx, &mut state, colour, delay, count, &mut terminal).await;
    ratatui::restore();
    ended
}

async fn keep_up(
    cx: &Context,
    state: &mut State,
    colour: bool,
    delay: Duration,
    count: u64,
    terminal: &mut ratatui::DefaultTerminal,
) -> Outcome {
    let mut events = events();
    let mut every = tokio::time::interval(delay);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    every.tick().await;
    let mut looks = 1;
    // A look under way does not keep keys waiting: who wants to leave can, whatever the server does.
    let mut looking = None;
    loop {
        terminal
            .draw(|canvas| draw(canvas, state, colour))
            .map_err(broken)?;
        if count > 0 && looks >= count {
            return Ok(());
        }
        let unknown = |uuid| state.past_of(uuid).is_none();
        if looking.is_none() && matches!(state.view, View::Vm(uuid) if unknown(uuid)) {
            looking = Some(Box::pin(look(cx, state.view)));
        }
        tokio::select! {
            _ = every.tick(), if looking.is_none() => looking = Some(Box::pin(look(cx, state.view))),
            looked = ended(&mut looking), if looking.is_some() => {
                looking = None;
                looks += 1;
                take(state, looked);
            }
            event = events.recv() => match event {
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => match state.key(key) {
                    Wish::Quit => return Ok(()),
                    Wish::Look if looking.is_none() => looking = Some(Box::pin(look(cx, state.view))),
                    Wish::Look | Wish::Nothing => {}
                },
                // The terminal has another size now, and is drawn anew.
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
}

/// Waits for what there may be to wait for.
async fn ended<T>(work: &mut Option<impl Future<Output = T> + Unpin>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

/// A look: everything, and the last hour of the VM that is looked into.
type Looked = (Outcome<Frame>, Option<(Uuid, Vec<Series>)>);

async fn look(cx: &Context, view: View) -> Looked {
    let frame = Frame::ask(cx).await;
    let View::Vm(uuid) = view else {
        return (frame, None);
    };
    // Of one that is not ours the server tells no past.
    let past = cx.client.vm_metrics(uuid, &MetricsQuery::default()).await;
    let series = past.map(|answer| answer.value.series).unwrap_or_default();
    (frame, Some((uuid, series)))
}

fn take(state: &mut State, (frame, past): Looked) {
    match frame {
        Ok(frame) => state.take(frame),
        // What was seen stays, with its moment; the next look may go well.
        Err(fault) => state.trouble = Some(fault.message),
    }
    if past.is_some() {
        state.past = past;
    }
}

/// Keys and changes of size, read by a thread of its own: reading waits.
fn events() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    receiver
}

fn broken(error: io::Error) -> Fault {
    Fault::new(
        Exit::Failed,
        format!("The terminal can't be used: {error}."),
    )
}
