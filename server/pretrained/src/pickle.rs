//! The part of Python's pickle format that a `state_dict` is written in, as data: the only objects are tensors, and
//! whatever else a file asks to be called is refused by name.
//!
//! Values live in one list and refer to each other by index. So a value that is used twice is stored once, nesting never
//! becomes recursion, and memory stays in proportion to the file.

use anyhow::{Context, bail, ensure};
use std::collections::HashMap;

/// The opcode that a pickle of protocol 2 or later begins with.
pub(super) const PROTO: u8 = 0x80;

/// Index of a value.
type Ref = usize;

/// Where a tensor's numbers are: a block of its own in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    /// PyTorch's name of the element type, such as `FloatStorage`.
    pub(super) kind: String,
    /// The block's name.
    pub(super) key: String,
    /// Number of elements.
    pub(super) length: usize,
}

/// A view into a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    pub(super) storage: Storage,
    /// First element within the storage.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// Elements from one position to the next, for each dimension.
    pub(super) stride: Vec<usize>,
}

#[derive(Debug, Clone)]
enum Value {
    /// None, numbers that no tensor needs, and bytes.
    Other,
    Bool(bool),
    Int(i64),
    Text(String),
    Tuple(Vec<Ref>),
    List(Vec<Ref>),
    Dict(Vec<(Ref, Ref)>),
    Global(String),
    Storage(Storage),
    Tensor(Tensor),
}

/// One pickle, read to its end.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Ref,
    /// Bytes that it took.
    pub(super) length: usize,
}

/// A value of a pickle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    values: &'a [Value],
    at: Ref,
}

impl<'a> Item<'a> {
    fn value(self) -> &'a Value {
        // Indices are only ever made by pushing.
        &self.values[self.at]
    }

    fn to(self, at: Ref) -> Self {
        Self { at, ..self }
    }

    pub(super) fn as_bool(self) -> Option<bool> {
        if let Value::Bool(value) = self.value() {
            Some(*value)
        } else {
            None
        }
    }

    pub(super) fn as_text(self) -> Option<&'a str> {
        if let Value::Text(text) = self.value() {
            Some(text)
        } else {
            None
        }
    }

    pub(super) fn as_tensor(self) -> Option<&'a Tensor> {
        if let Value::Tensor(tensor) = self.value() {
            Some(tensor)
        } else {
            None
        }
    }

    pub(super) fn as_list(self) -> Option<Vec<Self>> {
        if let Value::List(items) = self.value() {
            Some(items.iter().map(|at| self.to(*at)).collect())
        } else {
            None
        }
    }

    /// Entries in the file's order; a key that is no text has none.
    pub(super) fn as_dict(self) -> Option<Vec<(&'a str, Self)>> {
        let Value::Dict(entries) = self.value() else {
            return None;
        };
        Some(
            entries
                .iter()
                .filter_map(|(key, value)| Some((self.to(*key).as_text()?, self.to(*value))))
                .collect(),
        )
    }
}

impl Pickle {
    /// Reads the pickle at the beginning of `bytes`.
    ///
    /// # Errors
    /// If it is cut off, malformed, or asks for anything but dictionaries of tensors.
    pub(super) fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        let mut machine = Machine {
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        let root = machine
            .run()
            .with_context(|| format!("in the pickle, before byte {}", machine.at))?;
        Ok(Self {
            values: machine.values,
            root,
            length: machine.at,
        })
    }

    /// What it holds.
    pub(super) fn root(&self) -> Item<'_> {
        Item {
            values: &self.values,
            at: self.root,
        }
    }

    /// All storages that its tensors refer to.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.values.iter().filter_map(|value| {
            if let Value::Storage(storage) = value {
                Some(storage)
            } else {
                None
            }
        })
    }
}

/// The stack machine that pickles are programs for.
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Ref>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Ref>,
}

