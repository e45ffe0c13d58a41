//! How hot every host was over a stretch of time: CPU, memory and contention as shares of the host, in a few cells each.

use super::{Whole, stretch::Stretch};
use bellwether_engine::Engine;
use bellwether_model::{HostId, Result, Timestamp, host::Host, signal};
use bellwether_store::{Point, SeriesKey};

/// The named stretches whose heat is shown.
pub const RANGES: [&str; 4] = ["quarter", "hour", "day", "week"];

/// Cells of a stretch at most.
pub const CELLS: u32 = 48;

/// Contention weighs so many times what use does: a host whose VMs wait a quarter of the time is as hot as one in full use.
const CONTENTION_WEIGHS: f32 = 4.0;

/// A signal of a host in cells of equal length, as shares of the host; a cell nothing is known of is none.
pub type Cells = Vec<Option<f32>>;

/// A host over time.
#[derive(Clone, Debug, PartialEq)]
pub struct HostHeat {
    /// Which.
    pub host: HostId,
    /// Its name.
    pub name: String,
    /// Of its cores.
    pub cpu: Cells,
    /// Of its memory.
    pub memory: Cells,
    /// What its VMs waited for, of its cores.
    pub contention: Cells,
}

impl HostHeat {
    /// The three, in the order in which they are shown.
    pub fn signals(&self) -> [&Cells; 3] {
        [&self.cpu, &self.memory, &self.contention]
    }
    /// How hot it was on average: by whichever was the most; none where nothing is known of it.
    pub fn heat(&self) -> Option<f32> {
        let contention = average(&self.contention).map(|share| share * CONTENTION_WEIGHS);
        [average(&self.cpu), average(&self.memory), contention]
            .into_iter()
            .flatten()
            .max_by(f32::total_cmp)
    }
}

/// The average of what is known.
pub fn average(cells: &Cells) -> Option<f32> {
    let known = cells.iter().flatten();
    let (sum, number) = known.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    (number > 0.0).then(|| sum / number)
}

/// The newest of what is known in the last two cells: what is older is not called the present.
pub fn newest(cells: &Cells) -> Option<f32> {
    cells.iter().rev().take(2).flatten().next().copied()
}

/// Seconds a cell of the stretch stands for.
pub fn cell_seconds(stretch: &Stretch) -> u32 {
    let seconds = stretch.to.seconds() - stretch.from.seconds();
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    seconds.div_ceil(CELLS).max(1)
}

/// Every host over the stretch, in the order of their names.
pub async fn of(engine: &Engine, stretch: &Stretch) -> Result<Vec<HostHeat>> {
    let records = engine.store().records().await?;
    let step = cell_seconds(stretch);
    let every = engine.history().step(stretch.from, step);
    let observed = engine.observed();
    let wanted = [
        signal::host::CPU,
        signal::host::MEMORY,
        signal::host::CONTENTION,
    ];
    let keys: Vec<SeriesKey> = records
        .hosts
        .iter()
        .flat_map(|host| wanted.map(|signal| SeriesKey::new(host.id.0, signal)))
        .collect();
    let history = engine.history();
    let series = history.range(&keys, stretch.from, stretch.to, step).await?;
    let heat = |(host, series): (&Host, &[bellwether_store::Series])| {
        let whole = Whole::of(host, observed.host(host.id));
        let whole = [whole.cores, whole.memory_mib, whole.cores];
        let mut cells = series
            .iter()
            .zip(whole)
            .map(|(series, whole)| cells(&series.points, stretch.from, (step, every), whole));
        let mut next = || cells.next().unwrap_or_default();
        HostHeat {
            host: host.id,
            name: host.name.clone(),
            cpu: next(),
            memory: next(),
            contention: next(),
        }
    };
    let mut all: Vec<HostHeat> = records
        .hosts
        .iter()
        .zip(series.chunks(wanted.len()))
        .map(heat)
        .collect();
    all.sort_by_key(|heat| heat.name.to_lowercase());
    Ok(all)
}

/// Points by cell of `step` seconds; each stands for `every` seconds, which are more where it is not kept finer.
fn cells(points: &[Point], from: Timestamp, (step, every): (u32, u32), whole: f64) -> Cells {
    let mut cells = vec![None; CELLS as usize];
    let (step, every) = (i64::from(step), i64::from(every));
    let last = i64::from(CELLS) - 1;
    for (at, average, ..) in points {
        let share = Some((f64::from(*average) / whole) as f32);
        let first = (at.seconds() - from.seconds() + step / 2).div_euclid(step);
        // The span that is not over yet may have its middle ahead.
        let first = first.min(last);
        for cell in first..=(first + every / step - 1).clamp(first, last) {
            if let Ok(cell) = usize::try_from(cell) {
                cells[cell] = share;
            }
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn points_fall_into_their_cells_as_shares() {
        let points = [(at(120), 2.0, 2.0, 2.0), (at(240), 4.0, 4.0, 4.0)];
        let cells = cells(&points, at(100), (60, 60), 8.0);
        assert_eq!(cells.len(), CELLS as usize);
        assert_eq!(cells[..4], [Some(0.25), None, Some(0.5), None]);
        assert_eq!(average(&cells), Some(0.375));
        assert_eq!(newest(&cells), None, "that was long ago");
        let begun = [(at(100 + 48 * 60 - 5), 8.0, 8.0, 8.0)];
        let now = super::cells(&begun, at(100), (60, 60), 8.0);
        assert_eq!(
            newest(&now),
            Some(1.0),
            "a span that is not over yet counts"
        );
        let coarse = [(at(40), 8.0, 8.0, 8.0)];
        let coarse = super::cells(&coarse, at(100), (60, 240), 8.0);
        let full = Some(1.0);
        assert_eq!(coarse[..4], [full, full, full, None]);
    }

    #[test]
    fn waiting_makes_a_host_hot() {
        let host = |cpu, contention| HostHeat {
            host: HostId::new(),
            name: "a".into(),
            cpu: vec![Some(cpu)],
            memory: vec![None],
            contention: vec![Some(contention)],
        };
        assert_eq!(host(0.5, 0.0).heat(), Some(0.5));
        assert_eq!(host(0.5, 0.25).heat(), Some(1.0));
        let unknown = HostHeat {
            cpu: vec![None],
            contention: Vec::new(),
            ..host(0.0, 0.0)
        };
        assert_eq!(unknown.heat(), None);
    }
}
