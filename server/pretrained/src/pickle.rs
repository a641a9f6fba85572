//! Reader for the part of Python's pickle format in which PyTorch writes a `state_dict`.
//!
//! **Invariant:** a pickle is only data. Its only objects are tensors, and any other call is refused by name.
//!
//! Values are in one list and refer to each other by index. A value that is used twice is stored once, nesting needs no
//! recursion, and memory is proportional to the file.

mod machine;
mod value;

use anyhow::Context;
use machine::Machine;
use value::{Ref, Value};

pub(super) use machine::PROTO;
pub(super) use value::{Storage, Tensor};

/// Pickle that was read to its end.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Ref,
    /// Length in bytes.
    pub(super) length: usize,
}

/// Reference to a value of a pickle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    values: &'a [Value],
    at: Ref,
}

impl<'a> Item<'a> {
    fn value(self) -> &'a Value {
        // Every index was returned by a push.
        &self.values[self.at]
    }

    fn referred(self, at: Ref) -> Self {
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
            Some(items.iter().map(|at| self.referred(*at)).collect())
        } else {
            None
        }
    }

    /// Entries in the order of the file, without keys that are not texts.
    pub(super) fn as_dict(self) -> Option<Vec<(&'a str, Self)>> {
        let Value::Dict(entries) = self.value() else {
            return None;
        };
        Some(
            entries
                .iter()
                .filter_map(|(key, value)| Some((self.referred(*key).as_text()?, self.referred(*value))))
                .collect(),
        )
    }
}

impl Pickle {
    /// Reads the pickle at the beginning of `bytes`.
    ///
    /// # Errors
    /// If it is truncated or malformed, or asks for anything but dictionaries of tensors.
    pub(super) fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        let mut machine = Machine::new(bytes);
        let root = machine
            .run()
            .with_context(|| format!("in the pickle, before byte {}", machine.position()))?;
        Ok(Self {
            root,
            length: machine.position(),
            values: machine.into_values(),
        })
    }

    /// Root value.
    pub(super) fn root(&self) -> Item<'_> {
        Item {
            values: &self.values,
            at: self.root,
        }
    }

    /// Iterates over the storages of its tensors.
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
