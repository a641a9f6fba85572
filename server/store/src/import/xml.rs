//! Google's feed as XML: the elements `item` of RSS or `entry` of Atom.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

use super::draft::{Record, Records};
use super::fields::{Field, draft, field};
use super::options::ImportOptions;
use super::text::{LONGEST, read_buffered};
use crate::error::StoreError;

/// Products of an XML feed.
pub(super) struct XmlItems<'a> {
    reader: Reader<Counted>,
    line: Rc<Cell<u64>>,
    buffer: Vec<u8>,
    options: &'a ImportOptions,
    /// Meaning of the elements seen so far.
    fields: BTreeMap<String, Field>,
}

/// An item that is being read.
#[derive(Default)]
struct Item {
    line: u64,
    /// Names and texts of its elements.
    cells: Vec<(String, String)>,
    /// Number of open elements within the item.
    depth: usize,
    bytes: usize,
}

impl<'a> XmlItems<'a> {
    /// Begins at the first item.
    pub(super) fn new(input: Box<dyn BufRead>, options: &'a ImportOptions) -> Self {
        let line = Rc::new(Cell::new(1));
        let counted = Counted {
            input,
            line: Rc::clone(&line),
        };
        Self {
            reader: Reader::from_reader(counted),
            line,
            buffer: Vec::new(),
            options,
            fields: BTreeMap::new(),
        }
    }

    /// Reads the next item. `None` at the end of the file.
    fn item(&mut self) -> Result<Option<Item>, StoreError> {
        let mut item: Option<Item> = None;
        loop {
            self.buffer.clear();
            let line = self.line.get();
            let event = self.reader.read_event_into(&mut self.buffer);
            let event = event.map_err(|error| unusable(self.options, line, error.to_string()))?;
            match (event, &mut item) {
                (Event::Start(start), None) if is_item(start.local_name().as_ref()) => {
                    item = Some(Item {
                        line,
                        ..Item::default()
                    });
                }
                (Event::Start(start), Some(item)) => item.open(start.local_name().as_ref()),
                (Event::Text(text), Some(item)) => item.add(&text.xml10_content()),
                (Event::CData(text), Some(item)) => item.add(&text.xml10_content()),
                (Event::GeneralRef(reference), Some(item)) => {
                    let text = resolve(&reference).ok_or_else(|| {
                        unusable(
                            self.options,
                            line,
                            "it refers to an unknown entity; write the character itself",
                        )
                    })?;
                    item.add(&text);
                }
                (Event::End(end), Some(open)) => {
                    if open.depth == 0 && is_item(end.local_name().as_ref()) {
                        return Ok(Some(std::mem::take(open)));
                    }
                    open.depth = open.depth.saturating_sub(1);
                }
                (Event::Eof, None) => return Ok(None),
                (Event::Eof, Some(item)) => {
                    return Err(unusable(
                        self.options,
                        item.line,
                        "the file ends within this item; it may be cut off",
                    ));
                }
                _ => {}
            }
            if let Some(item) = item.as_ref().filter(|item| item.bytes > LONGEST) {
                return Err(unusable(
                    self.options,
                    item.line,
                    format!("the item has more than {LONGEST} bytes"),
                ));
            }
        }
    }
}

impl Item {
    fn open(&mut self, name: &str) {
        // Elements within elements, such as the price of a shipping, are not used.
        if self.depth == 0 {
            self.cells.push((name.to_owned(), String::new()));
        }
        self.depth += 1;
    }

    fn add(&mut self, text: &str) {
        self.bytes += text.len();
        if self.depth == 1
            && let Some((_, cell)) = self.cells.last_mut()
        {
            cell.push_str(text);
        }
    }
}

impl Records for XmlItems<'_> {
    fn next(&mut self) -> Result<Option<Record>, StoreError> {
        let Some(item) = self.item()? else {
            return Ok(None);
        };
        for (name, _) in &item.cells {
            if !self.fields.contains_key(name) {
                self.fields.insert(name.clone(), field(name, self.options));
            }
        }
        let cells = item.cells.iter().filter_map(|(name, text)| {
            let field = self.fields.get(name)?;
            Some((field, name.as_str(), text.as_str()))
        });
        Ok(Some(Record {
            line: item.line,
            draft: draft(cells, self.options),
        }))
    }

    fn ignored(&mut self, ignored: &mut BTreeSet<String>) {
        let unused = self.fields.iter().filter(|(_, field)| **field == Field::Unused);
        ignored.extend(unused.map(|(name, _)| name.clone()));
    }
}

fn is_item(name: &str) -> bool {
    name == "item" || name == "entry"
}

/// Text of a reference such as `&amp;` or `&#228;`. Entities of a document type are not resolved.
fn resolve(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Some(character.to_string()),
        Ok(None) => resolve_predefined_entity(reference).map(str::to_owned),
        Err(_) => None,
    }
}

fn unusable(options: &ImportOptions, line: u64, message: impl Into<String>) -> StoreError {
    StoreError::Source {
        path: options.file.clone(),
        line: Some(line),
        message: message.into(),
    }
}

/// Reader that counts line breaks.
struct Counted {
    input: Box<dyn BufRead>,
    line: Rc<Cell<u64>>,
}

impl BufRead for Counted {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // The buffer is not empty, so this reads nothing.
        if let Ok(buffer) = self.input.fill_buf() {
            let breaks = buffer.iter().take(amount).filter(|byte| **byte == b'\n').count();
            self.line.set(self.line.get() + breaks as u64);
        }
        self.input.consume(amount);
    }
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, out)
    }
}
