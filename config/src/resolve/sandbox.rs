//! `[backends.NAME.sandbox]`.

use crate::read::Reader;
use crate::{Network, Sandbox};

pub(super) const NETWORK: [(&str, Network); 3] =
    [("open", Network::Open), ("no_tcp", Network::NoTcp), ("none", Network::None)];

pub(super) fn sandbox(reader: &Reader<'_>) -> Sandbox {
    let paths = |key: &str| reader.texts(key).into_iter().map(Into::into).collect();
    Sandbox {
        user: reader.text("user"),
        group: reader.text("group"),
        nice: reader.signed("nice"),
        memory: reader.size("memory"),
        files: reader.count("files"),
        processes: reader.count("processes"),
        cpu_time: reader.duration("cpu_time"),
        read_only: paths("read_only"),
        read_write: paths("read_write"),
        network: reader.choice("network", &NETWORK).unwrap_or_default(),
    }
}
