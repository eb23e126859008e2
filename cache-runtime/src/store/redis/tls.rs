//! TLS: which certificates are trusted, whose cryptography is used, and what a failed handshake is called.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};

use redis::{Client, ConnectionAddr, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError};
use rustls::{AlertDescription, CertificateError};

/// What connections over TLS trust: the certificates of this machine, unless it is told otherwise.
#[derive(Clone, Default)]
pub(crate) enum Tls {
    #[default]
    System,
    Pem(Vec<u8>),
    File(PathBuf),
}

impl Tls {
    /// Whether a CA was given.
    pub(crate) fn is_set(&self) -> bool {
        !matches!(self, Self::System)
    }

    /// Whether there is TLS in this build.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "without the feature there is none")]
    pub(super) fn is_available(&self) -> Result<(), String> {
        Ok(())
    }

    /// The client, if it connects over TLS with these certificates.
    pub(super) fn of(&self, client: Client) -> Result<Client, String> {
        if !is_over_tls(&client) {
            return Ok(client);
        }
        ensure_cryptography();
        let pem = match self {
            Self::System => return Ok(client),
            Self::Pem(pem) => pem.clone(),
            Self::File(path) => read(path)?,
        };
        let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        if !found.is_ok_and(|found| !found.is_empty()) {
            return Err(
                "there is no certificate in it: it must be PEM, `-----BEGIN CERTIFICATE-----` and so on".to_owned()
            );
        }
        let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem) };
        Client::build_with_tls(client.get_connection_info().clone(), certificates)
            .map_err(|_| "a certificate in it is damaged".to_owned())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn is_over_tls(client: &Client) -> bool {
    matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. })
}

/// Ensures that the process has the cryptography that TLS needs, for a client that connects over it. A provider that the
/// program has installed is left alone; without any, each attempt to connect would panic in its task.
pub(super) fn prepare(client: &Client) {
    if is_over_tls(client) {
        ensure_cryptography();
    }
}

fn ensure_cryptography() {
    if CryptoProvider::get_default().is_none() {
        // An error means that somebody else has just installed one.
        let _ = ring::default_provider().install_default();
    }
}

/// What to look at when this client's server does not answer: one that listens without TLS waits for more.
pub(super) fn unanswered(client: &Client) -> &'static str {
    if is_over_tls(client) { "; if it listens without TLS, write redis:// instead of rediss://" } else { "" }
}

/// What went wrong with TLS, if it was that. A certificate is a server's, so nothing of it is shown.
pub(super) fn described(cause: &(dyn StdError + 'static)) -> Option<&'static str> {
    if cause.is::<InvalidDnsNameError>() {
        return Some("the host of the URL is no name that a certificate can be for");
    }
    let error = match cause.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref()?.downcast_ref::<rustls::Error>()?,
        None => match cause.downcast_ref::<rustls::Error>() {
            Some(error) => error,
            // What is left is the error of whoever reads the certificates of the machine.
            None => return Some("the certificates of this machine cannot be read; see SSL_CERT_FILE and SSL_CERT_DIR"),
        },
    };
    Some(match error {
        rustls::Error::InvalidCertificate(error) => unverified(error),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server requires a client certificate"
        }
        rustls::Error::AlertReceived(_) => "the server ended the TLS handshake",
        rustls::Error::InvalidMessage(_) => {
            "the server does not answer in TLS; if it listens without, write redis:// instead of rediss://"
        }
        rustls::Error::PeerIncompatible(_) => {
            "the server has no version of TLS or no cipher in common with this client"
        }
        _ => "the TLS handshake failed",
    })
}

fn unverified(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::UnknownIssuer => {
            "certificate verify failed: unknown issuer; name the CA that signed the server's certificate with \
             `tls_ca_file`, `tls_ca_pem` or SSL_CERT_FILE"
        }
        CertificateError::BadSignature => {
            "certificate verify failed: bad signature; a CA of the same name but with another key signed the server's \
             certificate: name that one with `tls_ca_file`, `tls_ca_pem` or SSL_CERT_FILE"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "certificate verify failed: it is for another host; connect by a name that is in it"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate verify failed: it has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate verify failed: it is not valid yet; is the clock of this machine right?"
        }
        CertificateError::Revoked => "certificate verify failed: it was revoked",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "certificate verify failed: it is not for servers"
        }
        _ => "certificate verify failed",
    }
}
