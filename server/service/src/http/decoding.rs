//! Memory for decoding photos: one budget that photos take from in the order of their arrival.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
use dataset::{Photo, PhotoError};

/// Bytes per permit. One permit per byte would exceed the semaphore's counter.
const UNIT: u64 = 1 << 16;

/// Minimum and maximum of the default budget in bytes.
const DEFAULT_RANGE: (u64, u64) = (128 << 20, 4 << 30);

/// Divisor of the machine's or container's memory for the default budget.
const DEFAULT_DIVISOR: u64 = 4;

/// A budget of bytes. The photo that waits longest is served first, however large it is.
#[derive(Debug, Clone)]
pub(super) struct DecodeMemory {
    units: Arc<Semaphore>,
    total: u64,
}

impl DecodeMemory {
    /// A budget of `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes / UNIT)
            .unwrap_or(Semaphore::MAX_PERMITS)
            .min(Semaphore::MAX_PERMITS);
        Self {
            units: Arc::new(Semaphore::new(units)),
            total: units as u64 * UNIT,
        }
    }

    /// The budget in bytes.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Waits for the memory that decoding `photo` may take. The permit must be held until its pixels are dropped.
    ///
    /// # Errors
    /// As [`Photo::working_bytes`], and if the photo alone needs more than the whole budget.
    pub(super) async fn acquire(&self, photo: &[u8]) -> Result<OwnedSemaphorePermit, ApiError> {
        let needed = Photo::working_bytes(photo)?;
        let units = u32::try_from(needed.div_ceil(UNIT)).unwrap_or(u32::MAX);
        if needed > self.total {
            let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
            let (needed_mb, budget_mb) = (megabytes(needed), self.total >> 20);
            return Err(PhotoError::TooMuchMemory { needed_mb, budget_mb }.into());
        }
        let permit = Arc::clone(&self.units).acquire_many_owned(units).await;
        permit.map_err(|closed| ApiError::Internal(closed.into()))
    }
}

/// Default budget in bytes: a quarter of the memory of the machine, or of the container if that has less.
pub fn default_decode_memory() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| {
        let kilobytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(kilobytes.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()? << 10)
    });
    let container = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .into_iter()
    .filter_map(|path| read(path)?.trim().parse::<u64>().ok())
    .min();
    share_of(machine, container)
}

fn share_of(machine: Option<u64>, container: Option<u64>) -> u64 {
    let (least, most) = DEFAULT_RANGE;
    let memory = machine.into_iter().chain(container).min();
    memory
        .map_or(most / 4, |memory| memory / DEFAULT_DIVISOR)
        .clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bitmap of one colour, whose decoding takes 8 bytes per pixel.
    fn bitmap(side: u32) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(side, side)
            .write_to(&mut bytes, image::ImageFormat::Bmp)
            .expect("the bitmap is encoded");
        bytes.into_inner()
    }

    #[test]
    fn the_default_budget_is_a_quarter_of_the_memory_within_limits() {
        for (machine, container, expected) in [
            (Some(8 << 30), None, 2 << 30),
            (Some(64 << 30), None, 4 << 30),
            (Some(64 << 30), Some(1 << 30), 256 << 20),
            (Some(64 << 30), Some(u64::MAX), 4 << 30),
            (Some(256 << 20), None, 128 << 20),
            (None, None, 1 << 30),
        ] {
            assert_eq!(share_of(machine, container), expected, "{machine:?} {container:?}");
        }
    }

    #[tokio::test]
    async fn photos_wait_in_order_and_too_large_ones_are_refused() {
        let (small, large) = (bitmap(10), bitmap(600));
        let needed = Photo::working_bytes(&large).expect("the header is readable");
        let memory = DecodeMemory::new(needed + needed / 2);
        let first = memory.acquire(&large).await.expect("the budget is unused");
        let waiting = memory.clone();
        let second = tokio::spawn(async move { waiting.acquire(&large).await.map(drop) });
        tokio::task::yield_now().await;
        // It would fit, but it arrived later.
        let later = memory.clone();
        let third = tokio::spawn(async move { later.acquire(&small).await.map(drop) });
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(!second.is_finished() && !third.is_finished());
        drop(first);
        second
            .await
            .expect("the task ends")
            .expect("the first photo was dropped");
        third
            .await
            .expect("the task ends")
            .expect("the second photo was dropped");

        let error = DecodeMemory::new(1 << 20)
            .acquire(&bitmap(600))
            .await
            .expect_err("the photo exceeds the budget");
        assert!(error.to_string().contains("the server has 1 MB"), "{error}");
    }
}
