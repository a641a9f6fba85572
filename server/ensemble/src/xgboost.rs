//! XGBoost (Chen & Guestrin 2016, <https://arxiv.org/abs/1603.02754>) through the C interface of `libxgboost`.
//!
//! The library is loaded at run time, so Selvedge builds without C++, and only stacking needs XGBoost. All calls go through
//! [`XgBoost`], whose handles free themselves.
//!
//! **Invariant:** the same rows give the same booster to the bit, because there is one thread and a fixed seed.
#![allow(unsafe_code)] // This file calls C. Each block states why it is sound.

use super::grid::Params;
use anyhow::{Context, ensure};
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::{CStr, CString, c_char, c_float, c_int, c_void};
use std::path::{Path, PathBuf};

/// Hint on how to install the library.
const HINT: &str = "hint: `pip install xgboost-cpu` (or xgboost), then name its libxgboost.so with --xgboost or SELVEDGE_XGBOOST: python3 -c 'import xgboost; print(xgboost.libpath.find_lib_path()[0])'";
/// Seed of every booster. Boosters do not sample rows or columns, so it has no effect.
const SEED: &str = "0";

type Handle = *mut c_void;

/// Functions of the library with their signatures in `xgboost/c_api.h`. All but the first two return 0 on success.
#[derive(Debug)]
struct Functions {
    version: unsafe extern "C" fn(*mut c_int, *mut c_int, *mut c_int),
    last_error: unsafe extern "C" fn() -> *const c_char,
    matrix_create: unsafe extern "C" fn(*const c_float, u64, u64, c_float, *mut Handle) -> c_int,
    matrix_set_float: unsafe extern "C" fn(Handle, *const c_char, *const c_float, u64) -> c_int,
    matrix_free: unsafe extern "C" fn(Handle) -> c_int,
    booster_create: unsafe extern "C" fn(*const Handle, u64, *mut Handle) -> c_int,
    booster_free: unsafe extern "C" fn(Handle) -> c_int,
    booster_set: unsafe extern "C" fn(Handle, *const c_char, *const c_char) -> c_int,
    booster_update: unsafe extern "C" fn(Handle, c_int, Handle) -> c_int,
    booster_predict:
        unsafe extern "C" fn(Handle, Handle, *const c_char, *mut *const u64, *mut u64, *mut *const c_float) -> c_int,
    booster_save: unsafe extern "C" fn(Handle, *const c_char, *mut u64, *mut *const c_char) -> c_int,
    booster_load: unsafe extern "C" fn(Handle, *const c_void, u64) -> c_int,
}

/// The loaded library.
#[derive(Debug)]
pub struct XgBoost {
    functions: Functions,
    /// Version, such as `3.2.0`.
    pub version: String,
}

