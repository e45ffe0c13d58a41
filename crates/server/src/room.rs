//! So many of something for each of somebody, at once.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

/// Room for a number of things of each key.
#[derive(Clone)]
pub struct Room<K> {
    taken: Arc<Mutex<HashMap<K, u32>>>,
    most: u32,
}

/// A place taken; given back when dropped.
pub struct Place<K: Copy + Eq + Hash> {
    taken: Arc<Mutex<HashMap<K, u32>>>,
    key: K,
}

impl<K: Copy + Eq + Hash> Room<K> {
    /// Room for so many of each.
    pub fn new(most: u32) -> Self {
        Self {
            taken: Arc::default(),
            most,
        }
    }
    /// A place, where there is one left.
    pub fn take(&self, key: K) -> Option<Place<K>> {
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = all.entry(key).or_default();
        if *taken >= self.most {
            return None;
        }
        *taken += 1;
        Some(Place {
            taken: self.taken.clone(),
            key,
        })
    }
}

impl<K: Copy + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = all.get_mut(&self.key) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let room = Room::new(2);
        let one = room.take("ada").unwrap();
        let _two = room.take("ada").unwrap();
        assert!(room.take("ada").is_none());
        assert!(room.take("bob").is_some());
        drop(one);
        assert!(room.take("ada").is_some());
        assert_eq!(room.taken.lock().unwrap().len(), 1, "bob is forgotten");
    }
}
