//! TLS of the two listeners: read and checked with the configuration, swapped for connections to come.

mod expiry;
mod material;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;

pub use material::{Material, Problems, read};

/// What a listener does now. Cheap to clone; all clones follow the same reloads.
#[derive(Clone, Default)]
pub struct Tls(Arc<ArcSwapOption<Material>>);

impl Tls {
    /// With what was read; `None`: plain TCP.
    pub fn new(material: Option<Material>) -> Self {
        Self(Arc::new(ArcSwapOption::from_pointee(material)))
    }

    /// How a connection that begins now shakes hands; `None`: it does not.
    pub fn config(&self) -> Option<Arc<ServerConfig>> {
        self.0.load().as_ref().map(|material| material.config.clone())
    }

    /// Whether connections would get something else with this. Whether there is TLS at all does not change.
    pub fn differs(&self, material: Option<&Material>) -> bool {
        let known = self.0.load();
        material.is_some_and(|material| known.as_ref().is_some_and(|known| known.digest != material.digest))
    }

    /// Connections to come get this. False: it is what they would have got.
    pub fn renew(&self, material: Option<Material>) -> bool {
        let renewed = self.differs(material.as_ref());
        if renewed {
            self.0.store(material.map(Arc::new));
        }
        renewed
    }
}
