//! PyTorch's two containers, the zip archive of today and the row of pickles of before 1.6, and the way from either to
//! safetensors.

use super::pickle::{Item, Pickle, Storage, Tensor};
use anyhow::{Context, bail, ensure};
use safetensors::tensor::{Dtype, TensorView};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Keys under which training programs keep the state_dict.
const WRAPPERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// What a DataParallel model's names begin with.
const PARALLEL: &str = "module.";

/// The tensors of a PyTorch file as safetensors.
///
/// # Errors
/// If the file is damaged or holds no dictionary of tensors.
pub(super) fn to_safetensors(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (pickle, mut blocks) = if bytes.starts_with(b"PK") {
        Blocks::of_archive(bytes)?
    } else {
        Blocks::of_row(bytes)?
    };
    let tensors = state_dict(pickle.root())?;
    // Tensors may share a block, but a few bytes must not become many.
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

/// The tensors by name, whether the state_dict is the whole of the file or an entry of it.
fn state_dict(root: Item<'_>) -> anyhow::Result<BTreeMap<&str, &Tensor>> {
    let entries = root.as_dict().context("it holds no dictionary")?;
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
                "there is no tensor in it, nor under {}; its entries are {}",
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

/// Element type and bytes of an element.
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
            "its numbers are of the type '{other}'; floats of 16, 32 and 64 bits, bfloat16, integers and booleans are read"
        ),
    })
}

/// The tensor's elements in row-major order, at most `limit` bytes.
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
    ensure!(
        last.is_some_and(|last| last < storage.length),
        "it reaches beyond its storage"
    );
    // A stride of 0 shows one element many times.
    let bytes = count.checked_mul(size).filter(|bytes| *bytes <= limit);
    let bytes = bytes.context("it has more elements than the file")?;
    let block = blocks.read(storage, size)?;
    let mut dense = Vec::with_capacity(bytes);
    let mut position = vec![0; shape.len()];
    // Runs along the last dimension are copied at once where they lie together.
    let run = match (shape.last(), stride.last()) {
        (Some(side), Some(1)) => *side,
        _ => 1,
    };
    let mut from = *offset;
    while dense.len() < bytes {
        dense.extend_from_slice(
            block
                .get(from * size..(from + run) * size)
                .context("its storage is cut off")?,
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

/// The blocks of numbers of a file.
enum Blocks<'a> {
    Archive {
        zip: ZipArchive<Cursor<&'a [u8]>>,
        folder: String,
    },
    Row(HashMap<String, &'a [u8]>),
}

impl<'a> Blocks<'a> {
    /// `NAME/data.pkl` and the blocks `NAME/data/KEY`, all of them uncompressed.
    fn of_archive(bytes: &'a [u8]) -> anyhow::Result<(Pickle, Self)> {
        const PICKLE: &str = "/data.pkl";
        let mut zip = ZipArchive::new(Cursor::new(bytes)).context("the archive is damaged or cut off")?;
        let folder = zip
            .file_names()
            .find_map(|name| name.strip_suffix(PICKLE).map(str::to_owned));
        let Some(folder) = folder else {
            bail!(other_archive(zip.file_names()))
        };
        ensure!(
            zip.index_for_name(&format!("{folder}/constants.pkl")).is_none(),
            "it is a TorchScript program and no state_dict; load it by torch.jit.load and save its state_dict()"
        );
        let order = format!("{folder}/byteorder");
        if zip.index_for_name(&order).is_some() {
            ensure!(entry(&mut zip, &order, 16)? == b"little", "its numbers are big-endian");
        }
        let pickle = Pickle::read(&entry(&mut zip, &format!("{folder}{PICKLE}"), bytes.len())?)?;
        Ok((pickle, Self::Archive { zip, folder }))
    }

    /// Pickles of a magic number, the version, the machine, the object and the keys of its blocks; then the blocks.
    fn of_row(bytes: &'a [u8]) -> anyhow::Result<(Pickle, Self)> {
        /// The pickle of PyTorch's magic number 0x1950a86a20f9469cfc6c.
        const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
        let mut rest = bytes
            .strip_prefix(MAGIC)
            .context("it is a pickle that PyTorch did not write")?;
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
        ensure!(little == Some(true), "its numbers are not little-endian");
        let storages: HashMap<&str, &Storage> = pickle
            .storages()
            .map(|storage| (storage.key.as_str(), storage))
            .collect();
        let mut blocks = HashMap::new();
        for key in keys.root().as_list().context("it has no list of blocks")? {
            let key = key.as_text().context("a block has no name")?;
            let storage = storages
                .get(key)
                .with_context(|| format!("the block '{key}' belongs to no tensor"))?;
            let (_, size) = element(&storage.kind)?;
            let length = storage.length.checked_mul(size);
            let (head, tail) = rest.split_at_checked(8).context("it is cut off")?;
            ensure!(
                head == (storage.length as u64).to_le_bytes(),
                "the block '{key}' has another length than said"
            );
            let block = length
                .and_then(|length| tail.split_at_checked(length))
                .context("it is cut off")?;
            blocks.insert(key.to_owned(), block.0);
            rest = block.1;
        }
        Ok((pickle, Self::Row(blocks)))
    }

    /// The block of a storage, whose elements have `size` bytes.
    fn read(&mut self, storage: &Storage, size: usize) -> anyhow::Result<Cow<'a, [u8]>> {
        let length = storage.length.checked_mul(size).context("it is too large")?;
        let block: Cow<'a, [u8]> = match self {
            Self::Archive { zip, folder } => entry(zip, &format!("{folder}/data/{}", storage.key), length)?.into(),
            Self::Row(blocks) => Cow::Borrowed(blocks.get(&storage.key).copied().context("its storage is missing")?),
        };
        ensure!(
            block.len() == length,
            "its storage has {} bytes instead of {length}",
            block.len()
        );
        Ok(block)
    }
}

/// What a zip archive is that PyTorch did not write, by the names of its entries.
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
            "the archive has no data.pkl, so PyTorch did not write it; it has {}",
            shown.join(", ")
        )
    }
}

/// An entry of at most `limit` bytes.
fn entry(zip: &mut ZipArchive<Cursor<&[u8]>>, name: &str, limit: usize) -> anyhow::Result<Vec<u8>> {
    let file = zip.by_name(name).with_context(|| {
        format!(
            "the archive's '{name}' cannot be read; entries that a zip program has compressed must be stored (zip -0)"
        )
    })?;
    ensure!(
        file.size() <= limit as u64,
        "the archive's '{name}' is larger than it should be"
    );
    let mut bytes = Vec::new();
    file.take(limit as u64)
        .read_to_end(&mut bytes)
        .with_context(|| format!("the archive's '{name}' is damaged"))?;
    Ok(bytes)
}
