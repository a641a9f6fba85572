//! The search on a device of Burn fulfils the contract of the vector engines.

use std::sync::Arc;

use device::DeviceChoice;
use engine::{Compare, ExactEngine, conformance};
use scan::{Hit, Query, Scanner, Values};
use search::{Block, DeviceScan, MappedRows, SearchDevice, Stored};

/// Vectors in memory, `[row][dim]`.
#[derive(Debug)]
struct Vectors(Vec<f32>);

impl MappedRows for Vectors {
    fn values(&self) -> Values<'_> {
        Values::F32(&self.0)
    }
}

/// Comparison as on a GPU, on the CPU backend of Burn.
#[derive(Debug)]
struct OnDevice(SearchDevice);

impl Compare for OnDevice {
    fn search(&self, vectors: &[f32], scanner: &Scanner<'_>, queries: &[Query<'_>]) -> Vec<Vec<Hit>> {
        let Some(dim) = vectors.len().checked_div(scanner.len()) else {
            return scanner.search(queries);
        };
        let block = Block::mapped(dim, Box::new(Vectors(vectors.to_vec()))).expect("the vectors are whole rows");
        let stored = Stored::of_blocks(dim, vec![Arc::new(block)]);
        let device = DeviceScan::new(&stored, &self.0).expect("the CPU has memory");
        let found = device.search(scanner, queries);
        assert_eq!(self.0.error(), None);
        found
    }
}

#[test]
fn a_search_on_a_device_fulfils_the_contract_of_engines() {
    let device = DeviceChoice::Cpu.open().expect("the CPU is available");
    let device = SearchDevice::open(&device).expect("the CPU multiplies integers exactly");
    let make = || Box::new(ExactEngine::comparing(OnDevice(device.clone()))) as Box<dyn engine::Engine>;
    conformance::run(make, |case| eprintln!("{case}"));
}