impl XgBoost {
    /// Loads the library from `file`, or from the folders of pip and package managers.
    ///
    /// # Errors
    /// If the library is not found, is not XGBoost, or is older than 1.7.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let candidates = file.map_or_else(usual_places, |file| vec![file.to_owned()]);
        let mut failures = Vec::new();
        for candidate in &candidates {
            // SAFETY: loading runs the library's initialisers. The path is the user's choice or a folder that only the user or
            // the system's packages write to, as for the shared libraries of any program.
            match unsafe { libloading::Library::new(candidate) } {
                Ok(library) => {
                    return Self::bind(library)
                        .with_context(|| format!("{} is not a usable XGBoost", candidate.display()));
                }
                Err(error) => failures.push(format!("{}: {error}", candidate.display())),
            }
        }
        anyhow::bail!("cannot load XGBoost ({})\n{HINT}", failures.join("; "))
    }

    fn bind(library: libloading::Library) -> anyhow::Result<Self> {
        // The OpenMP runtime of the library keeps threads, so the library is never unloaded and its functions stay valid.
        let library: &'static libloading::Library = Box::leak(Box::new(library));
        /// Looks up a function with the type of its field.
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the field's type is the signature of this name in xgboost/c_api.h (`bst_ulong` is uint64_t),
                // unchanged since 1.4; the library stays loaded.
                *unsafe { library.get($name)? }
            };
        }
        let functions = Functions {
            version: function!(b"XGBoostVersion"),
            last_error: function!(b"XGBGetLastError"),
            matrix_create: function!(b"XGDMatrixCreateFromMat"),
            matrix_set_float: function!(b"XGDMatrixSetFloatInfo"),
            matrix_free: function!(b"XGDMatrixFree"),
            booster_create: function!(b"XGBoosterCreate"),
            booster_free: function!(b"XGBoosterFree"),
            booster_set: function!(b"XGBoosterSetParam"),
            booster_update: function!(b"XGBoosterUpdateOneIter"),
            booster_predict: function!(b"XGBoosterPredictFromDMatrix"),
            booster_save: function!(b"XGBoosterSaveModelToBuffer"),
            booster_load: function!(b"XGBoosterLoadModelFromBuffer"),
        };
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: the function takes three valid pointers to int.
        unsafe { (functions.version)(&raw mut major, &raw mut minor, &raw mut patch) };
        ensure!(
            (major, minor) >= (1, 7),
            "version {major}.{minor}.{patch} is too old, 1.7 or newer is needed\n{HINT}"
        );
        Ok(Self {
            functions,
            version: format!("{major}.{minor}.{patch}"),
        })
    }

    fn check(&self, status: c_int, what: &str) -> anyhow::Result<()> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the function takes nothing and returns a string of this thread that is valid until its next call.
        let message = unsafe { CStr::from_ptr((self.functions.last_error)()) };
        anyhow::bail!(
            "XGBoost could not {what}: {}",
            message.to_string_lossy().lines().next().unwrap_or_default()
        )
    }

    /// Creates a matrix of rows with `columns` values each. NaN is a missing value.
    ///
    /// # Errors
    /// If the values are not whole rows, or XGBoost refuses them.
    pub fn matrix(&self, values: &[f32], columns: usize) -> anyhow::Result<Matrix<'_>> {
        ensure!(
            columns > 0 && values.len().is_multiple_of(columns),
            "{} values are not whole rows of {columns}",
            values.len()
        );
        let rows = values.len() / columns;
        let mut handle = std::ptr::null_mut();
        // SAFETY: `values` holds rows × columns floats, which the call copies; `handle` is a valid place for the result.
        let status = unsafe {
            (self.functions.matrix_create)(values.as_ptr(), rows as u64, columns as u64, f32::NAN, &raw mut handle)
        };
        self.check(status, "take rows")?;
        Ok(Matrix {
            xgboost: self,
            handle,
            rows,
        })
    }

    /// Creates a booster without trees for training with `params`.
    ///
    /// The booster caches its predictions of the matrices `cached`, so that predicting them after every round is cheap.
    ///
    /// # Errors
    /// If XGBoost refuses the parameters.
    pub fn booster<'a>(&'a self, params: Params, cached: &[&Matrix<'a>]) -> anyhow::Result<Booster<'a>> {
        let booster = self.empty_booster(cached)?;
        booster.set("objective", "binary:logistic")?;
        booster.set("tree_method", "hist")?;
        booster.set("eta", &params.eta.to_string())?;
        booster.set("max_depth", &params.max_depth.to_string())?;
        booster.set("min_child_weight", &params.min_child_weight.to_string())?;
        booster.set("seed", SEED)?;
        Ok(booster)
    }

    /// Reads a booster from the bytes of [`Booster::save`].
    ///
    /// # Errors
    /// If the bytes are not a model.
    pub fn load_booster(&self, bytes: &[u8]) -> anyhow::Result<Booster<'_>> {
        let booster = self.empty_booster(&[])?;
        // SAFETY: a live booster and a buffer of the given length, which the call only reads.
        let status =
            unsafe { (self.functions.booster_load)(booster.handle, bytes.as_ptr().cast(), bytes.len() as u64) };
        self.check(status, "read a booster")?;
        Ok(booster)
    }

    fn empty_booster<'a>(&'a self, cached: &[&Matrix<'a>]) -> anyhow::Result<Booster<'a>> {
        let handles: Vec<Handle> = cached.iter().map(|matrix| matrix.handle).collect();
        let mut handle = std::ptr::null_mut();
        // SAFETY: live matrices, of which XGBoost shares the ownership, and a valid place for the result.
        let status =
            unsafe { (self.functions.booster_create)(handles.as_ptr(), handles.len() as u64, &raw mut handle) };
        self.check(status, "make a booster")?;
        let booster = Booster { xgboost: self, handle };
        booster.set("verbosity", "0")?;
        booster.set("nthread", "1")?;
        Ok(booster)
    }
}

/// Rows in XGBoost's memory.
#[derive(Debug)]
pub struct Matrix<'a> {
    xgboost: &'a XgBoost,
    handle: Handle,
    rows: usize,
}

impl Matrix<'_> {
    /// Sets the target of each row, 0 or 1.
    ///
    /// # Errors
    /// If there is not one target per row.
    pub fn set_targets(&self, targets: &[f32]) -> anyhow::Result<()> {
        ensure!(
            targets.len() == self.rows,
            "{} targets for {} rows",
            targets.len(),
            self.rows
        );
        // SAFETY: a live matrix, a C string and as many floats as said, which the call copies.
        let status = unsafe {
            let field = c"label".as_ptr();
            (self.xgboost.functions.matrix_set_float)(self.handle, field, targets.as_ptr(), targets.len() as u64)
        };
        self.xgboost.check(status, "take targets")
    }
}

