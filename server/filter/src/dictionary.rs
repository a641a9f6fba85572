//! A dictionary that numbers texts.

use std::hash::{BuildHasher, RandomState};

/// Mark of a slot without code.
const EMPTY: u32 = u32::MAX;

/// Distinct texts with codes from 0 on, in the order in which they were added.
///
/// All texts lie in one string. So a text takes its bytes, the 8 bytes of its end, and 5 to 11 bytes of the hash table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dictionary {
    text: String,
    /// End of each text in `text`, by code.
    ends: Vec<usize>,
    /// Hash table of codes with linear probing. Its length is 0 or a power of two, and at most 3/4 of it are used.
    slots: Vec<u32>,
    hasher: RandomState,
}

impl Dictionary {
    /// Number of texts. Their codes are less.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Text of a code.
    ///
    /// # Panics
    /// If no text has the code.
    pub(crate) fn text(&self, code: u32) -> &str {
        let code = code as usize;
        let start = code.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[code]]
    }

    /// Code of a text.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        let slot = *self.slots.get(self.slot(text)?)?;
        (slot != EMPTY).then_some(slot)
    }

    /// Code of a text, which is added if it is new.
    ///
    /// # Panics
    /// If there are 2³² − 2 texts.
    pub(crate) fn insert(&mut self, text: &str) -> u32 {
        if let Some(code) = self.find(text) {
            return code;
        }
        if (self.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let code = self.len() as u32;
        assert!(
            self.len() < EMPTY as usize - 1,
            "a dictionary has less than 2³² − 2 texts"
        );
        self.text.push_str(text);
        self.ends.push(self.text.len());
        if let Some(slot) = self.slot(text) {
            self.slots[slot] = code;
        }
        code
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<usize>() + self.slots.capacity() * size_of::<u32>()
    }

    /// Slot that holds the code of a text, or the empty slot that would hold it. `None` if there are no slots.
    fn slot(&self, text: &str) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = self.hasher.hash_one(text) as usize & mask;
        while self.slots[slot] != EMPTY && self.text(self.slots[slot]) != text {
            slot = (slot + 1) & mask;
        }
        Some(slot)
    }

    /// Doubles the hash table.
    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(8);
        self.slots = vec![EMPTY; slots];
        let mask = slots - 1;
        for code in 0..self.len() as u32 {
            let mut slot = self.hasher.hash_one(self.text(code)) as usize & mask;
            while self.slots[slot] != EMPTY {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = code;
        }
    }
}
