//! The listener: TCP or TLS, HTTP/1.1 and HTTP/2, bounds on connections, time-outs on the slow, and an orderly end.

use crate::{
    client::Peer, config::Config, net::one_client, patience::Impatient, room::Room, tls::Tls,
};
use anyhow::Result;
use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A client has this long to finish the TLS handshake, to say which HTTP it speaks, and for the headers of a request.
const HELLO_DEADLINE: Duration = Duration::from_secs(15);
/// A client that takes nothing of what it is sent for this long is gone.
const WRITE_DEADLINE: Duration = Duration::from_secs(60);
/// Requests under way at the end have this long to finish.
const END_DEADLINE: Duration = Duration::from_secs(10);

/// Serves `app` until `stopping` is cancelled and the requests then under way are done.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    app: Router,
    config: &Config,
    stopping: CancellationToken,
) -> Result<()> {
    let acceptor = tls.as_ref().map(Tls::acceptor).transpose()?;
    let room = Arc::new(Semaphore::new(usize::try_from(config.limits.connections)?));
    let of_one = Room::new(config.limits.connections_per_address);
    let graceful = GracefulShutdown::new();
    loop {
        // Waiting for a place before accepting leaves the rest in the kernel's queue.
        let accept = async {
            let place = room.clone().acquire_owned().await?;
            anyhow::Ok((listener.accept().await?, place))
        };
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = accept => accepted,
        };
        match accepted {
            Ok(((stream, address), place)) => {
                // Through a proxy come many; how much each of them asks is limited by the request.
                let own = match config.trusts(address.ip()) {
                    true => None,
                    false => match of_one.take(one_client(address.ip())) {
                        Some(own) => Some(own),
                        None => {
                            tracing::debug!(%address, "closed: too many connections from there");
                            continue;
                        }
                    },
                };
                let (app, acceptor, watcher) = (app.clone(), acceptor.clone(), graceful.watcher());
                tokio::spawn(async move {
                    let _places = (place, own);
                    connection(stream, address, acceptor, app, watcher).await;
                });
            }
            Err(error) => {
                // Out of file descriptors, mostly; accepting at once again would only burn the processor.
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(END_DEADLINE, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests still under way after {END_DEADLINE:?} were cut off");
    }
    Ok(())
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<tokio_rustls::TlsAcceptor>,
    app: Router,
    watcher: Watcher,
) {
    // Small answers must not wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => {
            speak(
                stream,
                Peer {
                    address,
                    tls: false,
                },
                app,
                watcher,
            )
            .await
        }
        Some(acceptor) => {
            match tokio::time::timeout(HELLO_DEADLINE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => speak(stream, Peer { address, tls: true }, app, watcher).await,
                Ok(Err(error)) => tracing::debug!(%address, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%address, "TLS handshake took too long"),
            }
        }
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    app: Router,
    watcher: Watcher,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().oneshot(request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HELLO_DEADLINE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(128)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let stream = Impatient::new(stream, HELLO_DEADLINE, WRITE_DEADLINE);
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(address = %peer.address, %error, "connection ended early");
    }
}