impl Drop for Matrix<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle came from matrix_create and is freed once, here.
        unsafe { (self.xgboost.functions.matrix_free)(self.handle) };
    }
}

/// Boosted trees.
#[derive(Debug)]
pub struct Booster<'a> {
    xgboost: &'a XgBoost,
    handle: Handle,
}

impl Booster<'_> {
    fn set(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let (c_name, c_value) = (CString::new(name)?, CString::new(value)?);
        // SAFETY: a live booster and two C strings, which the call copies.
        let status = unsafe { (self.xgboost.functions.booster_set)(self.handle, c_name.as_ptr(), c_value.as_ptr()) };
        self.xgboost.check(status, &format!("set {name} to {value}"))
    }

    /// Adds the tree of round `round`, which counts from 0.
    ///
    /// # Errors
    /// If the matrix has no targets or other columns than before.
    pub fn update(&mut self, round: u32, matrix: &Matrix<'_>) -> anyhow::Result<()> {
        // SAFETY: a live booster, borrowed mutably, and a live matrix.
        let status = unsafe { (self.xgboost.functions.booster_update)(self.handle, round as c_int, matrix.handle) };
        self.xgboost.check(status, "train")
    }

    /// Predicts the probability of each row.
    ///
    /// # Errors
    /// If the matrix has other columns than the booster was trained with.
    pub fn predict(&mut self, matrix: &Matrix<'_>) -> anyhow::Result<Vec<f32>> {
        let config =
            c"{\"type\":0,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,\"strict_shape\":false}";
        let (mut shape, mut dims, mut values) = (std::ptr::null(), 0, std::ptr::null());
        // SAFETY: a live booster and matrix, a C string, and valid places for the three results.
        let status = unsafe {
            let (shape, dims, values) = (&raw mut shape, &raw mut dims, &raw mut values);
            (self.xgboost.functions.booster_predict)(self.handle, matrix.handle, config.as_ptr(), shape, dims, values)
        };
        self.xgboost.check(status, "predict")?;
        // SAFETY: on success `shape` points to `dims` sizes.
        let len: u64 = unsafe { std::slice::from_raw_parts(shape, dims as usize) }
            .iter()
            .product();
        ensure!(
            len == matrix.rows as u64,
            "XGBoost predicted {len} values for {} rows",
            matrix.rows
        );
        // SAFETY: on success `values` points to the product of the sizes, valid until the booster's next call; it is
        // copied before that.
        Ok(unsafe { std::slice::from_raw_parts(values, matrix.rows) }.to_vec())
    }

    /// Returns the model in XGBoost's UBJSON format.
    ///
    /// # Errors
    /// If XGBoost cannot write it.
    pub fn save(&self) -> anyhow::Result<Vec<u8>> {
        let (mut len, mut bytes) = (0, std::ptr::null());
        // SAFETY: a live booster, a C string, and valid places for the results.
        let status = unsafe {
            let config = c"{\"format\":\"ubj\"}".as_ptr();
            (self.xgboost.functions.booster_save)(self.handle, config, &raw mut len, &raw mut bytes)
        };
        self.xgboost.check(status, "write a booster")?;
        // SAFETY: on success `bytes` points to `len` bytes, valid until the booster's next call; copied before that.
        Ok(unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len as usize) }.to_vec())
    }
}

impl Drop for Booster<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle came from booster_create and is freed once, here.
        unsafe { (self.xgboost.functions.booster_free)(self.handle) };
    }
}

/// Returns the paths where pip and package managers install the library, then the name that the system's loader resolves.
fn usual_places() -> Vec<PathBuf> {
    let name = format!("{DLL_PREFIX}xgboost{DLL_SUFFIX}");
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".local"));
    let prefixes = std::env::var_os("VIRTUAL_ENV")
        .map(PathBuf::from)
        .into_iter()
        .chain(home);
    let prefixes = prefixes.chain([PathBuf::from("/usr/local"), PathBuf::from("/usr")]);
    let mut places = Vec::new();
    for prefix in prefixes {
        let Ok(entries) = std::fs::read_dir(prefix.join("lib")) else {
            continue;
        };
        let mut pythons: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        pythons.retain(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("python3"))
        });
        pythons.sort();
        for packages in pythons
            .iter()
            .rev()
            .flat_map(|p| [p.join("site-packages"), p.join("dist-packages")])
        {
            places.push(packages.join("xgboost").join("lib").join(&name));
        }
    }
    places.retain(|place| place.is_file());
    places.push(PathBuf::from(name));
    places
}
