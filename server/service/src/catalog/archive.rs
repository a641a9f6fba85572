//! Photos in a tar archive.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use flate2::read::GzDecoder;
use store::UNPACKED;

/// Maximum bytes of a photo.
const MAX_PHOTO: u64 = 64 << 20;

/// Result of unpacking an archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unpacked {
    /// Number of photos.
    pub photos: usize,
    /// Entries that were left out, each with the reason.
    pub left_out: Vec<(String, &'static str)>,
}

/// Unpacks the files of the archive `path`, plain or compressed with gzip, into the folder of photos of the store in `store`.
/// A product names a photo by its path in the archive. Files of the same path are replaced.
///
/// Only regular files with plain relative paths are unpacked. Links, devices and paths out of the folder are left out.
///
/// # Errors
/// If the archive is damaged, or a file cannot be written.
pub fn unpack(path: &Path, store: &Path) -> anyhow::Result<Unpacked> {
    let open = || File::open(path).with_context(|| format!("cannot open {}", path.display()));
    let mut begin = [0; 2];
    let is_compressed = open()?.read_exact(&mut begin).is_ok() && begin == [0x1f, 0x8b];
    let file = BufReader::new(open()?);
    let unpacked = if is_compressed {
        unpack_from(GzDecoder::new(file), store)
    } else {
        unpack_from(file, store)
    };
    unpacked.with_context(|| format!("cannot unpack {}; is it a tar archive?", path.display()))
}

fn unpack_from(archive: impl Read, store: &Path) -> anyhow::Result<Unpacked> {
    let folder = store.join(UNPACKED);
    fs::create_dir_all(&folder)?;
    let mut unpacked = Unpacked::default();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        let refused = if !kind.is_file() {
            Some("it is not a regular file")
        } else if entry.size() > MAX_PHOTO {
            Some("it is larger than 64 MB")
        } else {
            None
        };
        let target = match (refused, plain(&name)) {
            (None, Some(relative)) => folder.join(relative),
            (Some(reason), _) => {
                unpacked.left_out.push((name.display().to_string(), reason));
                continue;
            }
            (None, None) => {
                let reason = "it is not a path inside the archive";
                unpacked.left_out.push((name.display().to_string(), reason));
                continue;
            }
        };
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        dataset::atomic::write_with(&target, |file| {
            std::io::copy(&mut entry, file)?;
            Ok(())
        })?;
        unpacked.photos += 1;
    }
    Ok(unpacked)
}

/// The path without `.`, if it leads nowhere else.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => relative.push(part),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (!relative.as_os_str().is_empty()).then_some(relative)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// An archive of entries, each with a path and a kind.
    fn archive(entries: &[(&str, tar::EntryType)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind) in entries {
            let mut header = tar::Header::new_gnu();
            // The path is written directly, because the builder refuses paths that lead out.
            header.as_gnu_mut().expect("the header is GNU's").name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(if kind.is_file() { 5 } else { 0 });
            header.set_mode(0o644);
            header.set_cksum();
            let content: &[u8] = if kind.is_file() { b"photo" } else { b"" };
            builder.append(&header, content).expect("memory takes all bytes");
        }
        builder.into_inner().expect("memory takes all bytes")
    }

    #[test]
    fn only_plain_files_are_unpacked() {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let plain = archive(&[
            ("a/1.jpg", tar::EntryType::Regular),
            ("./2.jpg", tar::EntryType::Regular),
            ("../out.jpg", tar::EntryType::Regular),
            ("/etc/out.jpg", tar::EntryType::Regular),
            ("link.jpg", tar::EntryType::Symlink),
            ("a", tar::EntryType::Directory),
        ]);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&plain).expect("memory takes all bytes");
        let packed = packed.finish().expect("memory takes all bytes");
        for (name, bytes) in [("plain.tar", plain), ("packed.tar.gz", packed)] {
            let store = folder.path().join(name.replace('.', "-"));
            let path = folder.path().join(name);
            fs::write(&path, bytes).expect("the archive is written");
            let unpacked = unpack(&path, &store).expect("the archive is whole");
            assert_eq!((unpacked.photos, unpacked.left_out.len()), (2, 3), "{unpacked:?}");
            assert!(store.join("photos/a/1.jpg").exists() && store.join("photos/2.jpg").exists());
            assert!(!folder.path().join("out.jpg").exists());
        }
        let path = folder.path().join("text.tar");
        fs::write(&path, "not an archive").expect("the file is written");
        assert!(unpack(&path, folder.path()).is_err());
    }
}
