//! Dashboards in Grafana's format: the classic one, which every version takes from files. `web/grafana` checks what comes of
//! this against the types Grafana publishes.

use serde_json::{Map, Value, json};

use super::definition::{Dashboard, Kind, Panel, Row, Shown, Source, Target, Variable};
use super::query::PREFIX;

/// The format as of Grafana 10.4; later ones bring it up to theirs when they read it.
const SCHEMA_VERSION: u32 = 39;
/// Columns of a page.
const COLUMNS: u32 = 24;
/// A gap this long is no gap where things are looked at seldom, or a look was late: milliseconds.
const GAP: u32 = 120_000;

/// The dashboard on one kind of data source.
pub(super) fn dashboard(dashboard: &Dashboard, source: Source) -> Value {
    json!({
        "uid": format!("bellwether-{}-{}", dashboard.slug, source.word()),
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["bellwether", format!("bellwether-{}", source.word())],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-6h", "to": "now" },
        "timezone": "browser",
        "links": [links(source)],
        "templating": { "list": variables(dashboard, source) },
        "panels": panels(&dashboard.rows, source),
    })
}

/// To the other dashboards on the same source, for the same time.
fn links(source: Source) -> Value {
    json!({
        "type": "dashboards",
        "title": "Bellwether",
        "tags": [format!("bellwether-{}", source.word())],
        "asDropdown": true,
        "icon": "external link",
        "includeVars": false,
        "keepTime": true,
        "targetBlank": false,
        "tooltip": "The other dashboards",
    })
}

fn data_source(source: Source) -> Value {
    json!({ "type": source.word(), "uid": "${datasource}" })
}

fn variables(dashboard: &Dashboard, source: Source) -> Vec<Value> {
    let mut list = vec![json!({
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": source.word(),
        "refresh": 1,
    })];
    if source == Source::Graphite {
        list.push(json!({
            "type": "textbox",
            "name": "prefix",
            "label": "Prefix",
            "description": "What every path begins with: `prefix` of the server in bellwetherd's configuration.",
            "query": PREFIX,
            "current": { "text": PREFIX, "value": PREFIX },
        }));
    }
    let each = dashboard.variables.iter();
    list.extend(each.filter_map(|each| variable(each, source)));
    list
}

/// None where it is not chosen on this source.
fn variable(variable: &Variable, source: Source) -> Option<Value> {
    let (query, regex, everything) = match source {
        Source::Prometheus => (
            json!({ "query": variable.prometheus?, "refId": "choices" }),
            variable.prometheus_regex,
            ".*",
        ),
        Source::Graphite => (json!(variable.graphite?), "", "*"),
    };
    let mut value = json!({
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "datasource": data_source(source),
        "query": query,
        "regex": regex,
        "refresh": 2,
        "sort": 1,
        "multi": variable.many,
        "includeAll": variable.many,
    });
    if variable.many {
        value["allValue"] = everything.into();
        value["current"] = json!({ "text": "All", "value": "$__all" });
    }
    Some(value)
}

/// Panels from left to right and from top to bottom, below the headings of their rows.
fn panels(rows: &[Row], source: Source) -> Vec<Value> {
    let mut list = Vec::new();
    let mut y = 0;
    for row in rows {
        list.push(json!({
            "type": "row",
            "id": list.len() + 1,
            "title": row.title,
            "collapsed": false,
            "gridPos": { "h": 1, "w": COLUMNS, "x": 0, "y": y },
            "panels": [],
        }));
        y += 1;
        let (mut x, mut lowest) = (0, 0);
        for shown in &row.panels {
            if x + shown.width > COLUMNS {
                (x, y, lowest) = (0, y + lowest, 0);
            }
            let height = if shown.kind == Kind::Number { 4 } else { 8 };
            let at = json!({ "h": height, "w": shown.width, "x": x, "y": y });
            list.push(panel(shown, source, list.len() + 1, at));
            (x, lowest) = (x + shown.width, lowest.max(height));
        }
        y += lowest;
    }
    list
}

