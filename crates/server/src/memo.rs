//! What many ask for at once and is made once.

use std::{future::Future, sync::Arc};
use tokio::sync::Mutex;

/// The last value made, and what from.
#[derive(Debug)]
pub struct Memo<K, V>(Mutex<Option<(K, Arc<V>)>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq, V> Memo<K, V> {
    /// The value made from `key`. Who comes while it is being made waits for it.
    pub async fn get<E>(
        &self,
        key: K,
        make: impl Future<Output = Result<V, E>>,
    ) -> Result<Arc<V>, E> {
        let mut last = self.0.lock().await;
        if let Some((from, value)) = &*last
            && *from == key
        {
            return Ok(value.clone());
        }
        let value = Arc::new(make.await?);
        *last = Some((key, value.clone()));
        Ok(value)
    }
}

/// A shared value as a key: equal to itself only.
#[derive(Debug)]
pub struct Same<T: ?Sized>(pub Arc<T>);

impl<T: ?Sized> PartialEq for Same<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
