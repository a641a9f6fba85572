//! A part of the rows.

use crate::coarse::Coarse;
use crate::rows::Rows;

/// Adjacent rows, such as those of one file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    pub(crate) rows: Rows<'a>,
    pub(crate) coarse: Option<&'a Coarse>,
    /// Index of the first row among the rows of all segments.
    pub(crate) start: usize,
}
