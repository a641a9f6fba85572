//! Opcodes for global names, storages and calls.

use super::Machine;
use crate::pickle::value::{Ref, Storage, Tensor, Value};
use anyhow::{bail, ensure};

impl Machine<'_> {
    /// Executes an opcode for global names, storages and calls.
    pub(super) fn execute_object(&mut self, opcode: u8) -> anyhow::Result<bool> {
        match opcode {
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
            // BUILD: attributes of an object, such as the versions of a state_dict's entries.
            b'b' => drop(self.pop()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads `("storage", type, key, device, length)`. Old files append a view of another storage, which must be empty.
    fn persistent(&mut self) -> anyhow::Result<()> {
        let id = self.pop()?;
        let [tag, kind, key, _, length, view @ ..] = self.tuple_of(id)? else {
            bail!("a storage is malformed")
        };
        ensure!(
            self.text_of(*tag)? == "storage",
            "it refers to an external object that is not a storage"
        );
        let Value::Global(kind) = &self.values[*kind] else {
            bail!("a storage has no type")
        };
        ensure!(
            view.iter().all(|at| matches!(self.values[*at], Value::Other)),
            "a storage is a view of another one"
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

    /// Evaluates the known calls of a state_dict. No code is executed.
    fn call(&mut self) -> anyhow::Result<()> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let Value::Global(callee) = &self.values[callee] else {
            bail!("it calls a value that is not a function")
        };
        let arguments = self.tuple_of(arguments)?;
        match (callee.as_str(), arguments) {
            ("collections.OrderedDict", []) => self.push(Value::Dict(Vec::new())),
            // Python 2 wrote a list of pairs.
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
                ensure!(
                    shape.len() == stride.len(),
                    "a tensor has a different number of sizes and strides"
                );
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
