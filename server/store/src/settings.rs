//! Settings that a store remembers.

use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, params};

use crate::error::StoreError;
use crate::store::Store;

/// Name of the setting of the folder of images.
const IMAGES: &str = "images";
/// Name of the setting of the key that signs cursors.
const CURSOR_KEY: &str = "cursor_key";

impl Store {
    /// Folder of the image files, to which the sources of images are relative. `None` before the first import of images.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn image_folder(&self) -> Result<Option<PathBuf>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare_cached("SELECT value FROM settings WHERE name = ?1")?;
            let found = statement
                .query_row([IMAGES], |row| row.get::<_, String>(0))
                .optional()?;
            Ok(found.map(PathBuf::from))
        })
    }

    /// Secret that signs the cursors of searches: 64 hexadecimal digits. It was made at random with the store.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn cursor_key(&self) -> Result<String, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare_cached("SELECT value FROM settings WHERE name = ?1")?;
            Ok(statement.query_row([CURSOR_KEY], |row| row.get(0))?)
        })
    }

    /// Remembers the folder of the image files.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn set_image_folder(&self, folder: &Path) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute(
                "INSERT OR REPLACE INTO settings(name, value) VALUES (?1, ?2)",
                params![IMAGES, folder.to_string_lossy()],
            )?;
            Ok(())
        })
    }
}
