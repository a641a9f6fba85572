//! Values of a pickle.

/// Index of a value.
pub(super) type Ref = usize;

/// Block of the file with the elements of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storage {
    /// PyTorch's name of the element type, such as `FloatStorage`.
    pub(crate) kind: String,
    /// Name of the block.
    pub(crate) key: String,
    /// Number of elements.
    pub(crate) length: usize,
}

/// Strided view of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tensor {
    pub(crate) storage: Storage,
    /// Index of the first element within the storage.
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    /// Distance in elements between neighbours, per dimension.
    pub(crate) stride: Vec<usize>,
}

/// Value of a pickle.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// None, floats, large integers and bytes, which no tensor needs.
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
