//! Monitoring systems of others, run for a test: Prometheus, carbon, graphite-web. They are Debian's packages
//! (`scripts/setup monitoring`), each with a folder and ports of its own; `./test` says that they are there by
//! `BELLWETHER_TEST_MONITORING`. And Grafana's part with its dashboards: every query asked of them.

#![allow(dead_code)] // each test program uses its part

pub mod dashboards;

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Whether `./test` says that they are there.
pub fn wanted() -> bool {
    let wanted = std::env::var_os("BELLWETHER_TEST_MONITORING").is_some();
    if !wanted {
        println!("skipped: BELLWETHER_TEST_MONITORING is not set");
    }
    wanted
}

/// An address of this machine that nobody listens at.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A server of ours that ends with the test.
pub struct Server(Child);

impl Server {
    fn start(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(quiet.stderr(Stdio::null()).spawn().unwrap())
    }
    /// Asks it to end, which lets it write what it holds, and waits until it has.
    pub fn end(mut self) {
        let id = self.0.id().to_string();
        let told = Command::new("kill").arg(&id).status().unwrap();
        assert!(told.success());
        self.0.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Prometheus that scrapes one address every second, and may be written to.
pub fn prometheus(folder: &Path, address: SocketAddr, scraped: SocketAddr) -> Server {
    let file = folder.join("prometheus.yml");
    std::fs::write(
        &file,
        format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n- job_name: scraped\n  static_configs: [{{ targets: [\"{scraped}\"] }}]\n"
        ),
    )
    .unwrap();
    let option = |name: &str, value: &dyn std::fmt::Display| format!("--{name}={value}");
    Server::start(
        Command::new("prometheus")
            .arg(option("config.file", &file.display()))
            .arg(option("storage.tsdb.path", &folder.join("data").display()))
            .arg(option("web.listen-address", &address))
            .arg("--web.enable-remote-write-receiver"),
    )
}

/// A VictoriaMetrics that may be written to, and shows at once what was.
pub fn victoria_metrics(folder: &Path, address: SocketAddr) -> Server {
    Server::start(
        Command::new("victoria-metrics")
            .arg(format!("-storageDataPath={}", folder.display()))
            .arg(format!("-httpListenAddr={address}"))
            .arg("-search.latencyOffset=0s"),
    )
}

/// A carbon-cache that keeps a value a second, and writes each at once.
pub fn carbon(folder: &Path, lines: SocketAddr) -> Server {
    let (pickle, queries) = (free_address(), free_address());
    let file = folder.join("carbon.conf");
    std::fs::write(
        &file,
        format!(
            "[cache]\nSTORAGE_DIR = {dir}\nCONF_DIR = {dir}\nLOG_DIR = {dir}\nPID_DIR = {dir}\nLOCAL_DATA_DIR = {dir}/whisper/\n\
             LINE_RECEIVER_INTERFACE = 127.0.0.1\nLINE_RECEIVER_PORT = {}\nPICKLE_RECEIVER_INTERFACE = 127.0.0.1\n\
             PICKLE_RECEIVER_PORT = {}\nCACHE_QUERY_INTERFACE = 127.0.0.1\nCACHE_QUERY_PORT = {}\nUSER =\n\
             MAX_CREATES_PER_MINUTE = inf\nMAX_UPDATES_PER_SECOND = 5000\nENABLE_TAGS = False\nTAG_HASH_FILENAMES = False\n",
            lines.port(),
            pickle.port(),
            queries.port(),
            dir = folder.display(),
        ),
    )
    .unwrap();
    std::fs::write(
        folder.join("storage-schemas.conf"),
        "[all]\npattern = .*\nretentions = 1s:1h\n",
    )
    .unwrap();
    Server::start(
        Command::new("carbon-cache")
            .arg("--debug")
            .arg(format!("--config={}", file.display()))
            .arg(format!("--logdir={}", folder.display()))
            .arg(format!("--pidfile={}", folder.join("carbon.pid").display()))
            .arg("start"),
    )
}

/// A graphite-web that shows what a carbon in the same folder keeps.
pub fn graphite_web(folder: &Path, address: SocketAddr) -> Server {
    let dir = folder.display();
    let settings = format!(
        "SECRET_KEY = 'test'\nSTORAGE_DIR = CONF_DIR = LOG_DIR = '{dir}'\nWHISPER_DIR = '{dir}/whisper/'\n\
         INDEX_FILE = '{dir}/index'\nCARBONLINK_HOSTS = []\n\
         DATABASES = {{'default': {{'NAME': '{dir}/graphite.db', 'ENGINE': 'django.db.backends.sqlite3'}}}}\n"
    );
    std::fs::create_dir_all(folder.join("whisper")).unwrap();
    std::fs::write(folder.join("graphite_of_test.py"), settings).unwrap();
    std::fs::write(folder.join("serve.py"), SERVE).unwrap();
    // Debian's own Python, which its packages are for; another may come first on PATH.
    Server::start(
        Command::new("/usr/bin/python3")
            .arg(folder.join("serve.py"))
            .arg(address.port().to_string())
            .env("DJANGO_SETTINGS_MODULE", "graphite.settings")
            .env("GRAPHITE_SETTINGS_MODULE", "graphite_of_test"),
    )
}

/// Its WSGI application with a database for its anonymous user, on Python's own server.
const SERVE: &str = "\
import sys
from wsgiref.simple_server import make_server
from django.core.wsgi import get_wsgi_application
from django.core.management import call_command
application = get_wsgi_application()
call_command('migrate', verbosity=0, run_syncdb=True)
make_server('127.0.0.1', int(sys.argv[1]), application).serve_forever()
";
