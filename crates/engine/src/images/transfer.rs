//! Getting the bytes: goes on where it stopped, starts anew when the file has changed, and gives up on a source that
//! stalls, drips, ends too early too often, or never ends.

use super::{
    part::{Part, writing},
    source::{Fetching, Source, Trouble, head, trouble},
};
use crate::jobs::{Halt, Run};
use bellwether_decide::fetch::{self, Next};
use bellwether_model::{Error, job::Progress};
use reqwest::Response;
use std::time::Duration;
use tokio::{
    fs::File,
    io::AsyncWriteExt,
    time::{Instant, MissedTickBehavior},
};

/// How often a fetch looks whether it was cancelled, and shows how far it is.
const TICK: Duration = Duration::from_millis(500);
/// A file of checksums is small.
const CHECKSUMS_MOST: usize = 4 << 20;

/// Why a transfer broke.
enum Broken {
    /// It can be taken up again; the end of a sentence.
    Later(String),
    /// It can't.
    Never(Error),
    /// The job's own trouble.
    Job(Halt),
}

impl From<Halt> for Broken {
    fn from(halt: Halt) -> Self {
        Self::Job(halt)
    }
}

impl From<Trouble> for Broken {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Passing(why) => Self::Later(why),
            Trouble::Lasting(why) => Self::Never(not_fetched(&why)),
        }
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Never(error)
    }
}

fn not_fetched(why: &str) -> Error {
    Error::invalid(format!("The image could not be fetched: {why}."))
}

/// Fetches `url` into the part. What came stays where asking again may bring the rest.
pub(super) async fn fetch(run: &mut Run, url: &str, part: &Part) -> Result<(), Halt> {
    let source = Source::new(&run.engine)?;
    let patience = run.engine.settings().fetching.clone();
    let mut most = part.held().await;
    let mut fruitless = 0;
    loop {
        let why = match transfer(run, &source, url, part, &patience).await {
            Ok(()) => return Ok(()),
            Err(Broken::Job(halt)) => return Err(halt),
            Err(Broken::Never(error)) => {
                part.drop_part().await.map_err(Halt::Fail)?;
                return Err(Halt::Fail(error));
            }
            Err(Broken::Later(why)) => why,
        };
        let held = part.held().await;
        fruitless = if held >= most.saturating_add(patience.least) {
            0
        } else {
            fruitless + 1
        };
        most = most.max(held);
        if fruitless >= patience.tries {
            return Err(Halt::Fail(not_fetched(&why)));
        }
        run.note(&format!("{why}; going on at byte {held}")).await?;
        let rest = patience.pause * 2_u32.saturating_pow(fruitless.min(10));
        unless_cancelled(run, tokio::time::sleep(rest)).await?;
    }
}

async fn transfer(
    run: &mut Run,
    source: &Source,
    url: &str,
    part: &Part,
    patience: &Fetching,
) -> Result<(), Broken> {
    let version = part.version().await;
    let mut held = part.held().await;
    if held > 0
        && version
            .as_ref()
            .is_some_and(|version| version.length == Some(held))
    {
        return Ok(());
    }
    let answer = unless_cancelled(run, source.get(url, held)).await??;
    let head = head(&answer);
    let total = head.version.length;
    let mut file = match fetch::next(held, version.as_ref(), &head, patience.most) {
        Next::Append => part.append().await?,
        Next::Begin => {
            held = 0;
            part.begin(&head.version).await?
        }
        Next::Anew(why) => {
            part.drop_part().await?;
            return Err(Broken::Later(why.into()));
        }
        Next::Later(why) => return Err(Broken::Later(why)),
        Next::Never(why) => return Err(Broken::Never(not_fetched(&why))),
    };
    let came = receive(run, answer, &mut file, held, total, patience).await;
    // What came before it broke is kept whole: the next try asks for what follows it.
    file.flush().await.map_err(writing)?;
    file.sync_data().await.map_err(writing)?;
    let done = came?;
    if total.is_some_and(|total| done < total) {
        return Err(Broken::Later("the connection broke off".into()));
    }
    Ok(())
}

