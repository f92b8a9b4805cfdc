//! Certificate, key and the authority of clients, from their files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use mcpvisor_config::{Gateway, ListenerTls, Note, NoteKind, Problem};
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};

use super::expiry;

/// A certificate that ends within so many days is worth a word.
const SOON: i64 = 14;
/// No chain and no list of authorities is longer; what is, is another file than was meant.
const MOST: u64 = 1 << 20;

/// What one listener shakes hands with.
pub struct Material {
    pub(super) config: Arc<ServerConfig>,
    /// Of the files.
    pub(super) digest: [u8; 32],
    /// What is to be known of it.
    pub note: Note,
}

/// What is wrong, each with its key.
pub type Problems = Vec<Problem>;

/// What both listeners shake hands with; `None`: nothing. Reads files.
///
/// # Errors
/// A file cannot be read or used, or key and certificate do not belong together.
pub fn read(gateway: &Gateway) -> Result<[Option<Material>; 2], Problems> {
    let (mut problems, mut read) = (Vec::new(), [None, None]);
    let listeners = [("gateway.tls", &gateway.tls), ("gateway.admin_tls", &gateway.admin_tls)];
    for ((section, tls), read) in listeners.into_iter().zip(&mut read) {
        let Some(tls) = tls else { continue };
        match material(section, tls) {
            Ok(material) => *read = Some(material),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(read) } else { Err(problems) }
}

fn material(section: &str, tls: &ListenerTls) -> Result<Material, Problem> {
    let at = |key: &str| format!("{section}.{key}");
    let (cert, key) = (bytes(&at("cert"), &tls.cert)?, bytes(&at("key"), &tls.key)?);
    let client_ca = tls.client_ca.as_ref().map(|path| bytes(&at("client_ca"), path)).transpose()?;
    let chain = certificates(&at("cert"), &tls.cert, &cert)?;
    let hint = "name a PEM file with one private key: PKCS#8, PKCS#1 or SEC1, without a passphrase";
    let private = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| problem(&at("key"), format!("no private key in {}", tls.key.display()), hint))?;
    let provider = Arc::new(ring::default_provider());
    let unusable =
        |error: rustls::Error| problem(section, format!("cannot be used: {error}"), "give another one");
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match (&client_ca, &tls.client_ca) {
        (Some(pem), Some(path)) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(&at("client_ca"), path, pem)? {
                roots.add(authority).map_err(unusable)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
            let verifier =
                verifier.map_err(|error| problem(&at("client_ca"), error.to_string(), "give another one"))?;
            builder.with_client_cert_verifier(verifier)
        }
        _ => builder.with_no_client_auth(),
    };
    let note = note(&at("cert"), &tls.cert, chain.first())?;
    let mut config = builder.with_single_cert(chain, private).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => problem(
            &at("key"),
            format!("{} is not the key of the certificate in {}", tls.key.display(), tls.cert.display()),
            "give the key that the certificate was made for; the certificate comes first in its file, its authorities after it",
        ),
        other => problem(&at("cert"), format!("cannot be used: {other}"), "give another one"),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut digest = Sha256::new();
    for file in [Some(&cert), Some(&key), client_ca.as_ref()] {
        let file = file.map_or(&b""[..], |file| file);
        digest.update((file.len() as u64).to_be_bytes());
        digest.update(file);
    }
    Ok(Material { config: Arc::new(config), digest: digest.finalize().into(), note })
}

/// When the certificate ends.
#[expect(clippy::disallowed_methods, reason = "the end of a certificate is a time of the calendar")]
fn note(key: &str, path: &Path, leaf: Option<&CertificateDer<'_>>) -> Result<Note, Problem> {
    let end = leaf.and_then(|leaf| expiry::not_after(leaf));
    let end =
        end.ok_or_else(|| problem(key, format!("no certificate in {}", path.display()), CERTIFICATES))?;
    let left = expiry::days_left(end, SystemTime::now());
    let (kind, when) = match left {
        ..0 => (NoteKind::Warning, "has ended".to_owned()),
        0..SOON => (NoteKind::Warning, format!("ends in {left} days")),
        _ => (NoteKind::Mapped, format!("is good for {left} days")),
    };
    let what = format!("the certificate in {} {when} ({})", path.display(), end.format("%Y-%m-%d %H:%M UTC"));
    Ok(Note { kind, file: None, line: None, key: key.to_owned(), what })
}

const CERTIFICATES: &str = "name a PEM file with certificates: -----BEGIN CERTIFICATE-----";

fn certificates(key: &str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(problem(key, format!("no certificate in {}", path.display()), CERTIFICATES)),
    }
}

fn bytes(key: &str, path: &PathBuf) -> Result<Vec<u8>, Problem> {
    let unreadable = |error: std::io::Error| {
        let hint = "check the path, and that the user who runs mcpvisor may read it";
        problem(key, format!("{} cannot be read: {}", path.display(), error.kind()), hint)
    };
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() || about.len() > MOST {
        return Err(problem(key, format!("{} is no file of certificates", path.display()), CERTIFICATES));
    }
    std::fs::read(path).map_err(unreadable)
}

fn problem(key: &str, what: String, hint: &str) -> Problem {
    Problem { file: None, line: None, key: key.to_owned(), what, hint: hint.to_owned() }
}
