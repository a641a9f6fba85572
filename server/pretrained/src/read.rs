//! Reading of files of weights as safetensors, whatever their format.

use crate::{archive, pickle};
use anyhow::{Context, bail, ensure};
use dataset::foreign::{Foreign, refuse_foreign};
use safetensors::{SafeTensorError, SafeTensors};
use std::path::Path;

/// Reads the tensors of a file as safetensors; see [`to_safetensors`].
///
/// # Errors
/// If the file cannot be read or converted.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    ensure!(
        !path.is_dir(),
        "{} is a folder; name the file of weights in it",
        path.display()
    );
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    to_safetensors(bytes).with_context(|| format!("in {}", path.display()))
}

/// Converts the bytes of a file to safetensors, with the names of its tensors.
///
/// Detects the format by the first bytes. A `.pth` file is a zip archive or, before PyTorch 1.6, a sequence of pickles. It
/// contains a `state_dict`, or a dictionary with one under `state_dict`, `model_state_dict` or `model`. If all names begin
/// with `module.`, the prefix of `DataParallel`, it is removed.
///
/// # Errors
/// If the file is damaged, contains anything but dictionaries of tensors, or is of another kind. Names the kind.
pub fn to_safetensors(bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let unreadable = "this is not a readable file of weights";
    refuse_foreign(&bytes).context(unreadable)?;
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[pickle::PROTO]) {
        return archive::to_safetensors(&bytes).with_context(|| {
            format!(
                "{unreadable}\nhint: download the file again if it may be truncated, or save the weights again by \
                 torch.save(model.state_dict(), \"weights.pth\"), or as safetensors"
            )
        });
    }
    check_safetensors(&bytes).context(unreadable)?;
    Ok(bytes)
}

fn check_safetensors(bytes: &[u8]) -> anyhow::Result<()> {
    const TRUNCATED: &str = "download or save it again, and check its size";
    let header = bytes.first_chunk().map(|length| u64::from_le_bytes(*length));
    if bytes.get(8) != Some(&b'{') {
        if let Some(foreign) = Foreign::guess(bytes) {
            return Err(foreign.into());
        }
        let first: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        bail!(
            "it is neither a safetensors nor a PyTorch file; it begins with the bytes {}\nhint: {TRUNCATED}",
            first.join(" ")
        );
    }
    match (SafeTensors::deserialize(bytes), header) {
        (Ok(_), _) => Ok(()),
        (Err(SafeTensorError::InvalidHeaderLength | SafeTensorError::MetadataIncompleteBuffer), Some(header)) => bail!(
            "it is a safetensors file that is truncated or has surplus bytes: {} bytes, {header} of them for its header\n\
             hint: {TRUNCATED}",
            bytes.len()
        ),
        (Err(error), _) => bail!("it is a damaged safetensors file: {error}\nhint: {TRUNCATED}"),
    }
}
