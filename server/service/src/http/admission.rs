//! Places among the searches in flight, and the memory of their bodies.
//!
//! **Invariants:** a place is taken after the body has arrived, so that slow bodies keep nobody out; it goes with the work
//! and is given back when the work has ended, also when the client leaves before. Photos and embeddings have places of
//! their own, so that neither keeps the other out.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::Limits;

/// Bytes that one permit of the bodies' memory stands for.
const UNIT: usize = 1024;

/// Resources that requests share.
pub(super) struct Admission {
    photos: Arc<Semaphore>,
    embeddings: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
}

/// A place among the searches in flight and the memory of its body, until its last clone is dropped.
#[derive(Clone)]
pub(super) struct Place {
    _held: Arc<(OwnedSemaphorePermit, BodyMemory)>,
}

/// A body's share of the memory for bodies, until it is dropped.
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

    /// Leave to compute a search by photo, if there is room.
    pub(super) fn photo(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.photos).try_acquire_owned().ok()
    }

    /// Leave to compute a search by embedding, if there is room.
    pub(super) fn embedding(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.embeddings).try_acquire_owned().ok()
    }

    /// Memory for a body of which nothing has arrived yet.
    pub(super) fn body(&self) -> BodyMemory {
        BodyMemory {
            bodies: Arc::clone(&self.bodies),
            share: None,
        }
    }
}

impl Place {
    pub(super) fn new(permit: OwnedSemaphorePermit, memory: BodyMemory) -> Self {
        Self {
            _held: Arc::new((permit, memory)),
        }
    }
}

impl BodyMemory {
    /// Makes sure of memory for `bytes` in all; false when there is not so much left.
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
