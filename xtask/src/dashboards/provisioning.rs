//! What tells Grafana where dashboards and data are. Whoever has data sources already leaves those two files out.

/// Each file with its path below `provisioning`.
pub(super) fn files() -> Vec<(&'static str, String)> {
    vec![
        ("datasources/bellwether-prometheus.yaml", PROMETHEUS.into()),
        ("datasources/bellwether-graphite.yaml", GRAPHITE.into()),
        (
            "dashboards/bellwether-prometheus.yaml",
            provider("prometheus", "Prometheus"),
        ),
        (
            "dashboards/bellwether-graphite.yaml",
            provider("graphite", "Graphite"),
        ),
    ]
}

const PROMETHEUS: &str = "\
# The Prometheus that scrapes bellwetherd, or is written to by it. Written by `cargo xtask dashboards`.
apiVersion: 1
datasources:
  - name: Bellwether on Prometheus
    uid: bellwether-prometheus
    type: prometheus
    access: proxy
    url: http://127.0.0.1:9090
    jsonData:
      httpMethod: POST
      # The scrape_interval of the job: rates are taken over four of them.
      timeInterval: 10s
";

const GRAPHITE: &str = "\
# The Graphite that bellwetherd pushes to. Written by `cargo xtask dashboards`.
apiVersion: 1
datasources:
  - name: Bellwether on Graphite
    uid: bellwether-graphite
    type: graphite
    access: proxy
    url: http://127.0.0.1:8080
    jsonData:
      graphiteVersion: '1.1'
";

fn provider(word: &str, name: &str) -> String {
    format!(
        "\
# Bellwether's dashboards on {name}. Written by `cargo xtask dashboards`.
apiVersion: 1
providers:
  - name: bellwether-{word}
    folder: Bellwether on {name}
    type: file
    options:
      path: /var/lib/grafana/dashboards/bellwether/{word}
"
    )
}
