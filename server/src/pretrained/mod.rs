//! Pretrained weights from files of others, as safetensors: safetensors themselves, and PyTorch's `.pth` and `.pt`.
//!
//! **Invariant:** a file is only ever data. No class or function that it names is looked up, what it claims of sizes is
//! checked before memory is taken, and a damaged or hostile file is an error.

mod archive;
mod pickle;

use anyhow::Context;
use std::path::Path;

/// The tensors of a file as safetensors, under the names that they have in it; see [`to_safetensors`].
///
/// # Errors
/// If the file cannot be read, and as [`to_safetensors`].
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    to_safetensors(bytes).with_context(|| format!("in {}", path.display()))
}

/// The tensors of a file's contents as safetensors.
///
/// What the file is, it says by its first bytes. A `.pth` may be PyTorch's of today (a zip archive) or of before 1.6, and
/// hold a `state_dict` or a dictionary with one under `state_dict`, `model_state_dict` or `model`. Names that all begin
/// with `module.`, as `DataParallel` leaves them, lose that. Anything else is taken for safetensors, whose reader is
/// strict itself.
///
/// # Errors
/// If a PyTorch file is damaged, or holds anything but dictionaries of tensors.
pub fn to_safetensors(bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    if !bytes.starts_with(b"PK\x03\x04") && !bytes.starts_with(&[pickle::PROTO]) {
        return Ok(bytes);
    }
    archive::to_safetensors(&bytes).context(
        "this is no file of weights that can be read\nhint: save them again by \
         torch.save(model.state_dict(), \"weights.pth\"), or as safetensors",
    )
}