fn panel(panel: &Panel, source: Source, id: usize, at: Value) -> Value {
    let (kind, options, custom) = drawn(panel.kind);
    let color = match panel.kind {
        Kind::Cells => "continuous-GrYlRd",
        Kind::Number | Kind::Bars => "thresholds",
        Kind::Lines | Kind::Stacked => "palette-classic",
    };
    let mut defaults = json!({
        "unit": unit(panel.unit),
        "min": 0,
        "color": { "mode": color },
        "thresholds": { "mode": "absolute", "steps": steps(panel) },
    });
    if panel.unit == Shown::Share {
        defaults["max"] = 1.into();
    }
    if let Some(custom) = custom {
        defaults["custom"] = custom;
    }
    let letters = 'A'..='Z';
    let targets = panel.targets.iter().zip(letters);
    let mut value = json!({
        "type": kind,
        "id": id,
        "title": panel.title,
        "description": panel.description,
        "datasource": data_source(source),
        "gridPos": at,
        "fieldConfig": { "defaults": defaults, "overrides": [] },
        "options": options,
        "targets": targets.map(|(each, letter)| target(each, source, letter, panel.slow)).collect::<Vec<_>>(),
    });
    if panel.kind == Kind::Cells {
        // More cells than this it does not draw.
        value["maxDataPoints"] = 60.into();
    }
    value
}

fn target(target: &Target, source: Source, letter: char, slow: bool) -> Value {
    let mut value = Map::new();
    let mut set = |name: &str, to: Value| value.insert(name.into(), to);
    set("refId", letter.to_string().into());
    set("datasource", data_source(source));
    match source {
        Source::Prometheus => {
            set("expr", target.prometheus.clone().into());
            set("legendFormat", target.legend.into());
            set("editorMode", "code".into());
            set("range", true.into());
            set("instant", false.into());
            if slow {
                // How often it is measured: rates are taken over four of it.
                set("interval", "30s".into());
            }
        }
        Source::Graphite => {
            set("target", target.graphite.clone().into());
            set("textEditor", true.into());
        }
    }
    Value::Object(value)
}

/// Colours of large numbers and bars: a share warns before it is full.
fn steps(panel: &Panel) -> Value {
    match panel.unit {
        Shown::Share => json!([
            { "color": "green", "value": null },
            { "color": "orange", "value": 0.75 },
            { "color": "red", "value": 0.9 },
        ]),
        _ => json!([{ "color": "blue", "value": null }]),
    }
}

/// Grafana's identifier of a unit.
fn unit(shown: Shown) -> &'static str {
    match shown {
        Shown::Cores => "suffix: cores",
        Shown::Bytes => "bytes",
        Shown::BytesPerSecond => "binBps",
        Shown::PerSecond => "cps",
        Shown::Seconds => "s",
        Shown::Count => "short",
        Shown::Share => "percentunit",
    }
}

/// The type of a panel with its options, and those of each of its series.
fn drawn(kind: Kind) -> (&'static str, Value, Option<Value>) {
    let last = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
    let no_legend =
        json!({ "calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false });
    match kind {
        Kind::Lines | Kind::Stacked => {
            let options = json!({
                "legend": {
                    "calcs": ["mean", "max", "lastNotNull"],
                    "displayMode": "table",
                    "placement": "bottom",
                    "showLegend": true,
                    "sortBy": "Mean",
                    "sortDesc": true,
                },
                "tooltip": { "mode": "multi", "sort": "desc" },
            });
            ("timeseries", options, Some(line(kind == Kind::Stacked)))
        }
        Kind::Number => {
            let options = json!({
                "colorMode": "value",
                "graphMode": "area",
                "justifyMode": "auto",
                "orientation": "auto",
                "percentChangeColorMode": "standard",
                "reduceOptions": last,
                "showPercentChange": false,
                "textMode": "auto",
                "wideLayout": true,
            });
            ("stat", options, None)
        }
        Kind::Bars => {
            let options = json!({
                "displayMode": "basic",
                "legend": no_legend,
                "maxVizHeight": 300,
                "minVizHeight": 16,
                "minVizWidth": 8,
                "namePlacement": "auto",
                "orientation": "horizontal",
                "reduceOptions": last,
                "showUnfilled": true,
                "sizing": "auto",
                "valueMode": "color",
            });
            ("bargauge", options, None)
        }
        Kind::Cells => {
            let options = json!({
                "colWidth": 0.9,
                "legend": no_legend,
                "rowHeight": 0.9,
                "showValue": "never",
                "tooltip": { "mode": "single", "sort": "none" },
            });
            let custom = json!({ "fillOpacity": 80, "lineWidth": 0 });
            ("status-history", options, Some(custom))
        }
    }
}

fn line(stacked: bool) -> Value {
    json!({
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": if stacked { 60 } else { 10 },
        "showPoints": "never",
        "spanNulls": GAP,
        "stacking": { "group": "A", "mode": if stacked { "normal" } else { "none" } },
    })
}
