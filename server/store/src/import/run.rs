//! Run of an import: staging, the check of the limit, and applying.

use std::ops::ControlFlow;

use rusqlite::Connection;

use super::images::ImageSource;
use super::options::ImportOptions;
use super::reader;
use super::report::{Counts, ImportProgress, ImportReport, Outcome, Phase};
use super::stage::{self, Import, Staged};
use super::text::inspect;
use crate::changes::{Effect, Expected, put};
use crate::db::products;
use crate::error::StoreError;
use crate::store::Store;

/// Called after each batch. It ends the import with [`ControlFlow::Break`].
type Watch<'a> = &'a mut dyn FnMut(&ImportProgress) -> ControlFlow<()>;

impl Store {
    /// Imports a file of products. `images` reads the images that the rows name.
    ///
    /// The rows are applied only if the whole file was read and few enough rows and images failed. Then they are applied in
    /// batches, and other changes can be made between two batches. An import of the same file with the same options
    /// continues one that was killed or cancelled.
    ///
    /// # Errors
    /// [`StoreError::Source`] if the file as a whole cannot be used, and errors of files and of the database. Rows that cannot
    /// be used are not errors. The report lists them.
    pub fn import(
        &self,
        options: &ImportOptions,
        images: &dyn ImageSource,
        watch: &mut dyn FnMut(&ImportProgress) -> ControlFlow<()>,
    ) -> Result<ImportReport, StoreError> {
        let _importing = self.begin_import();
        let inspected = inspect(&options.file, options.encoding)?;
        let fingerprint = options.fingerprint(&inspected.sha256);
        let (mut import, resumed) = self.write(|db| stage::begin(db, &fingerprint))?;
        let report = |import: &Import, outcome| ImportReport {
            outcome,
            counts: import.staging.counts,
            faults: import.staging.faults.clone(),
            ignored: import.staging.ignored.clone(),
            resumed,
        };
        let staged = self.stage(options, images, inspected.encoding, &mut import, watch);
        match staged {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => return Ok(report(&import, Outcome::Cancelled)),
            Err(error) => {
                // A file that cannot be read to its end cannot be continued either.
                if matches!(error, StoreError::Source { .. }) {
                    self.write(|db| stage::end(db, import.number))?;
                }
                return Err(error);
            }
        }
        if import.applied == 0 && exceeds(&import.staging.counts, options.max_errors) {
            self.write(|db| stage::end(db, import.number))?;
            return Ok(report(&import, Outcome::Aborted));
        }
        if self.apply(options, &mut import, watch)?.is_break() {
            return Ok(report(&import, Outcome::Cancelled));
        }
        self.write(|db| stage::end(db, import.number))?;
        let outcome = if options.dry_run {
            Outcome::DryRun
        } else {
            Outcome::Applied
        };
        Ok(report(&import, outcome))
    }

    /// Stages the records that are not staged yet.
    fn stage(
        &self,
        options: &ImportOptions,
        images: &dyn ImageSource,
        encoding: &'static encoding_rs::Encoding,
        import: &mut Import,
        watch: Watch<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        if import.is_complete {
            return Ok(ControlFlow::Continue(()));
        }
        let mut records = reader::open(options, encoding)?;
        for _ in 0..import.staged {
            records.next()?;
        }
        loop {
            let mut batch = Vec::new();
            while batch.len() < options.batch.max(1) {
                match records.next()? {
                    Some(record) => batch.push(record),
                    None => break,
                }
            }
            let is_last = batch.len() < options.batch.max(1);
            // Images are read outside of the transaction, so that other writes do not wait for them.
            let prepare = |record| stage::prepare(self, record, images, options);
            let prepared = batch.into_iter().map(prepare).collect::<Result<Vec<_>, _>>()?;
            import.is_complete = is_last;
            records.ignored(&mut import.staging.ignored);
            self.write(|db| stage::stage(db, import, prepared, options))?;
            let progress = ImportProgress {
                phase: Phase::Staging,
                done: import.staged,
                total: None,
            };
            if watch(&progress).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if is_last {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    /// Applies the staged rows that are not applied yet. A dry run rolls every batch back.
    fn apply(
        &self,
        options: &ImportOptions,
        import: &mut Import,
        watch: Watch<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        loop {
            let number = import.number;
            let batch = self.read(|db| stage::staged(db, number, import.applied, options.batch.max(1)))?;
            let Some(last) = batch.last().map(|row| row.record) else {
                return Ok(ControlFlow::Continue(()));
            };
            self.write_or_try(options.dry_run, |db| {
                for row in batch {
                    apply_row(db, row, import, options)?;
                }
                import.applied = last;
                stage::record(db, import)
            })?;
            let progress = ImportProgress {
                phase: Phase::Applying,
                done: import.applied,
                total: Some(import.staged),
            };
            if watch(&progress).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
}

fn apply_row(db: &Connection, row: Staged, import: &mut Import, options: &ImportOptions) -> Result<(), StoreError> {
    let before = match row.draft.needs_before(options.mode) {
        true => products::load(db, &row.draft.id)?.map(|stored| stored.product),
        false => None,
    };
    let product = row.draft.product(before.as_ref(), options.mode);
    // The product in the catalog may have changed since the row was staged.
    if let Err(error) = product.check() {
        let fault = stage::fault_of(error)?.at(&options.name(), row.line);
        stage::reject(import, fault);
        return Ok(());
    }
    let counts = &mut import.staging.counts;
    match put(db, &product, Expected::Any)?.1 {
        Effect::Created => counts.created += 1,
        Effect::Changed => counts.changed += 1,
        Effect::Unchanged => counts.unchanged += 1,
    }
    Ok(())
}

/// True if more rows or images failed than the share allows.
fn exceeds(counts: &Counts, share: f64) -> bool {
    // The counts are far below 2^53, so they are exact.
    let too_many = |failed: u64, all: u64| failed as f64 > share * all as f64;
    too_many(counts.failed_rows, counts.rows) || too_many(counts.failed_images, counts.images)
}
