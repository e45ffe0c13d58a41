//! The dashboards of `deploy/grafana`, with Grafana's part played: what may be chosen is asked for, what was chosen filled in,
//! and every query of every panel asked of a real Prometheus and a real graphite-web.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Seconds that are looked back.
const BACK: u64 = 60;
/// What Grafana would put for its spans, for samples that come every second.
const SPANS: &[(&str, &str)] = &[("$__rate_interval", "15s"), ("$__interval", "1s")];

/// The two servers.
#[derive(Clone, Copy, Debug)]
pub struct Servers {
    pub prometheus: SocketAddr,
    pub graphite: SocketAddr,
}

/// One query of a panel.
#[derive(Debug)]
pub struct Query {
    /// Source, dashboard and panel.
    pub place: String,
    pub text: String,
    of_graphite: bool,
}

/// A dashboard as it is in its file.
pub struct Dashboard {
    name: String,
    of_graphite: bool,
    json: Value,
}

/// All of them.
pub fn all() -> Vec<Dashboard> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/grafana/dashboards");
    let mut found = Vec::new();
    for source in ["prometheus", "graphite"] {
        let entries = std::fs::read_dir(folder.join(source)).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push(Dashboard {
                name: format!("{source}/{}", path.file_stem().unwrap().display()),
                of_graphite: source == "graphite",
                json: serde_json::from_str(&text).unwrap(),
            });
        }
    }
    assert_eq!(found.len(), 10);
    found
}