impl Machine<'_> {
    fn run(&mut self) -> anyhow::Result<Ref> {
        loop {
            let opcode = self.take::<1>()?[0];
            match opcode {
                PROTO => drop(self.take::<1>()?),
                // FRAME: how the bytes were grouped on writing.
                0x95 => drop(self.take::<8>()?),
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.pop()?),
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
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.push(Value::Global(format!("{module}.{name}")));
                }
                // STACK_GLOBAL
                0x93 => {
                    let items = self.pop_many(2)?;
                    let name = format!("{}.{}", self.text_of(items[0])?, self.text_of(items[1])?);
                    self.push(Value::Global(name));
                }
                b'Q' => self.persistent()?,
                // REDUCE, NEWOBJ
                b'R' | 0x81 => self.call()?,
                // BUILD: attributes of an object, such as the versions that a state_dict keeps beside its entries.
                b'b' => drop(self.pop()?),
                other => bail!("it uses the opcode {other:#04x}, which no state_dict needs"),
            }
        }
    }

    fn slice(&mut self, length: u64) -> anyhow::Result<&[u8]> {
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| self.at.checked_add(length));
        let slice = end
            .and_then(|end| self.bytes.get(self.at..end))
            .context("it is cut off")?;
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
        let length = rest.iter().position(|byte| *byte == b'\n').context("it is cut off")?;
        let line = std::str::from_utf8(&rest[..length])
            .context("a name is no text")?
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

    /// LONG1: little-endian, two's complement; the magic number of old files takes ten bytes.
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
        // What stands below a mark belongs to somebody else.
        let floor = self.marks.last().copied().unwrap_or(0);
        ensure!(
            self.stack.len() > floor,
            "it takes more from its stack than it put there"
        );
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
        let at = *self.memo.get(&slot).context("it recalls what it never remembered")?;
        self.stack.push(at);
        Ok(())
    }

    fn append(&mut self, items: Vec<Ref>) -> anyhow::Result<()> {
        let top = self.top()?;
        let Value::List(list) = &mut self.values[top] else {
            bail!("it appends to what is no list")
        };
        list.extend(items);
        Ok(())
    }

    fn insert(&mut self, items: &[Ref]) -> anyhow::Result<()> {
        ensure!(items.len().is_multiple_of(2), "a dictionary has a key without a value");
        let top = self.top()?;
        let Value::Dict(dict) = &mut self.values[top] else {
            bail!("it sets an entry of what is no dictionary")
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

    /// `("storage", type, key, device, length)`, and in old files a view into another storage, which none has.
    fn persistent(&mut self) -> anyhow::Result<()> {
        let id = self.pop()?;
        let [tag, kind, key, _, length, view @ ..] = self.tuple_of(id)? else {
            bail!("a storage is malformed")
        };
        ensure!(
            self.text_of(*tag)? == "storage",
            "it refers to an object outside that is no storage"
        );
        let Value::Global(kind) = &self.values[*kind] else {
            bail!("a storage has no type")
        };
        ensure!(
            view.iter().all(|at| matches!(self.values[*at], Value::Other)),
            "a storage is a view into another one"
        );
        let kind = kind.strip_prefix("torch.").unwrap_or(kind).to_owned();
        let storage = Storage {
            kind,
            key: self.text_of(*key)?.to_owned(),
            length: self.size_of(*length)?,
        };
        self.push(Value::Storage(storage));
        Ok(())
    }

    /// The few calls that make a state_dict; nothing is called, the result is written down.
    fn call(&mut self) -> anyhow::Result<()> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let Value::Global(callee) = &self.values[callee] else {
            bail!("it calls what is no function")
        };
        let arguments = self.tuple_of(arguments)?;
        match (callee.as_str(), arguments) {
            ("collections.OrderedDict", []) => self.push(Value::Dict(Vec::new())),
            // As Python 2 wrote it: a list of pairs.
            ("collections.OrderedDict", [pairs]) => {
                let Value::List(pairs) = &self.values[*pairs] else {
                    bail!("a dictionary has no list of entries")
                };
                let pair = |at: &Ref| match &self.values[*at] {
                    Value::Tuple(pair) | Value::List(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
                    _ => bail!("a dictionary has a key without a value"),
                };
                let entries = pairs.iter().map(pair).collect::<anyhow::Result<_>>()?;
                self.push(Value::Dict(entries));
            }
            (
                "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor",
                [storage, offset, shape, stride, ..],
            ) => {
                let Value::Storage(storage) = &self.values[*storage] else {
                    bail!("a tensor has no storage")
                };
                let (shape, stride) = (self.sizes_of(*shape)?, self.sizes_of(*stride)?);
                ensure!(shape.len() == stride.len(), "a tensor has a stride too many or too few");
                let tensor = Tensor {
                    storage: storage.clone(),
                    offset: self.size_of(*offset)?,
                    shape,
                    stride,
                };
                self.push(Value::Tensor(tensor));
            }
            ("torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state", [tensor, ..]) => {
                self.stack.push(*tensor);
            }
            ("torch.Size", [sizes]) => self.stack.push(*sizes),
            (other, _) => bail!("it asks to call '{other}', and only dictionaries of tensors are read"),
        }
        Ok(())
    }
}
