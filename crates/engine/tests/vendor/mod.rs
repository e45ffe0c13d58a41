//! A source of images that answers what it is told to, well or badly. It speaks HTTP byte by byte: no server library would
//! break its own promises.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    /// The first byte that is wanted.
    pub from: Option<usize>,
    /// How often this path was asked for before.
    pub times: usize,
}

#[derive(Clone, Copy)]
enum Then {
    Close,
    Stall,
    Drip,
    Endless,
}

/// An answer.
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    then: Then,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            then: Then::Close,
        }
    }

    /// What follows `from` in a file, with its entity tag.
    pub fn file(bytes: &[u8], tag: &str, from: usize) -> Self {
        let reply = Self::new(if from > 0 { 206 } else { 200 }).body(&bytes[from..]);
        let reply = if tag.is_empty() {
            reply
        } else {
            reply.header("etag", tag)
        };
        if from == 0 {
            return reply;
        }
        let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
        reply.header("content-range", range)
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The body, whose length is promised.
    pub fn body(mut self, bytes: &[u8]) -> Self {
        self.body = bytes.to_vec();
        let length = bytes.len().to_string();
        self.header("content-length", length)
    }

    /// Breaks off after so many bytes.
    pub fn cut(mut self, at: usize) -> Self {
        self.body.truncate(at);
        self
    }

    /// Falls silent after so many bytes.
    pub fn stall_after(mut self, at: usize) -> Self {
        self.body.truncate(at);
        self.then = Then::Stall;
        self
    }

    /// Sends a byte now and then.
    pub fn drip(mut self) -> Self {
        self.then = Then::Drip;
        self
    }

    /// Never ends.
    pub fn endless(mut self) -> Self {
        self.then = Then::Endless;
        self
    }

    async fn send(self, to: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        to.write_all(format!("{head}\r\n").as_bytes()).await?;
        match self.then {
            Then::Drip => {
                for byte in self.body {
                    to.write_all(&[byte]).await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Then::Endless => loop {
                to.write_all(&[7; 4096]).await?;
            },
            Then::Close | Then::Stall => to.write_all(&self.body).await?,
        }
        if matches!(self.then, Then::Stall) {
            std::future::pending::<()>().await;
        }
        to.shutdown().await
    }
}

/// The source; ends with the test.
pub struct Vendor {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    tasks: tokio::task::JoinHandle<()>,
}

impl Vendor {
    pub async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let connections = Arc::<AtomicUsize>::default();
        let (log, count) = (asked.clone(), connections.clone());
        let tasks = tokio::spawn(async move {
            let mut times = BTreeMap::<String, usize>::new();
            let mut open = tokio::task::JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let Some((path, from)) = read(&mut stream).await else {
                    continue;
                };
                let before = times.entry(path.clone()).or_default();
                let asked = Asked {
                    path,
                    from,
                    times: *before,
                };
                *before += 1;
                let reply = answer(&asked);
                log.lock().unwrap().push(asked);
                // Who asked may have gone.
                open.spawn(async move { drop(reply.send(&mut stream).await) });
            }
        });
        Self {
            address,
            asked,
            connections,
            tasks,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// From which byte the file was asked for, each time.
    pub fn froms(&self, path: &str) -> Vec<Option<usize>> {
        let asked = self.asked();
        let of_it = asked.iter().filter(|asked| asked.path == path);
        of_it.map(|asked| asked.from).collect()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

/// Path and first wanted byte of a request.
async fn read(stream: &mut TcpStream) -> Option<(String, Option<usize>)> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next_line().await.ok()??;
    let path = first.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let mut from = None;
    while let Some(line) = lines.next_line().await.ok()? {
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case("range") {
            from = value
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse()
                .ok();
        }
    }
    Some((path, from))
}
