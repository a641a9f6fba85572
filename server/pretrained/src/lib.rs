//! Pretrained weights from files of others, as safetensors: safetensors themselves, and PyTorch's `.pth` and `.pt`.
//!
//! **Invariant:** a file is only ever data. No class or function that it names is looked up, what it claims of sizes is
//! checked before memory is taken, and a damaged or hostile file is an error.

mod archive;
mod pickle;
#[cfg(test)]
mod tests;

use anyhow::{Context, bail, ensure};
use dataset::foreign::{Foreign, refuse_foreign};
use safetensors::{SafeTensorError, SafeTensors};
use std::path::Path;

/// The tensors of a file as safetensors, under the names that they have in it; see [`to_safetensors`].
///
/// # Errors
/// If the file cannot be read, and as [`to_safetensors`].
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    ensure!(
        !path.is_dir(),
        "{} is a folder; name the file of weights in it",
        path.display()
    );
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    to_safetensors(bytes).with_context(|| format!("in {}", path.display()))
}

/// The tensors of a file's contents as safetensors.
///
/// What the file is, it says by its first bytes. A `.pth` may be PyTorch's of today (a zip archive) or of before 1.6, and
/// hold a `state_dict` or a dictionary with one under `state_dict`, `model_state_dict` or `model`. Names that all begin
/// with `module.`, as `DataParallel` leaves them, lose that.
///
/// # Errors
/// If a file is damaged, holds anything but dictionaries of tensors, or is of another kind, which is then named.
pub fn to_safetensors(bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let unreadable = "this is no file of weights that can be read";
    refuse_foreign(&bytes).context(unreadable)?;
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[pickle::PROTO]) {
        return archive::to_safetensors(&bytes).with_context(|| {
            format!(
                "{unreadable}\nhint: download the file again if it may be cut off, or save the weights again by \
                 torch.save(model.state_dict(), \"weights.pth\"), or as safetensors"
            )
        });
    }
    check_safetensors(&bytes).context(unreadable)?;
    Ok(bytes)
}

fn check_safetensors(bytes: &[u8]) -> anyhow::Result<()> {
    const CUT: &str = "download or save it again, and look at its size";
    let header = bytes.first_chunk().map(|length| u64::from_le_bytes(*length));
    if bytes.get(8) != Some(&b'{') {
        if let Some(foreign) = Foreign::guess(bytes) {
            return Err(foreign.into());
        }
        let first: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        bail!(
            "it is neither safetensors nor PyTorch's; it begins with the bytes {}\nhint: {CUT}",
            first.join(" ")
        );
    }
    match (SafeTensors::deserialize(bytes), header) {
        (Ok(_), _) => Ok(()),
        (Err(SafeTensorError::InvalidHeaderLength | SafeTensorError::MetadataIncompleteBuffer), Some(header)) => bail!(
            "it is a safetensors file that is cut off or has bytes too many: {} bytes, {header} of them for its header\n\
             hint: {CUT}",
            bytes.len()
        ),
        (Err(error), _) => bail!("it is a damaged safetensors file: {error}\nhint: {CUT}"),
    }
}
