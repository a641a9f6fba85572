//! Networks at the two ends of a training: initial weights, and the form that a bundle stores.

use anyhow::Context;
use burn::module::Module;
use burn::tensor::Device;
use shared::model::{
    Architecture, QueryConfig, QueryNet, RetrievalConfig, RetrievalNet, SegmentConfig, StyleConfig, UNet,
};
use shared::server_models::{Classifier, load_pretrained};
use shared::weights::TorchKeys;
use std::path::Path;

/// Configuration of a network that a bundle stores.
pub(crate) trait NetworkConfig {
    /// The network.
    type Net: Module + TorchKeys;

    /// Creates the network with random weights.
    ///
    /// # Errors
    /// If the backbone is unknown.
    fn network(&self, device: &Device) -> anyhow::Result<Self::Net>;

    /// Folds batch norms into the layers before them.
    fn fold(net: Self::Net) -> Self::Net;

    /// Returns the architecture for a bundle's manifest.
    fn architecture(&self) -> Architecture;
}

macro_rules! network_config {
    ($config:ty, $init:ident -> $net:ty, $architecture:ident) => {
        impl NetworkConfig for $config {
            type Net = $net;

            fn network(&self, device: &Device) -> anyhow::Result<$net> {
                Ok(self.$init(device)?)
            }

            fn fold(net: $net) -> $net {
                net.fold_batch_norm()
            }

            fn architecture(&self) -> Architecture {
                Architecture::$architecture(self.clone())
            }
        }
    };
}

network_config!(StyleConfig, classifier -> Classifier, Style);
network_config!(QueryConfig, init -> QueryNet, Query);
network_config!(RetrievalConfig, init -> RetrievalNet, Retrieval);
network_config!(SegmentConfig, init -> UNet, Segment);

/// Loads the pretrained weights of the file `init` into a network, if there is one. The head keeps its own weights.
///
/// # Errors
/// If the file cannot be read, or does not fit the network.
pub(crate) fn initialise<M: Module + TorchKeys>(net: M, init: Option<&Path>) -> anyhow::Result<M> {
    let Some(path) = init else { return Ok(net) };
    let bytes = pretrained::read(path)?;
    load_pretrained(net, &bytes).with_context(|| format!("{} does not fit", path.display()))
}
