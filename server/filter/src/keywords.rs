//! Columns of keywords.

use scan::Bitmap;

use crate::column::Column;
use crate::dictionary::Dictionary;
use crate::language::MAX_TEXT;

/// Code of a text that is longer than [`MAX_TEXT`]. The dictionary does not hold it, because no filter can name it.
const LONG: u32 = u32::MAX - 1;

/// A column of keywords. A row has no keyword, one keyword or a list of keywords.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keywords {
    dictionary: Dictionary,
    singles: Column<u32>,
    lists: Lists,
}

/// Lists of codes. Rows without a list take no memory.
#[derive(Debug, Clone, Default)]
struct Lists {
    /// Rows with a list, in ascending order.
    rows: Vec<u32>,
    /// End of each row's codes in `codes`.
    ends: Vec<usize>,
    /// Codes of all rows. The codes of a row are distinct.
    codes: Vec<u32>,
}

impl Lists {
    fn push(&mut self, row: u32, codes: &[u32]) {
        self.rows.push(row);
        self.codes.extend_from_slice(codes);
        self.ends.push(self.codes.len());
    }

    /// Rows with their codes.
    fn iter(&self) -> impl Iterator<Item = (usize, &[u32])> {
        let mut start = 0;
        self.rows.iter().zip(&self.ends).map(move |(row, end)| {
            let codes = &self.codes[start..*end];
            start = *end;
            (*row as usize, codes)
        })
    }

    /// Adds the rows whose list has a code that `keep` accepts.
    fn select(&self, rows: &mut Bitmap, keep: impl Fn(u32) -> bool) {
        let found = self.iter().filter(|(_, codes)| codes.iter().any(|code| keep(*code)));
        found.for_each(|(row, _)| rows.insert(row));
    }
}

impl Keywords {
    /// Adds the keyword of a row. The rows of all calls of `push` and `push_list` must ascend.
    pub(crate) fn push(&mut self, row: u32, keyword: &str) {
        let code = self.code(keyword);
        self.singles.push(row, code);
    }

    /// Adds the keywords of a row. There is at least one.
    pub(crate) fn push_list(&mut self, row: u32, keywords: &[String]) {
        let mut codes: Vec<u32> = keywords.iter().map(|keyword| self.code(keyword)).collect();
        codes.sort_unstable();
        codes.dedup();
        self.lists.push(row, &codes);
    }

    /// True if no row has a keyword.
    pub(crate) fn is_empty(&self) -> bool {
        self.singles.is_empty() && self.lists.rows.is_empty()
    }

    /// Set of the rows below `len` with one of `keywords`.
    pub(crate) fn among(&self, len: usize, keywords: &[&str]) -> Bitmap {
        let codes: Vec<u32> = keywords
            .iter()
            .filter_map(|keyword| self.dictionary.find(keyword))
            .collect();
        match codes[..] {
            [] => Bitmap::new(len),
            [code] => self.select(len, |other| other == code),
            _ => {
                let mut wanted = Bitmap::new(self.dictionary.len());
                codes.iter().for_each(|code| wanted.insert(*code as usize));
                self.select(len, |code| wanted.contains(code as usize))
            }
        }
    }

    /// Set of the rows below `len` with a keyword.
    pub(crate) fn present(&self, len: usize) -> Bitmap {
        let mut rows = self.singles.present(len);
        self.lists.select(&mut rows, |_| true);
        rows
    }

    /// Number of rows in `among` per keyword, for the keywords that have one.
    pub(crate) fn counts(&self, among: &Bitmap) -> Vec<(&str, usize)> {
        let mut counts = vec![0_usize; self.dictionary.len()];
        let mut count = |code: u32| {
            if let Some(count) = counts.get_mut(code as usize) {
                *count += 1;
            }
        };
        self.singles.visit(among, &mut count);
        let lists = self.lists.iter().filter(|(row, _)| among.contains(*row));
        lists.for_each(|(_, codes)| codes.iter().for_each(|code| count(*code)));
        let counted = (0..).zip(counts).filter(|(_, count)| *count > 0);
        counted
            .map(|(code, count)| (self.dictionary.text(code), count))
            .collect()
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let Lists { rows, ends, codes } = &self.lists;
        let lists = (rows.capacity() + codes.capacity()) * size_of::<u32>() + ends.capacity() * size_of::<usize>();
        self.dictionary.heap_bytes() + self.singles.heap_bytes() + lists
    }

    fn select(&self, len: usize, keep: impl Fn(u32) -> bool) -> Bitmap {
        let mut rows = self.singles.select(len, &keep);
        self.lists.select(&mut rows, keep);
        rows
    }

    fn code(&mut self, keyword: &str) -> u32 {
        if keyword.len() > MAX_TEXT {
            LONG
        } else {
            self.dictionary.insert(keyword)
        }
    }
}
