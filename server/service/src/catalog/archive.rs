//! Photos in a tar archive.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail, ensure};
use flate2::read::GzDecoder;
use store::{Store, UNPACKED, UPLOADS};

use super::photo_files::checksum;

/// Beginning of the names of folders in a store into which archives are unpacked.
const UNPACKING: &str = "unpacking-";

/// Maximum bytes of a photo.
const MAX_PHOTO: u64 = 64 << 20;

/// Limits on an archive.
#[derive(Debug, Clone, Copy)]
pub struct ArchiveLimits {
    /// Maximum bytes of the archive without compression.
    pub bytes: u64,
    /// Maximum number of entries.
    pub entries: usize,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            bytes: 64 << 30,
            entries: 1_000_000,
        }
    }
}

/// Photos of an archive in a folder of their own. They are removed when this is dropped, unless they were [kept](Self::keep).
#[derive(Debug)]
pub struct Unpacked {
    folder: PathBuf,
    /// Paths of the photos in the folder.
    paths: Vec<PathBuf>,
    /// Entries that were left out, each with the reason.
    pub left_out: Vec<(String, &'static str)>,
}

impl Unpacked {
    /// Number of photos.
    #[must_use]
    pub fn photos(&self) -> usize {
        self.paths.len()
    }

    /// The folder. A product names a photo by its path in it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Moves the photos into the folder of photos of `store`. A photo of the same path is replaced. If a product or a sample shows
    /// the replaced photo, the store keeps it by its checksum.
    ///
    /// # Errors
    /// If a file cannot be moved. The files before it were moved.
    pub fn keep(self, store: &Store) -> anyhow::Result<()> {
        let photos = store.dir().join(UNPACKED);
        for path in &self.paths {
            let (from, to) = (self.folder.join(path), photos.join(path));
            let keep = || -> anyhow::Result<()> {
                if let Some(parent) = to.parent() {
                    fs::create_dir_all(parent)?;
                }
                if to.is_file() {
                    keep_replaced(store, &to, &from)?;
                }
                Ok(fs::rename(&from, &to)?)
            };
            keep().with_context(|| format!("cannot keep the photo {}", to.display()))?;
        }
        Ok(())
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Keeps the photo `old`, which `new` replaces, by its checksum if a product or a sample shows it.
fn keep_replaced(store: &Store, old: &Path, new: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(old)?;
    let sha256 = checksum(&bytes);
    if bytes == fs::read(new)? || store.shown_image(&sha256)?.is_none() {
        return Ok(());
    }
    let uploads = store.dir().join(UPLOADS);
    fs::create_dir_all(&uploads)?;
    let kept = uploads.join(sha256);
    if !kept.exists() {
        dataset::atomic::write(&kept, &bytes)?;
    }
    Ok(())
}

/// Removes what a killed process unpacked into the store in the folder `store`.
pub(super) fn remove_unfinished(store: &Path) {
    for entry in fs::read_dir(store).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNPACKING) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Unpacks the files of the archive `path`, plain or compressed with gzip, into a new folder in the folder `store` of a store.
///
/// Only regular files with plain relative paths are unpacked. Links, devices and paths out of the folder are left out.
///
/// # Errors
/// If the archive is damaged, exceeds a limit, or has a path twice, or a file cannot be written. Then no file is left.
pub fn unpack(path: &Path, store: &Path, limits: ArchiveLimits) -> anyhow::Result<Unpacked> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let unpacked = Unpacked {
        folder: store.join(format!("{UNPACKING}{number}")),
        paths: Vec::new(),
        left_out: Vec::new(),
    };
    let open = || File::open(path).with_context(|| format!("cannot open {}", path.display()));
    let mut begin = [0; 2];
    let is_compressed = open()?.read_exact(&mut begin).is_ok() && begin == [0x1f, 0x8b];
    let file = BufReader::new(open()?);
    let unpacked = if is_compressed {
        unpack_from(GzDecoder::new(file), unpacked, limits)
    } else {
        unpack_from(file, unpacked, limits)
    };
    unpacked.with_context(|| format!("cannot unpack {}; is it a tar archive?", path.display()))
}

fn unpack_from(archive: impl Read, mut unpacked: Unpacked, limits: ArchiveLimits) -> anyhow::Result<Unpacked> {
    fs::create_dir_all(&unpacked.folder)?;
    let is_exceeded = Rc::new(Cell::new(false));
    let archive = Limited {
        archive,
        left: limits.bytes,
        is_exceeded: Rc::clone(&is_exceeded),
    };
    // The library replaces the kinds of some errors, so the limit is told beside them.
    let done = unpack_entries(archive, &mut unpacked, limits.entries);
    if is_exceeded.get() {
        bail!(
            "it has more than {} MB without compression; send it in parts",
            limits.bytes >> 20
        );
    }
    done.map(|()| unpacked)
}

fn unpack_entries(archive: impl Read, unpacked: &mut Unpacked, most: usize) -> anyhow::Result<()> {
    let mut known = HashSet::new();
    for (at, entry) in tar::Archive::new(archive).entries()?.enumerate() {
        ensure!(at < most, "it has more than {most} entries; send it in parts");
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        let path = match plain(&name) {
            _ if !kind.is_file() => Err("it is not a regular file"),
            _ if entry.size() > MAX_PHOTO => Err("it is larger than 64 MB"),
            None => Err("it is not a path inside the archive"),
            Some(path) => Ok(path),
        };
        let path = match path {
            Ok(path) => path,
            Err(reason) => {
                unpacked.left_out.push((name.display().to_string(), reason));
                continue;
            }
        };
        // On some file systems, names that differ only in capitals are the same file.
        ensure!(
            known.insert(path.to_string_lossy().to_lowercase()),
            "it has the path `{}` twice, perhaps with other capitals; rename or remove one of the files",
            path.display()
        );
        let target = unpacked.folder.join(&path);
        let mut write = || -> io::Result<()> {
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = File::create_new(&target)?;
            io::copy(&mut entry, &mut file)?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot unpack `{}`", path.display()))?;
        unpacked.paths.push(path);
    }
    Ok(())
}

/// An archive of which at most `left` more bytes can be read.
struct Limited<R> {
    archive: R,
    left: u64,
    is_exceeded: Rc<Cell<bool>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.archive.read(bytes)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                self.is_exceeded.set(true);
                return Err(io::Error::other("the archive is too large"));
            }
        }
        Ok(read)
    }
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
            let path = folder.path().join(name);
            fs::write(&path, bytes).expect("the archive is written");
            let unpacked = unpack(&path, folder.path(), ArchiveLimits::default()).expect("the archive is whole");
            assert_eq!((unpacked.photos(), unpacked.left_out.len()), (2, 3), "{unpacked:?}");
            let place = unpacked.folder().to_owned();
            assert!(place.join("a/1.jpg").exists() && place.join("2.jpg").exists());
            assert!(!folder.path().join("out.jpg").exists());
            drop(unpacked);
            assert!(!place.exists(), "photos that are not kept are removed");
        }
    }

    #[test]
    fn archives_beyond_the_limits_are_refused_and_leave_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let photos = |paths: &[&str]| {
            let entries = paths.iter().map(|path| (*path, tar::EntryType::Regular));
            archive(&entries.collect::<Vec<_>>())
        };
        let limits = ArchiveLimits {
            bytes: 2 << 10,
            entries: 3,
        };
        for (name, bytes, says) in [
            ("text", b"not an archive".to_vec(), "is it a tar archive?"),
            ("twice", photos(&["1.jpg", "./1.jpg"]), "`1.jpg` twice"),
            ("capitals", photos(&["a/1.jpg", "A/1.JPG"]), "`A/1.JPG` twice"),
            (
                "a folder as a file",
                photos(&["a", "a/1.jpg"]),
                "cannot unpack `a/1.jpg`",
            ),
            ("bytes", photos(&["1", "2", "3"]), "more than 0 MB"),
            (
                "entries",
                archive(&[("a", tar::EntryType::Directory); 4]),
                "more than 3 entries",
            ),
        ] {
            let path = folder.path().join("archive.tar");
            fs::write(&path, bytes).expect("the archive is written");
            let error = unpack(&path, folder.path(), limits).expect_err(name);
            let error = format!("{error:#}");
            assert!(error.contains(says), "{name}: `{error}` does not say `{says}`");
            let left = fs::read_dir(folder.path()).expect("the folder exists");
            assert_eq!(left.count(), 1, "{name}: only the archive is left");
        }
    }
}