/// Writes what comes until it ends; how many bytes are here then.
async fn receive(
    run: &mut Run,
    mut answer: Response,
    file: &mut File,
    held: u64,
    total: Option<u64>,
    patience: &Fetching,
) -> Result<u64, Broken> {
    let mut done = held;
    let mut tick = tokio::time::interval(TICK.min(patience.stall));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut since, mut then) = (Instant::now(), done);
    loop {
        tokio::select! {
            chunk = answer.chunk() => {
                let Some(chunk) = chunk.map_err(|error| trouble(&error))? else {
                    return Ok(done);
                };
                done += chunk.len() as u64;
                if done > patience.most {
                    return Err(Broken::Never(not_fetched(&format!(
                        "it is larger than {} bytes, the most that is taken", patience.most
                    ))));
                }
                file.write_all(&chunk).await.map_err(writing)?;
            }
            _ = tick.tick() => {
                if run.cancelled().await? {
                    return Err(Broken::Job(cancelled()));
                }
                run.progress(Progress {
                    doing: "fetching the image".into(),
                    share: total.map(|total| done as f64 / total.max(1) as f64),
                    bytes_done: Some(done),
                    bytes_total: total,
                    migration: None,
                }).await;
            }
        }
        if since.elapsed() >= patience.stall {
            if done - then < patience.least {
                return Err(Broken::Later(format!(
                    "the source sent {} bytes in {} s",
                    done - then,
                    patience.stall.as_secs()
                )));
            }
            (since, then) = (Instant::now(), done);
        }
    }
}

fn cancelled() -> Halt {
    Halt::Cancelled(Error::conflict("Cancelled."))
}

/// What `doing` comes to, unless somebody cancels the job first.
async fn unless_cancelled<T>(run: &mut Run, doing: impl Future<Output = T>) -> Result<T, Halt> {
    tokio::pin!(doing);
    loop {
        tokio::select! {
            done = &mut doing => return Ok(done),
            () = tokio::time::sleep(TICK) => {
                if run.cancelled().await? {
                    return Err(cancelled());
                }
            }
        }
    }
}

/// The text of a small file, the vendor's checksums.
pub(super) async fn text(run: &mut Run, url: &str) -> Result<String, Halt> {
    let source = Source::new(&run.engine)?;
    let patience = run.engine.settings().fetching.clone();
    let unreadable = |why: &str| {
        Halt::Fail(Error::invalid(format!(
            "The vendor's checksums could not be fetched: {why}."
        )))
    };
    let mut tries = 0;
    loop {
        let came = unless_cancelled(run, small(&source, url, &patience)).await?;
        let why = match came {
            Ok(text) => return Ok(text),
            Err(Trouble::Lasting(why)) => return Err(unreadable(&why)),
            Err(Trouble::Passing(why)) => why,
        };
        tries += 1;
        if tries >= patience.tries {
            return Err(unreadable(&why));
        }
        let rest = patience.pause * 2_u32.saturating_pow(tries.min(10));
        unless_cancelled(run, tokio::time::sleep(rest)).await?;
    }
}

async fn small(source: &Source, url: &str, patience: &Fetching) -> Result<String, Trouble> {
    let mut answer = source.get(url, 0).await?;
    match answer.status().as_u16() {
        200 => {}
        status @ (408 | 425 | 429 | 500..=599) => {
            return Err(Trouble::Passing(format!("the source answered {status}")));
        }
        status => return Err(Trouble::Lasting(format!("the source answered {status}"))),
    }
    let mut bytes = Vec::new();
    let all = async {
        while let Some(chunk) = answer.chunk().await.map_err(|error| trouble(&error))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > CHECKSUMS_MOST {
                return Err(Trouble::Lasting("it is no file of checksums".into()));
            }
        }
        Ok(())
    };
    tokio::time::timeout(patience.stall, all)
        .await
        .unwrap_or_else(|_| Err(Trouble::Passing("the source stopped sending".into())))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
