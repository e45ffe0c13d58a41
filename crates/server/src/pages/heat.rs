//! The fleet as a heat map: every host over a stretch of time, the hottest first.

use super::{
    csv::{Csv, Known, Thousandths},
    site::{AdminVisit, show},
    view::{
        List, ListQuery,
        heat::{Heat, HeatRow, Tile},
    },
};
use crate::{
    error::Result,
    extract::Query,
    graphed::{
        heat::{self, HostHeat, average},
        stretch::{Stretch, StretchQuery},
    },
};
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HeatQuery {
    range: Option<String>,
    q: String,
    sort: String,
    page: Option<String>,
}

impl HeatQuery {
    fn list(&self) -> ListQuery {
        ListQuery {
            q: self.q.clone(),
            sort: self.sort.clone(),
            page: self.page.clone(),
            ..ListQuery::default()
        }
    }
}

/// The stretch, and every host over it; read once for all who look in the same period.
async fn read(visit: &AdminVisit, query: &HeatQuery) -> Result<(Stretch, Arc<Vec<HostHeat>>)> {
    let engine = visit.engine();
    let named = query.range.as_deref().unwrap_or("hour");
    let at = heat::RANGES.iter().position(|range| named == *range);
    let at = at.unwrap_or(1);
    let asked = StretchQuery {
        range: Some(heat::RANGES[at].into()),
        ..StretchQuery::default()
    };
    let stretch = Stretch::of(&asked, engine.now(), None, engine.zone());
    let period = i64::try_from(engine.settings().period.as_secs().max(1)).unwrap_or(1);
    let moment = stretch.to.seconds() / period;
    let heat = visit.state.drawn.heat[at].get(moment, heat::of(engine, &stretch));
    Ok((stretch.clone(), heat.await?))
}

/// What rows are sorted by: hotter is more; what is not known is least.
fn sort_key(host: &HostHeat, key: &str) -> (i64, String) {
    let of = |share: Option<f32>| share.map_or(-1, |share| (f64::from(share) * 1e6) as i64);
    let number = match key {
        "name" => return (0, host.name.to_lowercase()),
        "cpu" => of(average(&host.cpu)),
        "memory" => of(average(&host.memory)),
        "contention" => of(average(&host.contention)),
        _ => of(host.heat()),
    };
    (number, host.name.to_lowercase())
}

/// The hosts the list shows.
fn selected<'a>(heat: &'a [HostHeat], list: &mut List) -> Vec<&'a HostHeat> {
    list.apply(
        heat.iter().collect(),
        |host| host.name.clone(),
        |_| "",
        |host, key| sort_key(host, key),
    )
}

/// The hottest host and the emptiest, in a sentence.
fn summary(heat: &[HostHeat]) -> String {
    let known = || heat.iter().filter(|host| host.heat().is_some());
    let by_heat = |a: &&HostHeat, b: &&HostHeat| {
        let of = |host: &HostHeat| host.heat().unwrap_or_default();
        of(a).total_cmp(&of(b))
    };
    match (known().max_by(by_heat), known().min_by(by_heat)) {
        (Some(hottest), Some(emptiest)) if hottest.host != emptiest.host => {
            format!("Hottest: {}. Emptiest: {}.", hottest.name, emptiest.name)
        }
        (Some(only), _) => format!("{} is the only host that was measured.", only.name),
        _ => "No host was measured in this time.".into(),
    }
}

pub async fn page(visit: AdminVisit, Query(query): Query<HeatQuery>) -> Result<Response> {
    let (stretch, heat) = read(&visit, &query).await?;
    let mut list = List::new("/fleet/heat", &query.list(), "-heat");
    let rows = selected(&heat, &mut list);
    let range = stretch.word.unwrap_or_default();
    list.keep("range", range);
    let tabs = stretch.tabs(false).into_iter();
    let shown = |word: &str| {
        heat::RANGES
            .iter()
            .any(|range| word == format!("?range={range}"))
    };
    show(&Heat {
        frame: visit.page("Heat map", "/fleet").await?,
        summary: summary(&heat),
        tabs: tabs.filter(|way| shown(&way.query)).collect(),
        // With few hosts the rows are as good a picture.
        tiles: if list.all > super::view::ROWS {
            heat.iter().map(Tile::of).collect()
        } else {
            Vec::new()
        },
        rows: rows.into_iter().map(HeatRow::of).collect(),
        calm: visit.engine().settings().period.as_secs(),
        list,
    })
}

pub async fn csv(visit: AdminVisit, Query(query): Query<HeatQuery>) -> Result<Response> {
    let (_, heat) = read(&visit, &query).await?;
    let mut list = List::new("/fleet/heat", &query.list(), "-heat").in_one();
    let rows = selected(&heat, &mut list);
    let head = ["host", "cpu_share", "memory_share", "contention_share"];
    let mut file = Csv::new(head, rows.len());
    for host in rows {
        let [cpu, memory, contention] = host
            .signals()
            .map(|cells| Known(average(cells).map(|share| Thousandths(f64::from(share)))));
        file.row([&host.name, &cpu, &memory, &contention]);
    }
    Ok(file.answer("heat"))
}
