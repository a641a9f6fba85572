//! Names of parameters in files: torchvision's, and timm's for Xception.
//!
//! Each family of networks maps the paths of its own fields to these names.

use burn::module::Module;

/// A network whose parameters have names in files.
pub trait TorchKeys: Module {
    /// Returns the name in a file of the parameter at this path of fields.
    fn torch_key(&self, fields: &[&str]) -> String;

    /// Returns the name in a file of pretrained weights, or `None` if the parameter belongs to a head, which such a file
    /// lacks.
    fn pretrained_key(&self, fields: &[&str]) -> Option<String>;
}

/// Returns the name of a layer's parameter: Burn calls a batch norm's scale and shift gamma and beta.
pub(crate) fn parameter(name: &str) -> &str {
    match name {
        "gamma" => "weight",
        "beta" => "bias",
        other => other,
    }
}

/// Joins the fields by dots, with the name of the [`parameter`] last.
pub(crate) fn plain(fields: &[&str]) -> String {
    match fields {
        [rest @ .., last] => rest
            .iter()
            .copied()
            .chain([parameter(last)])
            .collect::<Vec<_>>()
            .join("."),
        [] => String::new(),
    }
}

/// Parses an index of a list. Text that is not a number becomes an index beyond every list.
pub(crate) fn number(index: &str) -> usize {
    index.parse().unwrap_or(usize::MAX / 8)
}
