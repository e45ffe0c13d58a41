//! What the screen shows, of whatever size it is.

use super::{
    batch::summary,
    column::Column,
    frame::{HostRow, MoveRow, VmRow},
    state::{REMEMBERED, State, View},
};
use crate::{
    commands::metrics::figure,
    text::{age, bytes, clean, mib, millis, or_unknown, sparkline, words},
};
use ratatui::{
    Frame as Canvas,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Table},
};

/// Characters of the line of the last minutes.
const COURSE: u16 = 12;
/// Migrations that are drawn; more would leave no room for VMs.
const MOVES: usize = 4;

/// Heads of the table of hosts.
pub const HOST_TITLES: [&str; 10] = [
    "HOST", "STATE", "SEEN", "VMS", "%CPU", "%WAIT", "%IOWAIT", "%MEM", "VCPUS", "MEMORY",
];

/// Draws everything.
pub fn draw(canvas: &mut Canvas<'_>, state: &mut State, colour: bool) {
    let moves = match state.view {
        View::Help => 0,
        _ => state.frame.migrations.len().min(MOVES),
    };
    let [head, moving, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(u16::try_from(moves).unwrap_or(0)),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(canvas.area());
    let paint = Paint { colour };
    canvas.render_widget(Line::styled(summary(&state.frame), paint.strong()), head);
    let lines: Vec<Line<'_>> = state
        .frame
        .migrations
        .iter()
        .take(MOVES)
        .map(move_line)
        .collect();
    canvas.render_widget(Paragraph::new(lines), moving);
    match state.view {
        View::Vms => vms(canvas, body, state, paint),
        View::Hosts => hosts(canvas, body, state, paint),
        View::Vm(_) => one(canvas, body, state, paint),
        View::Help => canvas.render_widget(Paragraph::new(help()), body),
    }
    canvas.render_widget(foot_line(state, paint), foot);
}

/// How things are set off: by colour where there is any, else by weight.
#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
    fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
    /// For a share of something: of interest from a half on, a concern near the whole.
    fn of_share(self, share: Option<f64>, concern: f64) -> Style {
        match share {
            Some(share) if share >= concern => self.tinted(Color::Red).add_modifier(Modifier::BOLD),
            Some(share) if share >= concern / 2.0 => self.tinted(Color::Yellow),
            _ => Style::new(),
        }
    }
    fn tinted(self, colour: Color) -> Style {
        match self.colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }
}

/// The first of the rows that are drawn, such that the chosen one is among them.
fn first_shown(place: usize, page: usize, count: usize) -> usize {
    let middle = place.saturating_sub(page / 2);
    middle.min(count.saturating_sub(page))
}

fn vms(canvas: &mut Canvas<'_>, area: Rect, state: &mut State, paint: Paint) {
    let page = usize::from(area.height.saturating_sub(1));
    state.page = page.max(1);
    let (all, place) = (state.vms(), state.place());
    if all.is_empty() {
        let why = match (state.filter.is_empty(), &state.host) {
            (false, _) => "No VM's name, owner or host holds that text. Esc takes the filter away.",
            (true, Some(_)) => "There is no VM on this host. Esc goes back.",
            (true, None) => "There are no VMs.",
        };
        canvas.render_widget(Line::raw(why), area);
        return;
    }
    let first = first_shown(place, page, all.len());
    let (columns, with_course) = fitting(area.width);
    let mut widths: Vec<Constraint> = columns
        .iter()
        .map(|column| match column {
            Column::Name => Constraint::Min(column.width()),
            other => Constraint::Length(other.width()),
        })
        .collect();
    let mut titles: Vec<Cell<'_>> = columns
        .iter()
        .map(|column| {
            let style = match *column == state.sort {
                true => paint.strong().add_modifier(Modifier::UNDERLINED),
                false => paint.strong(),
            };
            Cell::from(aligned(*column, column.title().into())).style(style)
        })
        .collect();
    if with_course {
        widths.push(Constraint::Length(COURSE));
        titles.push(Cell::from("CPU LATELY").style(paint.strong()));
    }
    let rows = all
        .iter()
        .enumerate()
        .skip(first)
        .take(page)
        .map(|(at, vm)| {
            let mut cells: Vec<Cell<'_>> = columns
                .iter()
                .map(|column| {
                    let cell = Cell::from(aligned(*column, clean(&column.cell(vm))));
                    cell.style(match column {
                        Column::Cpu => paint.of_share(vm.cpu_share, 0.9),
                        Column::Wait => paint.of_share(vm.wait_share, 0.1),
                        Column::Mem => paint.of_share(vm.memory_share, 0.9),
                        _ => Style::new(),
                    })
                })
                .collect();
            if with_course {
                cells.push(Cell::from(course(state, vm, usize::from(COURSE))));
            }
            let row = Row::new(cells);
            match at == place {
                true => row.style(paint.chosen()),
                false => row,
            }
        });
    let table = Table::new(rows, widths)
        .header(Row::new(titles))
        .column_spacing(1);
    canvas.render_widget(table, area);
}

