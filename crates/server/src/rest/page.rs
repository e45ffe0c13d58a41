//! Lists in parts. `next` names the last item given by its place in the order, so that items that come or go meanwhile
//! neither repeat nor hide others.

use bellwether_api::List;
use bellwether_model::{Error, Result, Timestamp, text::shown};
use uuid::Uuid;

/// An item's place in a list that is ordered by when it was made.
pub type Place = (Timestamp, Uuid);

/// Which way a list goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Oldest,
    /// Newest first.
    Newest,
}

/// The part of `items` that follows `after`, at most `limit` of them. `items` are in `order`.
pub fn part<T>(
    items: Vec<T>,
    order: Order,
    place: impl Fn(&T) -> Place,
    limit: usize,
    after: Option<&str>,
) -> Result<List<T>> {
    let total = items.len() as u64;
    let after = after.map(read).transpose()?;
    let mut rest = items.into_iter().filter(|item| match (after, order) {
        (None, _) => true,
        (Some(after), Order::Oldest) => place(item) > after,
        (Some(after), Order::Newest) => place(item) < after,
    });
    let items: Vec<T> = rest.by_ref().take(limit).collect();
    let next = rest
        .next()
        .and(items.last())
        .map(|last| written(place(last)));
    Ok(List {
        items,
        total: Some(total),
        next,
    })
}

fn written((at, id): Place) -> String {
    format!("{}.{}", at.0, id.simple())
}

fn read(text: &str) -> Result<Place> {
    text.split_once('.')
        .and_then(|(at, id)| Some((Timestamp(at.parse().ok()?), id.parse().ok()?)))
        .ok_or_else(|| {
            Error::field(
                "after",
                format!("'{}' is not the `next` of a list", shown(text)),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(n: &i64) -> Place {
        (Timestamp(n / 2), Uuid::from_u128(n.unsigned_abs().into()))
    }

    #[test]
    fn parts_join_to_the_whole_even_when_items_go() {
        for (order, all) in [
            (Order::Oldest, (0..10).collect::<Vec<i64>>()),
            (Order::Newest, (0..10).rev().collect()),
        ] {
            let mut seen = Vec::new();
            let mut after: Option<String> = None;
            loop {
                // The item the last part ended with is gone by now.
                let now = all
                    .iter()
                    .copied()
                    .filter(|n| seen.last() != Some(n))
                    .collect();
                let list = part(now, order, place, 3, after.as_deref()).unwrap();
                seen.extend(list.items);
                match list.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            assert_eq!(seen, all);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in ["", "1", "x.y", "1.2.3"] {
            assert!(part(vec![1], Order::Oldest, place, 3, Some(wrong)).is_err());
        }
    }
}
