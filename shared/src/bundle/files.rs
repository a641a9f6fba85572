//! Weights files of a bundle and their checksums.

use super::error::BundleError;
use super::manifest::{Manifest, ProjectionInfo, WEIGHTS_FILE, WeightsInfo};
use crate::weights::Precision;
use sha2::{Digest, Sha256};

/// Contents of a bundle's weights files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    /// Contents of the file that [`Manifest::weights`] describes.
    pub network: Vec<u8>,
    /// Contents of the file that [`Manifest::projection`] describes, if the manifest has one.
    pub projection: Option<Vec<u8>>,
}

impl From<Vec<u8>> for Weights {
    fn from(network: Vec<u8>) -> Self {
        Self {
            network,
            projection: None,
        }
    }
}

impl Manifest {
    /// Checks the size and the SHA-256 of the network's weights.
    ///
    /// # Errors
    /// [`BundleError::Checksum`] if they differ from the manifest's.
    pub fn check_weights(&self, bytes: &[u8]) -> Result<(), BundleError> {
        let actual = sha256_hex(bytes);
        if actual == self.weights.sha256 && bytes.len() as u64 == self.weights.bytes {
            Ok(())
        } else {
            Err(BundleError::Checksum {
                file: self.weights.file.clone(),
                expected: self.weights.sha256.clone(),
                actual,
            })
        }
    }

    /// Checks the sizes and the SHA-256 of all weights files.
    ///
    /// # Errors
    /// [`BundleError::Checksum`], which names the file, if one differs from the manifest's.
    pub fn check_files(&self, files: &Weights) -> Result<(), BundleError> {
        self.check_weights(&files.network)?;
        self.check_projection(files.projection.as_deref())
    }

    /// Checks the size and the SHA-256 of the projection's file. A missing file counts as empty.
    ///
    /// # Errors
    /// [`BundleError::Checksum`] if they differ from the manifest's.
    pub fn check_projection(&self, read: Option<&[u8]>) -> Result<(), BundleError> {
        let Some(ProjectionInfo {
            file, bytes, sha256, ..
        }) = &self.projection
        else {
            return Ok(());
        };
        let read = read.unwrap_or_default();
        let actual = sha256_hex(read);
        if actual == *sha256 && read.len() as u64 == *bytes {
            Ok(())
        } else {
            Err(BundleError::Checksum {
                file: file.clone(),
                expected: sha256.clone(),
                actual,
            })
        }
    }
}

/// Describes weights that are to be written as [`WEIGHTS_FILE`].
pub fn describe_weights(bytes: &[u8], precision: Precision, folded: bool) -> WeightsInfo {
    WeightsInfo {
        file: WEIGHTS_FILE.to_owned(),
        bytes: bytes.len() as u64,
        sha256: sha256_hex(bytes),
        dtype: precision.name().to_owned(),
        folded,
    }
}

/// Returns the SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