/// The columns there is room for, in their order, and whether there is for the line of the last looks. The name always has
/// its place.
fn fitting(width: u16) -> (Vec<Column>, bool) {
    let mut left = width.saturating_sub(Column::Name.width() + 1);
    let mut take = |width: u16| {
        let fits = width < left;
        if fits {
            left -= width + 1;
        }
        fits
    };
    let (mut taken, mut with_course) = (vec![Column::Name], false);
    for (at, column) in Column::BY_WEIGHT.into_iter().enumerate() {
        if at == Column::BEFORE_COURSE {
            with_course = take(COURSE);
        }
        if take(column.width()) {
            taken.push(column);
        }
    }
    let columns = Column::ALL
        .into_iter()
        .filter(|column| taken.contains(column));
    (columns.collect(), with_course)
}

fn aligned(column: Column, text: String) -> Line<'static> {
    match column.is_figure() {
        true => Line::from(text).right_aligned(),
        false => Line::from(text),
    }
}

/// What share of its vCPUs a VM used at the last looks: a block for each, a space where it is not known.
fn course(state: &State, vm: &VmRow, most: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let all: Vec<Option<f64>> = state.course(vm.uuid).collect();
    let block = |share: &Option<f64>| match share {
        None => ' ',
        Some(share) => BLOCKS[((share.clamp(0.0, 1.0) * 8.0) as usize).min(7)],
    };
    all.iter()
        .skip(all.len().saturating_sub(most))
        .map(block)
        .collect()
}

/// A host's row, for the screen and for scripts.
pub fn host_cells(host: &HostRow) -> [String; 10] {
    let percent = |share: Option<f64>| {
        share.map_or_else(|| "?".into(), |share| format!("{:.1}", share * 100.0))
    };
    let io_wait = host
        .io_wait_cores
        .map(|cores| cores / f64::from(host.cores.max(1)));
    [
        clean(&host.name),
        words(&host.health),
        host.age_seconds
            .map_or_else(|| "never".into(), |seconds| age(seconds) + " ago"),
        host.running_vms.to_string(),
        percent(host.cpu_share),
        percent(host.wait_share),
        percent(io_wait),
        percent(host.memory_share),
        format!("{} on {}", host.committed_vcpus, host.cores),
        format!(
            "{} of {}",
            mib(host.committed_memory_mib),
            mib(host.memory_mib)
        ),
    ]
}

fn hosts(canvas: &mut Canvas<'_>, area: Rect, state: &mut State, paint: Paint) {
    let page = usize::from(area.height.saturating_sub(1));
    state.page = page.max(1);
    let (all, place) = (&state.frame.hosts, state.place());
    if all.is_empty() {
        let why = "There are no hosts, or you are no administrator; V goes back to the VMs.";
        canvas.render_widget(Line::raw(why), area);
        return;
    }
    let rows = all
        .iter()
        .enumerate()
        .skip(first_shown(place, page, all.len()))
        .take(page);
    let rows = rows.map(|(at, host)| {
        let cells = host_cells(host)
            .into_iter()
            .enumerate()
            .map(|(column, text)| {
                let style = match column {
                    1 if host.health != "ready" => {
                        paint.tinted(Color::Red).add_modifier(Modifier::BOLD)
                    }
                    4 => paint.of_share(host.cpu_share, 0.9),
                    5 => paint.of_share(host.wait_share, 0.1),
                    7 => paint.of_share(host.memory_share, 0.9),
                    _ => Style::new(),
                };
                Cell::from(text).style(style)
            });
        let row = Row::new(cells);
        match at == place {
            true => row.style(paint.chosen()),
            false => row,
        }
    });
    let widths = [14, 11, 11, 5, 6, 6, 8, 6, 12, 20].map(Constraint::Length);
    let head = Row::new(HOST_TITLES).style(paint.strong());
    canvas.render_widget(
        Table::new(rows, widths).header(head).column_spacing(1),
        area,
    );
}

