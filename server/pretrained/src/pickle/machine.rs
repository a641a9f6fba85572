//! Stack machine that executes the opcodes of a pickle.

mod objects;

use super::value::{Ref, Value};
use anyhow::{Context, bail, ensure};
use std::collections::HashMap;

/// Opcode at the beginning of a pickle of protocol 2 or later.
pub(crate) const PROTO: u8 = 0x80;

/// State of the stack machine.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Ref>,
    /// Heights of the stack at marks.
    marks: Vec<usize>,
    memo: HashMap<u64, Ref>,
}

impl<'a> Machine<'a> {
    /// Creates a machine that reads `bytes` from the beginning.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// Number of bytes read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Returns all values.
    pub(super) fn into_values(self) -> Vec<Value> {
        self.values
    }

    /// Executes opcodes up to the end of the pickle. Returns the root value.
    ///
    /// # Errors
    /// If the pickle is truncated or malformed, or asks for anything but dictionaries of tensors.
    pub(super) fn run(&mut self) -> anyhow::Result<Ref> {
        loop {
            let opcode = self.take::<1>()?[0];
            if opcode == b'.' {
                return self.pop();
            }
            let is_known = self.execute_constant(opcode)?
                || self.execute_collection(opcode)?
                || self.execute_memo(opcode)?
                || self.execute_object(opcode)?;
            ensure!(
                is_known,
                "it uses the opcode {opcode:#04x}, which a state_dict does not need"
            );
        }
    }

