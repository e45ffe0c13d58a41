//! The whole server: database, engine, listener, signals, and an orderly end.

use crate::{
    config::Config,
    connector::Connectors,
    holder,
    limit::Limits,
    router, serve,
    state::{AppState, ScrapeToken},
    tls::Tls,
};
use anyhow::{Context, Result, anyhow};
use bellwether_engine::{Engine, Settings};
use bellwether_hypervisor::{Connector, sim::SimConnector};
use bellwether_model::Error;
use bellwether_store::{History, Store};
use sd_notify::NotifyState;
use secrecy::ExposeSecret;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// Serves until a signal says to end.
pub async fn run(config: Config) -> Result<()> {
    config.check()?;
    let tls = config.tls.as_ref().map(Tls::load).transpose()?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("can't listen on {}", config.listen))?;
    let scrape_token = config.metrics.token()?;
    let scrapes = match config.metrics.listen {
        None => None,
        Some(address) => Some(
            TcpListener::bind(address)
                .await
                .with_context(|| format!("can't listen on {address} for metrics"))?,
        ),
    };
    let engine = engine(&config).await?;
    let holding = holder::lock(&config.data_dir, &engine.settings().holder)?;
    holder::free_jobs_of_the_dead(&engine, &config.data_dir).await;
    let running = engine.start().await.map_err(told)?;
    let mut state = AppState::new(engine, config);
    state.scrape_token = scrape_token.map(|token| Arc::new(ScrapeToken::new(&token)));
    let app = router::router(&state);
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        database = %state.config.database_shown(),
        "bellwetherd serves {scheme}://{}",
        listener.local_addr()?
    );
    notify(&[NotifyState::Ready]);
    let housekeeping = tokio::spawn(forget_quiet(state.limits.clone()));
    let signals = tokio::spawn(signals(tls.clone(), state.stopping.clone()));
    let (config, stopping) = (&state.config, &state.stopping);
    let scraped = async {
        match scrapes {
            None => Ok(()),
            Some(listener) => {
                let app = router::scrapes(&state);
                serve::serve(listener, None, app, config, stopping.clone()).await
            }
        }
    };
    let serving = serve::serve(listener, tls, app, config, stopping.clone());
    let served = tokio::try_join!(serving, scraped).map(drop);
    notify(&[NotifyState::Stopping]);
    housekeeping.abort();
    signals.abort();
    running.stop().await;
    holder::free_jobs(&state.engine, &state.engine.settings().holder).await;
    drop(holding);
    state.engine.store().close().await;
    tracing::info!("bellwetherd has ended");
    served
}

/// The engine on the configured database and hosts; nothing runs yet.
pub async fn engine(config: &Config) -> Result<Engine> {
    make_private_dir(&config.data_dir)
        .with_context(|| format!("can't use data_dir {}", config.data_dir.display()))?;
    let url = config.database_url()?;
    let opening = || format!("can't open the database {}", config.database_shown());
    let store = Store::open(url.expose_secret())
        .await
        .map_err(told)
        .with_context(opening)?;
    let history = History::open(url.expose_secret())
        .await
        .map_err(told)
        .with_context(opening)?;
    let settings = Settings {
        period: config.sample_period(),
        paces: config.paces(),
        push: config.push()?,
        tell: config.tell()?,
        zone: config.zone()?,
        data_dir: config.data_dir.clone(),
        allow_local_image_urls: config.allow_local_image_urls,
        fetching: bellwether_engine::images::Fetching {
            most: config.largest_image_gib << 30,
            ..Default::default()
        },
        allow_ssh_commands: config.allow_ssh_commands,
        ..Settings::default()
    };
    Ok(Engine::new(store, history, connectors(config), settings))
}

/// Every kind of host this build and configuration can reach.
fn connectors(config: &Config) -> Arc<dyn Connector> {
    let mut each: Vec<Arc<dyn Connector>> = Vec::new();
    #[cfg(feature = "libvirt")]
    each.push(Arc::new({
        let mut libvirt = bellwether_libvirt::LibvirtConnector::new();
        if config.allow_ssh_commands {
            libvirt = libvirt.allowing_ssh_commands();
        }
        if config.allow_simulated_hosts {
            libvirt = libvirt.allowing_test_driver();
        }
        libvirt
    }));
    if config.allow_simulated_hosts {
        tracing::warn!(
            "simulated hosts are allowed: what runs on sim:// and test:// hosts is not real"
        );
        each.push(Arc::new(SimConnector::new()));
    }
    Arc::new(Connectors::new(each, config.allow_simulated_hosts))
}

/// Nobody else reads the database, images or half-fetched files.
fn make_private_dir(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if path.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// For who starts the server: the message with what only the log would have.
fn told(error: Error) -> anyhow::Error {
    match error.context() {
        Some(context) => anyhow!("{error} ({context})"),
        None => anyhow!("{error}"),
    }
}

/// SIGTERM and SIGINT end the server, a second one at once; SIGHUP reads the certificate again.
async fn signals(tls: Option<Arc<Tls>>, stopping: CancellationToken) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        let ending = tokio::select! {
            _ = terminate.recv() => true,
            _ = interrupt.recv() => true,
            _ = hang_up.recv() => false,
        };
        if ending {
            if stopping.is_cancelled() {
                tracing::warn!("told to end a second time: ending at once");
                std::process::exit(1);
            }
            tracing::info!("ending: no new connections, requests under way are finished");
            stopping.cancel();
            continue;
        }
        match tls.as_deref().map(Tls::reload) {
            None => tracing::info!("SIGHUP: there is no certificate to read again"),
            Some(Ok(())) => tracing::info!("SIGHUP: the certificate was read again"),
            Some(Err(error)) => tracing::error!(
                error = format!("{error:#}"),
                "SIGHUP: the certificate in use stays"
            ),
        }
    }
}

async fn forget_quiet(limits: Arc<Limits>) {
    let mut every = tokio::time::interval(Duration::from_secs(60));
    loop {
        every.tick().await;
        limits.forget_quiet();
    }
}

/// Tells systemd, where it started us.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
