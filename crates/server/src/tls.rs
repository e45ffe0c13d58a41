//! Built-in TLS (rustls with ring): TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1. The files are read again on SIGHUP.

use crate::config::Tls as TlsConfig;
use anyhow::{Context, Result, ensure};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};
use tokio_rustls::TlsAcceptor;

/// The certificate in use, which can be exchanged while the server runs.
pub struct Tls {
    files: TlsConfig,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Tls {
    /// Reads certificate and key.
    pub fn load(files: &TlsConfig) -> Result<Arc<Self>> {
        let provider = Arc::new(ring::default_provider());
        let current = RwLock::new(read(files, &provider)?);
        Ok(Arc::new(Self {
            files: files.clone(),
            provider,
            current,
        }))
    }

    /// Reads the files again. After an error the certificate in use stays.
    pub fn reload(&self) -> Result<()> {
        let fresh = read(&self.files, &self.provider)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// What makes TLS connections of TCP ones.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.current
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }
}

fn read(files: &TlsConfig, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>> {
    let TlsConfig { certificate, key } = files;
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("can't read tls.certificate {}", certificate.display()))?;
    ensure!(
        !chain.is_empty(),
        "tls.certificate {} holds no certificate",
        certificate.display()
    );
    let key_der = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("can't read tls.key {}", key.display()))?;
    let pair = CertifiedKey::from_der(chain, key_der, provider).with_context(|| {
        format!(
            "tls.key {} does not belong to tls.certificate {}",
            key.display(),
            certificate.display()
        )
    })?;
    Ok(Arc::new(pair))
}
