//! Live events: a reader of `text/event-stream` that carries on where it left off.

use super::{Client, Failure, NO_QUERY, Result};
use crate::event::Event;
use reqwest::{Method, header};
use std::ops::ControlFlow;

/// A line or event longer than this is not ours.
const LONGEST: usize = 1 << 20;

impl Client {
    /// Follows live events after `last`, until `on_event` breaks or the connection ends; answers the last `seq` seen, to
    /// carry on from.
    pub async fn events(
        &self,
        mut last: Option<i64>,
        mut on_event: impl FnMut(Event) -> ControlFlow<()>,
    ) -> Result<Option<i64>> {
        let mut request = self
            .request(Method::GET, "/events", NO_QUERY)?
            .header(header::ACCEPT, "text/event-stream");
        if let Some(seq) = last {
            request = request.header("Last-Event-ID", seq);
        }
        let mut answer = self.send(request).await?;
        let mut parser = Parser::default();
        while let Some(bytes) = answer
            .chunk()
            .await
            .map_err(|e| Failure::from_transport(&self.base, &e))?
        {
            for data in parser.feed(&bytes)? {
                // What a newer server sends besides is not for this client.
                let Ok(event) = serde_json::from_str::<Event>(&data) else {
                    continue;
                };
                last = event.seq.or(last);
                if on_event(event).is_break() {
                    return Ok(last);
                }
            }
        }
        Ok(last)
    }
}

/// Splits a stream into the `data` of its events.
#[derive(Default)]
struct Parser {
    line: Vec<u8>,
    data: String,
}

impl Parser {
    /// The events that `bytes` complete.
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>> {
        let mut events = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                if self.line.len() + self.data.len() > LONGEST {
                    return Err(Failure::Answer("The event stream makes no sense.".into()));
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            let line = line.strip_suffix('\r').unwrap_or(&line);
            if line.is_empty() {
                if !self.data.is_empty() {
                    events.push(std::mem::take(&mut self.data));
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let stream = ": hello\r\n\r\nid: 7\nevent: vm\ndata: {\"a\":\ndata: 1}\n\ndata: x\n\nda";
        for cut in 0..stream.len() {
            let mut parser = Parser::default();
            let mut events = parser.feed(&stream.as_bytes()[..cut]).unwrap();
            events.extend(parser.feed(&stream.as_bytes()[cut..]).unwrap());
            assert_eq!(events, ["{\"a\":\n1}", "x"]);
        }
    }
}