/// One VM by itself.
fn one(canvas: &mut Canvas<'_>, area: Rect, state: &State, paint: Paint) {
    let View::Vm(uuid) = state.view else { return };
    let Some(vm) = state.frame.vms.iter().find(|vm| vm.uuid == uuid) else {
        canvas.render_widget(Line::raw("It is on no host any more. Esc goes back."), area);
        return;
    };
    let mut lines = vec![
        Line::styled(clean(&vm.name), paint.strong()),
        Line::raw(format!(
            "{} on {}, of {}",
            words(vm.power),
            clean(&vm.host),
            clean(vm.owner.as_deref().unwrap_or("nobody here"))
        )),
        Line::raw(format!(
            "{} vCPU, {}; lease until {}",
            vm.vcpus,
            mib(vm.memory_mib),
            vm.lease_until.as_deref().unwrap_or("no end")
        )),
        Line::raw(vm.uuid.to_string()),
        Line::raw(""),
    ];
    for column in Column::ALL {
        if column.is_figure() {
            lines.push(Line::raw(format!(
                "{:>8}  {}",
                column.title(),
                column.cell(vm)
            )));
        }
    }
    lines.push(Line::raw(format!(
        "{:>8}  {}",
        "MEMORY",
        or_unknown(vm.used_memory_mib, mib)
    )));
    lines.push(Line::raw(""));
    lines.push(Line::raw(format!(
        "The last looks  {}",
        course(state, vm, REMEMBERED)
    )));
    let past = state.past_of(uuid).unwrap_or_default();
    if past.iter().any(|series| !series.average.is_empty()) {
        lines.push(Line::raw(""));
        lines.push(Line::styled(
            "The last hour, each from nothing to its most",
            paint.strong(),
        ));
    }
    for series in past.iter().filter(|series| !series.average.is_empty()) {
        let most = series.maximum.iter().copied().fold(0.0, f64::max);
        let most = figure(most, &series.unit);
        let course = sparkline(&series.average, REMEMBERED);
        lines.push(Line::raw(format!(
            "{:>20}  {course:<REMEMBERED$}  {most}",
            words(&series.signal)
        )));
    }
    canvas.render_widget(Paragraph::new(lines), area);
}

/// `web → host2  [#####-----] 45 %  300 MiB left, 12 MiB/s, about 3.1 s to go`.
fn move_line(row: &MoveRow) -> Line<'static> {
    const BAR: usize = 10;
    let mut text = clean(&row.vm);
    if let Some(to) = &row.to {
        text += &format!(" → {}", clean(to));
    }
    match row.share {
        Some(share) => {
            let done = (share.clamp(0.0, 1.0) * BAR as f64) as usize;
            let bar = "#".repeat(done) + &"-".repeat(BAR - done);
            text += &format!("  [{bar}] {:.0} %", share * 100.0);
        }
        None => text += &format!("  {}", clean(&row.doing)),
    }
    if let Some(left) = row.remaining_bytes {
        text += &format!("  {} left", bytes(left as f64));
    }
    if let Some(rate) = row.bytes_per_second {
        text += &format!(", {}/s", bytes(rate as f64));
    }
    if let Some(left) = row.left_ms {
        text += &format!(", about {} to go", millis(left));
    }
    Line::raw(text)
}

fn foot_line(state: &State, paint: Paint) -> Line<'static> {
    if state.typing {
        return Line::from(vec![
            Span::styled("Only what holds: ", paint.strong()),
            Span::raw(clean(&state.filter) + "▏"),
        ]);
    }
    if let Some(trouble) = &state.trouble {
        let style = paint.tinted(Color::Red).add_modifier(Modifier::BOLD);
        return Line::styled(format!("As of the moment above: {}", clean(trouble)), style);
    }
    let mut parts = Vec::new();
    if let Some(host) = &state.host {
        parts.push(format!("on {}", clean(host)));
    }
    if !state.filter.is_empty() {
        parts.push(format!("holding '{}'", clean(&state.filter)));
    }
    parts.push("q quit, ? keys, / filter, H hosts, V VMs, Enter look into, r reverse".into());
    Line::raw(parts.join("   "))
}

fn help() -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'_>> = [
        "q, Ctrl-C   leave                     /           only what holds a text (Esc: all)",
        "↑ ↓ PgUp PgDn Home End   choose       Enter       look into the chosen VM or host",
        "V           the VMs                   H           the hosts",
        "Space       look at once              r           reverse the order",
        "Esc         back",
        "",
        "Sort by:",
    ]
    .map(Line::raw)
    .into();
    for column in Column::ALL {
        lines.push(Line::raw(format!(
            "{:>4}   {}",
            column.key(),
            column.title()
        )));
    }
    lines.push(Line::raw(""));
    lines.push(Line::raw(
        "S: R runs, P paused, D in shutdown, O off, X crashed, M moving",
    ));
    lines
}

#[cfg(test)]
mod tests;
