//! Parameters of a network by prefixes of their names, such as `backbone` or `backbone.stem`.

use burn::module::{Flag, Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use std::collections::BTreeSet;

/// Parameters below some names.
#[derive(Debug)]
pub(crate) struct Found {
    /// Parameters and flags, such as batch norm's `training`.
    pub(crate) ids: Vec<ParamId>,
    /// True if the network has no other parameter or flag.
    pub(crate) all: bool,
}

/// Finds the parameters below the names that the recipe's `key` lists.
///
/// # Errors
/// If no parameter has one of the names; lists the first two parts of all names.
pub(crate) fn find<M: Module>(net: &M, names: &[String], key: &str) -> anyhow::Result<Found> {
    let mut finder = Finder {
        names,
        path: Vec::new(),
        ids: Vec::new(),
        total: 0,
        matched: BTreeSet::new(),
        prefixes: BTreeSet::new(),
    };
    net.visit(&mut finder);
    let Finder {
        ids,
        matched,
        prefixes,
        total,
        ..
    } = finder;
    if let Some(name) = names.iter().find(|name| !matched.contains(name.as_str())) {
        anyhow::bail!("{key} names '{name}', which the network lacks; it has {prefixes:?}");
    }
    let all = ids.len() >= total;
    Ok(Found { ids, all })
}

/// Returns the parameters of one dimension: scales and shifts of norms, biases and exponents of GeM pooling.
pub(crate) fn one_dimensional<M: Module>(net: &M) -> Vec<ParamId> {
    struct OneDimensional(Vec<ParamId>);

    impl ModuleVisitor for OneDimensional {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if D == 1 {
                self.0.push(param.id);
            }
        }
    }

    let mut found = OneDimensional(Vec::new());
    net.visit(&mut found);
    found.0
}

/// Visitor that collects the parameters below the given names.
struct Finder<'a> {
    names: &'a [String],
    path: Vec<String>,
    ids: Vec<ParamId>,
    /// Number of all parameters.
    total: usize,
    /// Given names that a parameter has.
    matched: BTreeSet<&'a str>,
    /// First two parts of every parameter's name.
    prefixes: BTreeSet<String>,
}

impl Finder<'_> {
    fn visit(&mut self, id: ParamId) {
        self.total += 1;
        // Variants of enums begin with a capital and do not belong to a name.
        let fields: Vec<&str> = self
            .path
            .iter()
            .map(String::as_str)
            .filter(|part| !part.starts_with(char::is_uppercase))
            .collect();
        // A name selects its part in the networks of all labels.
        let fields = match &fields[..] {
            ["nets", _, rest @ ..] | ["style", rest @ ..] => rest,
            all => all,
        };
        let path = fields.join(".");
        self.prefixes.insert(fields[..fields.len().min(2)].join("."));
        let names = self.names.iter().filter(|name| {
            path.strip_prefix(name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        let mut is_below = false;
        for name in names {
            self.matched.insert(name);
            is_below = true;
        }
        if is_below {
            self.ids.push(id);
        }
    }
}

impl ModuleVisitor for Finder<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.visit(param.id);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.visit(flag.id);
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}