    /// Executes an opcode that pushes a constant. Returns false for other opcodes, like the following functions.
    fn execute_constant(&mut self, opcode: u8) -> anyhow::Result<bool> {
        match opcode {
            b'N' => self.push(Value::Other),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'J' => {
                let value = i32::from_le_bytes(self.take()?);
                self.push(Value::Int(value.into()));
            }
            b'K' => {
                let value = self.take::<1>()?[0];
                self.push(Value::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.take()?);
                self.push(Value::Int(value.into()));
            }
            0x8A => self.long()?,
            b'G' => {
                self.take::<8>()?;
                self.push(Value::Other);
            }
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.take()?);
                self.text(length.into())?;
            }
            0x8C | b'U' => {
                let length = self.take::<1>()?[0];
                self.text(length.into())?;
            }
            b'B' => {
                let length = u32::from_le_bytes(self.take()?);
                self.slice(length.into())?;
                self.push(Value::Other);
            }
            b'C' => {
                let length = self.take::<1>()?[0];
                self.slice(length.into())?;
                self.push(Value::Other);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Executes an opcode for tuples, lists and dictionaries.
    fn execute_collection(&mut self, opcode: u8) -> anyhow::Result<bool> {
        match opcode {
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b')' => self.push(Value::Tuple(Vec::new())),
            b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.push(Value::Tuple(items));
            }
            b'a' => {
                let items = self.pop_many(1)?;
                self.append(items)?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(items)?;
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.insert(&items)?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.insert(&items)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Executes an opcode for the memo or the framing of the file.
    fn execute_memo(&mut self, opcode: u8) -> anyhow::Result<bool> {
        match opcode {
            PROTO => drop(self.take::<1>()?),
            // FRAME: grouping of bytes by the writer.
            0x95 => drop(self.take::<8>()?),
            b'q' => {
                let slot = self.take::<1>()?[0];
                self.remember(slot.into())?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.take()?);
                self.remember(slot.into())?;
            }
            // MEMOIZE
            0x94 => self.remember(self.memo.len() as u64)?,
            b'h' => {
                let slot = self.take::<1>()?[0];
                self.recall(slot.into())?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.take()?);
                self.recall(slot.into())?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn slice(&mut self, length: u64) -> anyhow::Result<&[u8]> {
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| self.at.checked_add(length));
        let slice = end
            .and_then(|end| self.bytes.get(self.at..end))
            .context("it is truncated")?;
        self.at += slice.len();
        Ok(slice)
    }

    fn take<const N: usize>(&mut self) -> anyhow::Result<[u8; N]> {
        let mut taken = [0; N];
        taken.copy_from_slice(self.slice(N as u64)?);
        Ok(taken)
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n').context("it is truncated")?;
        let line = std::str::from_utf8(&rest[..length])
            .context("a name is not a text")?
            .to_owned();
        self.at += length + 1;
        Ok(line)
    }

    fn text(&mut self, length: u64) -> anyhow::Result<()> {
        let text = std::str::from_utf8(self.slice(length)?)
            .context("a text is not UTF-8")?
            .to_owned();
        self.push(Value::Text(text));
        Ok(())
    }

    /// Reads LONG1: a little-endian integer in two's complement. The magic number of old files has ten bytes.
    fn long(&mut self) -> anyhow::Result<()> {
        let length = self.take::<1>()?[0];
        let digits = self.slice(length.into())?;
        let value = if digits.len() <= 8 {
            let negative = digits.last().is_some_and(|digit| digit & 0x80 != 0);
            let mut wide = [if negative { 0xFF } else { 0 }; 8];
            wide[..digits.len()].copy_from_slice(digits);
            Value::Int(i64::from_le_bytes(wide))
        } else {
            Value::Other
        };
        self.push(value);
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> anyhow::Result<Ref> {
        // Values below a mark belong to an outer object.
        let floor = self.marks.last().copied().unwrap_or(0);
        ensure!(self.stack.len() > floor, "it pops more values than it pushed");
        self.stack.pop().context("its stack is empty")
    }

    fn pop_many(&mut self, count: usize) -> anyhow::Result<Vec<Ref>> {
        let mut items = (0..count).map(|_| self.pop()).collect::<anyhow::Result<Vec<_>>>()?;
        items.reverse();
        Ok(items)
    }

    fn pop_mark(&mut self) -> anyhow::Result<Vec<Ref>> {
        let mark = self.marks.pop().context("it lacks a mark")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn top(&self) -> anyhow::Result<Ref> {
        self.stack.last().copied().context("its stack is empty")
    }

    fn remember(&mut self, slot: u64) -> anyhow::Result<()> {
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u64) -> anyhow::Result<()> {
        let at = *self.memo.get(&slot).context("it uses an empty memo slot")?;
        self.stack.push(at);
        Ok(())
    }

    fn append(&mut self, items: Vec<Ref>) -> anyhow::Result<()> {
        let top = self.top()?;
        let Value::List(list) = &mut self.values[top] else {
            bail!("it appends to a value that is not a list")
        };
        list.extend(items);
        Ok(())
    }

    fn insert(&mut self, items: &[Ref]) -> anyhow::Result<()> {
        ensure!(items.len().is_multiple_of(2), "a dictionary has a key without a value");
        let top = self.top()?;
        let Value::Dict(dict) = &mut self.values[top] else {
            bail!("it sets an entry of a value that is not a dictionary")
        };
        dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        Ok(())
    }

    fn text_of(&self, at: Ref) -> anyhow::Result<&str> {
        if let Value::Text(text) = &self.values[at] {
            Ok(text)
        } else {
            bail!("a text is missing")
        }
    }

    fn tuple_of(&self, at: Ref) -> anyhow::Result<&[Ref]> {
        if let Value::Tuple(items) = &self.values[at] {
            Ok(items)
        } else {
            bail!("a tuple is missing")
        }
    }

    fn size_of(&self, at: Ref) -> anyhow::Result<usize> {
        let Value::Int(value) = self.values[at] else {
            bail!("a size is missing")
        };
        usize::try_from(value).context("a size is negative")
    }

    fn sizes_of(&self, at: Ref) -> anyhow::Result<Vec<usize>> {
        self.tuple_of(at)?.iter().map(|at| self.size_of(*at)).collect()
    }
}
