//! Streaming an image to the server.

use super::{Answer, Client, Result};
use crate::image::{Image, UploadQuery};
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use reqwest::{Body, Method, header};

impl Client {
    /// Uploads an image of `length` bytes, calling `on_bytes` with the bytes handed over so far. The answer comes when
    /// the server has verified it.
    pub async fn upload_image(
        &self,
        image: &UploadQuery,
        length: u64,
        bytes: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
        on_bytes: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<Answer<Image>> {
        let mut sent = 0;
        let counted = bytes.inspect_ok(move |part| {
            sent += part.len() as u64;
            on_bytes(sent);
        });
        let request = self
            .request(Method::POST, "/images/upload", Some(image))?
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, length)
            .body(Body::wrap_stream(counted));
        let answer = self.send(request).await?;
        self.read(answer).await
    }
}
