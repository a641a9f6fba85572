//! Writer of JPEG files with four flat quarters.

/// Component ids with their sampling factors.
pub(super) type Parts = [(u8, usize, usize)];

/// Layout of the scans of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scans {
    Together,
    Apart,
    Progressive,
}

/// Entropy-coded data.
struct Bits {
    bytes: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, length: u32) {
        for at in (0..length).rev() {
            self.held = self.held << 1 | (value >> at & 1);
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.held as u8);
                if self.held as u8 == 0xFF {
                    self.bytes.push(0);
                }
                (self.held, self.count) = (0, 0);
            }
        }
    }

    /// Writes the difference of two DC coefficients: its size in four bits, then its own bits.
    fn difference(&mut self, value: i32) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        self.put(size, 4);
        let bits = if value < 0 { value + (1 << size) - 1 } else { value };
        self.put(bits as u32, size);
    }

    fn end(mut self) -> Vec<u8> {
        while self.count > 0 {
            self.put(1, 1);
        }
        self.bytes
    }
}

/// Writes a segment: marker, length and data.
pub(super) fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 2).to_be_bytes();
    [&[0xFF, marker], &length[..], data].concat()
}

/// Image of four flat quarters in blocks of 8 × 8 samples.
struct Blocks<'a> {
    size: (usize, usize),
    parts: &'a Parts,
    quarters: &'a [[u8; 4]; 4],
    /// Maximum sampling factors.
    most: (usize, usize),
}

impl Blocks<'_> {
    /// DC coefficient of a block, given its component, column and row.
    fn level(&self, (part, x, y): (usize, usize, usize)) -> i32 {
        let (_, h, v) = self.parts[part];
        let (x, y) = ((8 * x + 4) * self.most.0 / h, (8 * y + 4) * self.most.1 / v);
        let quarter = usize::from(2 * x >= self.size.0) + 2 * usize::from(2 * y >= self.size.1);
        8 * (i32::from(self.quarters[quarter][part]) - 128)
    }

    /// Blocks of a scan in order: component, column, row.
    fn in_scan(&self, scan: &[usize]) -> Vec<(usize, usize, usize)> {
        if let &[part] = scan {
            let (_, h, v) = self.parts[part];
            let own = |side: usize, factor: usize, most: usize| (side * factor).div_ceil(most).div_ceil(8);
            let (columns, rows) = (own(self.size.0, h, self.most.0), own(self.size.1, v, self.most.1));
            return (0..rows)
                .flat_map(|y| (0..columns).map(move |x| (part, x, y)))
                .collect();
        }
        let units = (
            self.size.0.div_ceil(8 * self.most.0),
            self.size.1.div_ceil(8 * self.most.1),
        );
        let mut blocks = Vec::new();
        for unit in 0..units.0 * units.1 {
            for &part in scan {
                let (_, h, v) = self.parts[part];
                let (left, top) = (unit % units.0 * h, unit / units.0 * v);
                blocks.extend((0..h * v).map(|at| (part, left + at % h, top + at / h)));
            }
        }
        blocks
    }

    /// Writes a scan of the components `members` with the coefficients `from` to `to`.
    fn scan(&self, members: &[usize], from: u8, to: u8) -> Vec<u8> {
        let names: Vec<u8> = members.iter().flat_map(|part| [self.parts[*part].0, 0]).collect();
        let header = segment(0xDA, &[&[members.len() as u8][..], &names, &[from, to, 0]].concat());
        let mut bits = Bits {
            bytes: header,
            held: 0,
            count: 0,
        };
        let mut before = [0; 4];
        for block in self.in_scan(members) {
            if from == 0 {
                let level = self.level(block);
                bits.difference(level - before[block.0]);
                before[block.0] = level;
            }
            if to > 0 {
                bits.put(0, 1);
            }
        }
        bits.end()
    }
}

/// Writes a JPEG file of `size` whose quarters (top left, top right, bottom left, bottom right) have the samples
/// `quarters`. `extra` are segments after the start of the file.
pub(super) fn jpeg(
    size: (usize, usize),
    parts: &Parts,
    quarters: &[[u8; 4]; 4],
    scans: Scans,
    extra: &[u8],
) -> Vec<u8> {
    let most = |factor: fn(&(u8, usize, usize)) -> usize| parts.iter().map(factor).max().expect("there are components");
    let blocks = Blocks {
        size,
        parts,
        quarters,
        most: (most(|part| part.1), most(|part| part.2)),
    };
    let mut file = vec![0xFF, 0xD8];
    file.extend_from_slice(extra);
    file.extend(segment(0xDB, &[&[0][..], &[1; 64]].concat()));
    let lengths = |at: usize, count: u8| {
        (1..=16)
            .map(|length| if length == at { count } else { 0 })
            .collect::<Vec<u8>>()
    };
    // The codes are twelve sizes of four bits, and the end of block of one bit.
    file.extend(segment(
        0xC4,
        &[&[0x00][..], &lengths(4, 12), &(0..12).collect::<Vec<u8>>()].concat(),
    ));
    file.extend(segment(0xC4, &[&[0x10][..], &lengths(1, 1), &[0]].concat()));
    let frame: Vec<u8> = parts
        .iter()
        .flat_map(|(id, h, v)| [*id, (h << 4 | v) as u8, 0])
        .collect();
    let (w, h) = ((size.0 as u16).to_be_bytes(), (size.1 as u16).to_be_bytes());
    let marker = if scans == Scans::Progressive { 0xC2 } else { 0xC0 };
    file.extend(segment(
        marker,
        &[&[8, h[0], h[1], w[0], w[1], parts.len() as u8][..], &frame].concat(),
    ));
    let all: Vec<usize> = (0..parts.len()).collect();
    match scans {
        Scans::Together => file.extend(blocks.scan(&all, 0, 63)),
        Scans::Apart => all.iter().for_each(|part| file.extend(blocks.scan(&[*part], 0, 63))),
        Scans::Progressive => {
            file.extend(blocks.scan(&all, 0, 0));
            all.iter().for_each(|part| file.extend(blocks.scan(&[*part], 1, 63)));
        }
    }
    file.extend([0xFF, 0xD9]);
    file
}
