//! Limits on the searches in flight and on the memory of their bodies.
//!
//! **Invariants:** a search takes its permit after its body has arrived, so that slow bodies do not block others. The
//! permit is returned when the work has ended, even if the client leaves before. Photos and embeddings have separate
//! permits, so that neither blocks the other.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::Limits;

/// Bytes per permit of the memory for bodies.
const UNIT: usize = 1024;

/// Permits for searches, and memory for bodies.
pub(super) struct Admission {
    photos: Arc<Semaphore>,
    embeddings: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
}

/// Permit of a search with the memory of its body. Both are returned when the last clone is dropped.
#[derive(Clone)]
pub(super) struct SearchPermit {
    _held: Arc<(OwnedSemaphorePermit, BodyMemory)>,
}

/// Share of a body in the memory for bodies. It is returned when this is dropped.
pub(super) struct BodyMemory {
    bodies: Arc<Semaphore>,
    share: Option<OwnedSemaphorePermit>,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self {
            photos: semaphore(limits.photos),
            embeddings: semaphore(limits.embeddings),
            bodies: semaphore(limits.body_bytes.div_ceil(UNIT)),
        }
    }

    /// Takes a permit for a search by photo; `None` if all are taken.
    pub(super) fn photo(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.photos).try_acquire_owned().ok()
    }

    /// Takes a permit for a search by embedding; `None` if all are taken.
    pub(super) fn embedding(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.embeddings).try_acquire_owned().ok()
    }

    /// Memory of a body before its first byte.
    pub(super) fn body(&self) -> BodyMemory {
        BodyMemory {
            bodies: Arc::clone(&self.bodies),
            share: None,
        }
    }
}

impl SearchPermit {
    pub(super) fn new(permit: OwnedSemaphorePermit, memory: BodyMemory) -> Self {
        Self {
            _held: Arc::new((permit, memory)),
        }
    }
}

impl BodyMemory {
    /// Takes memory until the share is `bytes`. False if not enough memory is left.
    pub(super) fn grow_to(&mut self, bytes: usize) -> bool {
        let have = self.share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(UNIT).saturating_sub(have);
        if more == 0 {
            return true;
        }
        let more = u32::try_from(more)
            .ok()
            .and_then(|more| Arc::clone(&self.bodies).try_acquire_many_owned(more).ok());
        match (&mut self.share, more) {
            (_, None) => return false,
            (Some(share), Some(more)) => share.merge(more),
            (share, more) => *share = more,
        }
        true
    }
}
