//! Conversion of PyTorch's containers to safetensors: zip archives, and sequences of pickles from before version 1.6.

use super::pickle::{Item, Pickle, Storage, Tensor};
use anyhow::{Context, bail, ensure};
use safetensors::tensor::{Dtype, TensorView};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Keys under which training programs store the state_dict.
const WRAPPERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Prefix of the names of a DataParallel model.
const PARALLEL: &str = "module.";

/// Converts a PyTorch file to safetensors.
///
/// # Errors
/// If the file is damaged or does not contain a dictionary of tensors.
pub(super) fn to_safetensors(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (pickle, mut blocks) = if bytes.starts_with(b"PK") {
        Blocks::from_archive(bytes)?
    } else {
        Blocks::from_pickles(bytes)?
    };
    let tensors = state_dict(pickle.root())?;
    // Tensors may share a block, but a small file must not expand to a large one.
    let limit = bytes.len().saturating_mul(2);
    let mut total = 0;
    let mut data = Vec::with_capacity(tensors.len());
    for (name, tensor) in &tensors {
        let (dtype, dense) = dense(tensor, limit - total, &mut blocks).with_context(|| format!("in '{name}'"))?;
        total += dense.len();
        data.push((*name, dtype, &tensor.shape, dense));
    }
    let views = data
        .iter()
        .map(|(name, dtype, shape, dense)| Ok((*name, TensorView::new(*dtype, shape.to_vec(), dense)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(safetensors::serialize(views, None)?)
}

/// Returns the tensors by name. The state_dict is the root value or an entry of it.
fn state_dict(root: Item<'_>) -> anyhow::Result<BTreeMap<&str, &Tensor>> {
    let entries = root.as_dict().context("it does not contain a dictionary")?;
    let tensors = |entries: &[(&'_ str, Item<'_>)]| entries.iter().any(|(_, item)| item.as_tensor().is_some());
    let inner = WRAPPERS.iter().find_map(|wrapper| {
        let (_, item) = entries.iter().find(|(key, _)| key == wrapper)?;
        item.as_dict().filter(|inner| tensors(inner))
    });
    let state = match inner {
        Some(inner) => inner,
        None if tensors(&entries) => entries,
        None => {
            let keys: Vec<&str> = entries.iter().take(8).map(|(key, _)| *key).collect();
            bail!(
                "it contains no tensor, and neither do its entries {}; its entries are {}",
                WRAPPERS.join(", "),
                keys.join(", ")
            )
        }
    };
    let parallel = state.iter().all(|(key, _)| key.starts_with(PARALLEL));
    let skipped = if parallel { PARALLEL.len() } else { 0 };
    Ok(state
        .into_iter()
        .filter_map(|(key, item)| Some((&key[skipped..], item.as_tensor()?)))
        .collect())
}

/// Element type of a storage, and bytes per element.
fn element(kind: &str) -> anyhow::Result<(Dtype, usize)> {
    Ok(match kind {
        "FloatStorage" => (Dtype::F32, 4),
        "HalfStorage" => (Dtype::F16, 2),
        "BFloat16Storage" => (Dtype::BF16, 2),
        "DoubleStorage" => (Dtype::F64, 8),
        "LongStorage" => (Dtype::I64, 8),
        "IntStorage" => (Dtype::I32, 4),
        "ShortStorage" => (Dtype::I16, 2),
        "CharStorage" => (Dtype::I8, 1),
        "ByteStorage" => (Dtype::U8, 1),
        "BoolStorage" => (Dtype::BOOL, 1),
        other => bail!(
            "its elements have the type '{other}'; floats of 16, 32 and 64 bits, bfloat16, integers and booleans are supported"
        ),
    })
}

/// Copies the elements of a tensor in row-major order.
///
/// # Errors
/// If the tensor exceeds its storage, or has more than `limit` bytes.
fn dense(tensor: &Tensor, limit: usize, blocks: &mut Blocks<'_>) -> anyhow::Result<(Dtype, Vec<u8>)> {
    let Tensor {
        storage,
        offset,
        shape,
        stride,
    } = tensor;
    let (dtype, size) = element(&storage.kind)?;
    let count = shape
        .iter()
        .try_fold(1_usize, |count, side| count.checked_mul(*side))
        .context("it is too large")?;
    if count == 0 {
        return Ok((dtype, Vec::new()));
    }
    let last = shape.iter().zip(stride).try_fold(*offset, |last, (side, step)| {
        (side - 1).checked_mul(*step).and_then(|far| last.checked_add(far))
    });
    ensure!(last.is_some_and(|last| last < storage.length), "it exceeds its storage");
    // A stride of 0 repeats one element.
    let bytes = count.checked_mul(size).filter(|bytes| *bytes <= limit);
    let bytes = bytes.context("it has more elements than the file")?;
    let block = blocks.read(storage, size)?;
    let mut dense = Vec::with_capacity(bytes);
    let mut position = vec![0; shape.len()];
    // Contiguous elements along the last dimension are copied at once.
    let run = match (shape.last(), stride.last()) {
        (Some(side), Some(1)) => *side,
        _ => 1,
    };
    let mut from = *offset;
    while dense.len() < bytes {
        dense.extend_from_slice(
            block
                .get(from * size..(from + run) * size)
                .context("its storage is truncated")?,
        );
        let mut step = run;
        for axis in (0..shape.len()).rev() {
            position[axis] += step;
            from += step * stride[axis];
            if position[axis] < shape[axis] {
                break;
            }
            from -= position[axis] * stride[axis];
            position[axis] = 0;
            step = 1;
        }
    }
    Ok((dtype, dense))
}

/// Storages of a file.
enum Blocks<'a> {
    /// Entries `FOLDER/data/KEY` of a zip archive.
    Archive {
        zip: ZipArchive<Cursor<&'a [u8]>>,
        folder: String,
    },
    /// Blocks by key that follow the pickles.
    Pickles(HashMap<String, &'a [u8]>),
}

impl<'a> Blocks<'a> {
    /// Opens a zip archive with `NAME/data.pkl` and the blocks `NAME/data/KEY`, all uncompressed.
    fn from_archive(bytes: &'a [u8]) -> anyhow::Result<(Pickle, Self)> {
        const PICKLE: &str = "/data.pkl";
        let mut zip = ZipArchive::new(Cursor::new(bytes)).context("the archive is damaged or truncated")?;
        let folder = zip
            .file_names()
            .find_map(|name| name.strip_suffix(PICKLE).map(str::to_owned));
        let Some(folder) = folder else {
            bail!(other_archive(zip.file_names()))
        };
        ensure!(
            zip.index_for_name(&format!("{folder}/constants.pkl")).is_none(),
            "it is a TorchScript program, not a state_dict; load it with torch.jit.load and save its state_dict()"
        );
        let order = format!("{folder}/byteorder");
        if zip.index_for_name(&order).is_some() {
            ensure!(entry(&mut zip, &order, 16)? == b"little", "its elements are big-endian");
        }
        let pickle = Pickle::read(&entry(&mut zip, &format!("{folder}{PICKLE}"), bytes.len())?)?;
        Ok((pickle, Self::Archive { zip, folder }))
    }

    /// Reads pickles of a magic number, the version, the machine, the object and the keys of its blocks, and then the blocks.
    fn from_pickles(bytes: &'a [u8]) -> anyhow::Result<(Pickle, Self)> {
        /// Pickle of PyTorch's magic number 0x1950a86a20f9469cfc6c.
        const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
        let mut rest = bytes
            .strip_prefix(MAGIC)
            .context("it is a pickle of another program than PyTorch")?;
        let mut next = || -> anyhow::Result<Pickle> {
            let pickle = Pickle::read(rest)?;
            rest = &rest[pickle.length..];
            Ok(pickle)
        };
        let (_version, machine, pickle, keys) = (next()?, next()?, next()?, next()?);
        let machine = machine.root().as_dict().unwrap_or_default();
        let little = machine
            .iter()
            .find(|(key, _)| *key == "little_endian")
            .and_then(|(_, item)| item.as_bool());
        ensure!(little == Some(true), "its elements are not little-endian");
        let storages: HashMap<&str, &Storage> = pickle
            .storages()
            .map(|storage| (storage.key.as_str(), storage))
            .collect();
        let mut blocks = HashMap::new();
        for key in keys.root().as_list().context("it lacks the list of blocks")? {
            let key = key.as_text().context("a block has no name")?;
            let storage = storages
                .get(key)
                .with_context(|| format!("the block '{key}' belongs to no tensor"))?;
            let (_, size) = element(&storage.kind)?;
            let length = storage.length.checked_mul(size);
            let (head, tail) = rest.split_at_checked(8).context("it is truncated")?;
            ensure!(
                head == (storage.length as u64).to_le_bytes(),
                "the length of the block '{key}' contradicts its storage"
            );
            let block = length
                .and_then(|length| tail.split_at_checked(length))
                .context("it is truncated")?;
            blocks.insert(key.to_owned(), block.0);
            rest = block.1;
        }
        Ok((pickle, Self::Pickles(blocks)))
    }

    /// Reads the block of a storage whose elements have `size` bytes.
    fn read(&mut self, storage: &Storage, size: usize) -> anyhow::Result<Cow<'a, [u8]>> {
        let length = storage.length.checked_mul(size).context("it is too large")?;
        let block: Cow<'a, [u8]> = match self {
            Self::Archive { zip, folder } => entry(zip, &format!("{folder}/data/{}", storage.key), length)?.into(),
            Self::Pickles(blocks) => {
                Cow::Borrowed(blocks.get(&storage.key).copied().context("its storage is missing")?)
            }
        };
        ensure!(
            block.len() == length,
            "its storage has {} bytes instead of {length}",
            block.len()
        );
        Ok(block)
    }
}

/// Message for a zip archive that PyTorch did not write, by the names of its entries.
fn other_archive<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.filter(|name| !name.ends_with('/')).collect();
    let with = |endings: &[&str]| {
        names
            .iter()
            .find(|name| endings.iter().any(|ending| name.ends_with(ending)))
    };
    if let Some(name) = with(&[".pth", ".pt", ".safetensors", ".bin", ".ckpt", ".tar"]) {
        format!("it is a zip archive around '{name}'; unpack it and name that file")
    } else if with(&[".npy"]).is_some() {
        "it is a NumPy archive of arrays; convert it to safetensors under torchvision's names".to_owned()
    } else if with(&[".weights.h5"]).is_some() {
        "it is a Keras model; convert it to safetensors under torchvision's names".to_owned()
    } else {
        let shown: Vec<&str> = names.iter().take(4).copied().collect();
        format!(
            "the archive lacks data.pkl, so PyTorch did not write it; it contains {}",
            shown.join(", ")
        )
    }
}

/// Reads an entry of at most `limit` bytes.
fn entry(zip: &mut ZipArchive<Cursor<&[u8]>>, name: &str, limit: usize) -> anyhow::Result<Vec<u8>> {
    let file = zip.by_name(name).with_context(|| {
        format!("the archive's '{name}' cannot be read; compressed entries must be stored without compression (zip -0)")
    })?;
    ensure!(
        file.size() <= limit as u64,
        "the archive's '{name}' is larger than expected"
    );
    let mut bytes = Vec::new();
    file.take(limit as u64)
        .read_to_end(&mut bytes)
        .with_context(|| format!("the archive's '{name}' is damaged"))?;
    Ok(bytes)
}
