//! The typed client: one method an endpoint, problem documents as errors, waiting for jobs, live events, streamed uploads.
//!
//! It speaks TLS by rustls with the machine's own certificate store and, where given, one more authority; plain HTTP
//! to loopback only, so that a token never crosses a wire in the clear. Redirects are not followed: the interface has none.

mod calls;
mod connect;
mod events;
mod failure;
mod jobs;
mod upload;

pub use connect::{Client, Settings};
pub use failure::{Failure, Result};

use crate::{List, Problem};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::ops::Deref;

/// What the server answered: the value, and the text it came in.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The value.
    pub value: T,
    /// The body as it came, for programs that want what this client does not know yet.
    pub text: String,
    /// HTTP status.
    pub status: u16,
}

impl<T> Deref for Answer<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// No query.
const NO_QUERY: Option<&()> = None;
/// No body.
const NO_BODY: Option<&()> = None;

impl Client {
    /// The address of `path` (below `/api/v1`) with `query` (an object whose nulls are left out).
    fn address<Q: Serialize>(&self, path: &str, query: Option<&Q>) -> Result<Url> {
        let mut url = self
            .base
            .join(&format!("api/v1{path}"))
            .map_err(|e| Failure::Settings(format!("'{path}' is no path: {e}")))?;
        let query = query.map(serde_json::to_value).transpose();
        if let Some(Value::Object(fields)) = query.map_err(|e| Failure::Settings(e.to_string()))? {
            let mut pairs = url.query_pairs_mut();
            for (name, value) in &fields {
                match value {
                    Value::Null => continue,
                    Value::String(text) => pairs.append_pair(name, text),
                    other => pairs.append_pair(name, &other.to_string()),
                };
            }
        }
        Ok(url)
    }

    fn request<Q: Serialize>(
        &self,
        method: Method,
        path: &str,
        query: Option<&Q>,
    ) -> Result<RequestBuilder> {
        let mut request = self.http.request(method, self.address(path, query)?);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        Ok(request)
    }

    /// Sends, and turns every answer that is no success into a failure.
    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let answer = request
            .send()
            .await
            .map_err(|e| Failure::from_transport(&self.base, &e))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        Err(match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => Failure::Problem(Box::new(problem), text),
            Err(_) => Failure::Answer(format!(
                "{} answered {status} without a problem document; is it a Bellwether server?",
                self.base
            )),
        })
    }

    /// One call: method, path below `/api/v1`, query, body.
    async fn call<Q: Serialize, B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: Option<&Q>,
        body: Option<&B>,
    ) -> Result<Answer<T>> {
        let mut request = self
            .request(method, path, query)?
            .timeout(connect::CALL_TIMEOUT);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.read(self.send(request).await?).await
    }

    async fn read<T: DeserializeOwned>(&self, answer: Response) -> Result<Answer<T>> {
        let status = answer.status().as_u16();
        let text = answer
            .text()
            .await
            .map_err(|e| Failure::from_transport(&self.base, &e))?;
        // 204 has no body; `null` is what its `()` is read from.
        let body = if text.is_empty() { "null" } else { &text };
        let value = serde_json::from_str(body).map_err(|e| {
            Failure::Answer(format!(
                "{} answered something this client can't read ({e}); is it of another version?",
                self.base
            ))
        })?;
        Ok(Answer {
            value,
            text,
            status,
        })
    }

    /// Every item of a list that comes in parts, at most `most`, as one list; the text is that of the whole.
    async fn all<Q: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Q,
        most: usize,
    ) -> Result<Answer<List<T>>> {
        let mut query = match serde_json::to_value(query) {
            Ok(Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let mut items: Vec<Value> = Vec::new();
        loop {
            let limit = (most - items.len()).clamp(1, 1000);
            query.insert("limit".into(), limit.into());
            let part: Answer<List<Value>> =
                self.call(Method::GET, path, Some(&query), NO_BODY).await?;
            let status = part.status;
            let List {
                items: new,
                total,
                next,
            } = part.value;
            let empty = new.is_empty();
            items.extend(new);
            let full = items.len() >= most;
            match next {
                Some(next) if !full && !empty => query.insert("after".into(), next.into()),
                next => {
                    items.truncate(most);
                    let whole = serde_json::to_value(List { items, total, next })
                        .map_err(|e| Failure::Answer(e.to_string()))?;
                    let text = whole.to_string();
                    let value = serde_json::from_value(whole).map_err(|e| {
                        Failure::Answer(format!(
                            "{} answered something this client can't read ({e}); is it of another version?",
                            self.base
                        ))
                    })?;
                    return Ok(Answer {
                        value,
                        text,
                        status,
                    });
                }
            };
        }
    }
}