impl Dashboard {
    /// Every query of it, as it is written there.
    pub fn queries(&self) -> Vec<Query> {
        let key = if self.of_graphite { "target" } else { "expr" };
        let mut found = Vec::new();
        for panel in list(&self.json["panels"]) {
            for target in list(&panel["targets"]) {
                found.push(Query {
                    place: format!("{}: {}", self.name, text(&panel["title"])),
                    text: text(&target[key]).to_owned(),
                    of_graphite: self.of_graphite,
                });
            }
        }
        assert!(!found.is_empty(), "{}", self.name);
        found
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
}

/// What was chosen, by the variable's name.
pub type Chosen = BTreeMap<String, String>;

impl Servers {
    /// Asks until every query of every dashboard has an answer; fails with those that have none after so long.
    pub async fn answer_all(self, patience: Duration) {
        // An HTTP client wants to know how to encrypt, though nothing here is encrypted; it may know.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let began = tokio::time::Instant::now();
        loop {
            let silent = self.silent().await;
            if silent.is_empty() {
                return;
            }
            let shown = silent.join("\n");
            assert!(began.elapsed() < patience, "no series for:\n{shown}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// The queries that have no answer, with where they are.
    async fn silent(self) -> Vec<String> {
        let mut silent = Vec::new();
        for dashboard in all() {
            let choices = match self.choices(&dashboard).await {
                Ok(choices) => choices,
                Err(nothing) => {
                    silent.push(nothing);
                    continue;
                }
            };
            for query in dashboard.queries() {
                let mut answered = false;
                for chosen in &choices {
                    answered = answered || self.answers(&query, chosen).await;
                }
                if !answered {
                    silent.push(format!("{}: {}", query.place, query.text));
                }
            }
        }
        silent
    }

    /// Every way in which somebody may choose above a dashboard: each value of what one of is chosen, and of the rest both
    /// everything and all there is one by one.
    async fn choices(self, dashboard: &Dashboard) -> Result<Vec<Chosen>, String> {
        let mut choices = vec![Chosen::new()];
        for variable in list(&dashboard.json["templating"]["list"]) {
            let name = text(&variable["name"]);
            let values = match text(&variable["type"]) {
                "datasource" => continue,
                "textbox" => vec![text(&variable["query"]).to_owned()],
                "query" => {
                    let found = self.values(dashboard, variable, &choices[0]).await;
                    if found.is_empty() {
                        return Err(format!("{}: nothing to choose for {name}", dashboard.name));
                    }
                    match variable["multi"] == true {
                        false => found,
                        true if dashboard.of_graphite => {
                            vec![
                                text(&variable["allValue"]).into(),
                                format!("{{{}}}", found.join(",")),
                            ]
                        }
                        true => vec![
                            text(&variable["allValue"]).into(),
                            format!("({})", found.join("|")),
                        ],
                    }
                }
                other => panic!("{}: a variable of the kind {other}", dashboard.name),
            };
            let with = |chosen: &Chosen, value: &String| {
                let mut chosen = chosen.clone();
                chosen.insert(name.into(), value.clone());
                chosen
            };
            choices = choices
                .iter()
                .flat_map(|chosen| values.iter().map(|value| with(chosen, value)))
                .collect();
        }
        Ok(choices)
    }

    /// What there is to choose, as Grafana would ask for it.
    async fn values(self, dashboard: &Dashboard, variable: &Value, chosen: &Chosen) -> Vec<String> {
        if dashboard.of_graphite {
            let query = filled(text(&variable["query"]), chosen);
            let found = get(self.graphite, "/metrics/find", &[("query", &query)]).await;
            return list(&found)
                .map(|node| text(&node["text"]).to_owned())
                .collect();
        }
        let query = filled(text(&variable["query"]["query"]), chosen);
        let inside = query
            .split_once('(')
            .map(|(_, rest)| rest.trim_end_matches(')'));
        let inside = inside.unwrap_or_else(|| panic!("{query}"));
        match query.split('(').next() {
            Some("label_values") => {
                let (metric, label) = inside.rsplit_once(", ").unwrap();
                let path = format!("/api/v1/label/{label}/values");
                let found = get(self.prometheus, &path, &[("match[]", metric)]).await;
                list(&found["data"])
                    .map(|value| text(value).to_owned())
                    .collect()
            }
            Some("query_result") => {
                // The regular expression takes this label's value from the answer's text.
                assert!(
                    text(&variable["regex"]).contains("uuid=\"(?<value>"),
                    "{variable}"
                );
                let found = get(self.prometheus, "/api/v1/query", &[("query", inside)]).await;
                let found = list(&found["data"]["result"]);
                found
                    .map(|series| text(&series["metric"]["uuid"]).to_owned())
                    .collect()
            }
            _ => panic!("{}: a query of an unknown kind: {query}", dashboard.name),
        }
    }

    /// Whether it is answered with a series that has a number.
    pub async fn answers(self, query: &Query, chosen: &Chosen) -> bool {
        !self.last(query, chosen).await.is_empty()
    }

    /// The last number of each series that has one.
    pub async fn last(self, query: &Query, chosen: &Chosen) -> Vec<f64> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let (from, until) = ((now - BACK).to_string(), now.to_string());
        let asked = filled(&query.text, chosen);
        match query.of_graphite {
            true => self.rendered(query, &asked, &from, &until).await,
            false => self.ranged(query, &asked, &from, &until).await,
        }
    }

    async fn rendered(self, query: &Query, asked: &str, from: &str, until: &str) -> Vec<f64> {
        let asked = [
            ("target", asked),
            ("from", from),
            ("until", until),
            ("format", "json"),
        ];
        let found = get(self.graphite, "/render", &asked).await;
        let last = |series: &Value| {
            let last = list(&series["datapoints"])
                .filter_map(|point| point[0].as_f64())
                .last()?;
            let name = text(&series["target"]);
            let readable = !name.contains(['(', '*', '{']);
            assert!(readable, "{}: nobody can read {name}", query.place);
            Some(last)
        };
        list(&found).filter_map(last).collect()
    }

    async fn ranged(self, query: &Query, asked: &str, from: &str, until: &str) -> Vec<f64> {
        let asked = [
            ("query", asked),
            ("start", from),
            ("end", until),
            ("step", "1"),
        ];
        let found = get(self.prometheus, "/api/v1/query_range", &asked).await;
        assert_ne!(found["status"], "error", "{}: {found}", query.place);
        let number = |point: &Value| text(&point[1]).parse().ok().filter(|n: &f64| n.is_finite());
        let last = |series: &Value| list(&series["values"]).filter_map(number).last();
        list(&found["data"]["result"]).filter_map(last).collect()
    }
}

/// The query with all that stands behind a `$`.
fn filled(query: &str, chosen: &Chosen) -> String {
    let mut query = query.to_owned();
    for (span, length) in SPANS {
        query = query.replace(span, length);
    }
    for (name, value) in chosen {
        query = query.replace(&format!("${name}"), value);
    }
    assert!(
        !query.contains('$'),
        "something is left to fill in: {query}"
    );
    query
}

/// What a server answers; nothing where it is not there yet.
async fn get(server: SocketAddr, path: &str, asked: &[(&str, &str)]) -> Value {
    let mut words = form_urlencoded::Serializer::new(String::new());
    words.extend_pairs(asked);
    let address = format!("http://{server}{path}?{}", words.finish());
    let Ok(answer) = reqwest::get(address).await else {
        return Value::Null;
    };
    let (status, body) = (answer.status(), answer.text().await.unwrap());
    serde_json::from_str(&body).unwrap_or_else(|_| {
        assert!(
            !status.is_server_error() || body.is_empty() || status == 503,
            "{asked:?}: {body}"
        );
        Value::Null
    })
}

/// A query of nothing that was ever measured, which has no answer.
pub fn senseless(of_graphite: bool) -> Query {
    let text = if of_graphite {
        "bellwether.nothing"
    } else {
        "bellwether_nothing"
    };
    Query {
        place: "nowhere".into(),
        text: text.into(),
        of_graphite,
    }
}
