//! Conversion of hand-made PyTorch files, and refusal of other kinds of files.

use super::to_safetensors;
use safetensors::SafeTensors;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;

/// Tensor as described by PyTorch, with the bytes of its storage.
struct Stored<'a> {
    kind: &'a str,
    shape: &'a [usize],
    stride: &'a [usize],
    offset: usize,
    elements: usize,
    bytes: Vec<u8>,
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn number(number: usize) -> Vec<u8> {
    [b"J", &(number as u32).to_le_bytes()[..]].concat()
}

fn tuple(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    [
        b"(".to_vec(),
        items.into_iter().collect::<Vec<_>>().concat(),
        b"t".to_vec(),
    ]
    .concat()
}

/// Writes the archive of `{"w": tensor}`, with a further entry if `extra` names one.
fn archive(tensor: &Stored<'_>, extra: Option<&str>) -> Vec<u8> {
    let storage = tuple([
        text("storage"),
        format!("ctorch\n{}\n", tensor.kind).into_bytes(),
        text("0"),
        text("cpu"),
        number(tensor.elements),
    ]);
    let sizes = |sizes: &[usize]| tuple(sizes.iter().map(|size| number(*size)));
    let arguments = tuple([
        [&storage[..], b"Q"].concat(),
        number(tensor.offset),
        sizes(tensor.shape),
        sizes(tensor.stride),
        b"\x89ccollections\nOrderedDict\n)R".to_vec(),
    ]);
    let rebuilt = [b"ctorch._utils\n_rebuild_tensor_v2\n", &arguments[..], b"R"].concat();
    let pickle = [b"\x80\x02}", &text("w")[..], &rebuilt, b"s."].concat();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let entries = [("m/data.pkl", &pickle[..]), ("m/data/0", &tensor.bytes)];
    for (name, bytes) in entries.into_iter().chain(extra.map(|name| (name, &b"x"[..]))) {
        zip.start_file(name, options).expect("the entry can be added");
        zip.write_all(bytes).expect("the file can be written");
    }
    zip.finish().expect("the archive can be finished").into_inner()
}

fn floats(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

#[test]
#[allow(clippy::type_complexity)] // a table of cases
fn tensors_are_read_in_row_major_order_for_all_strides() {
    let counted = || floats((0..24).map(|value| value as f32));
    let cases: [(&str, &[usize], &[usize], usize, usize, Vec<u8>, Vec<f32>); 6] = [
        // [out 2, in 2, height 1, width 3] with channels last, a common layout of convolutions in PyTorch.
        (
            "channels last",
            &[2, 2, 1, 3],
            &[6, 1, 6, 2],
            0,
            24,
            counted(),
            vec![0., 2., 4., 1., 3., 5., 6., 8., 10., 7., 9., 11.],
        ),
        (
            "transposed",
            &[3, 2],
            &[1, 3],
            0,
            24,
            counted(),
            vec![0., 3., 1., 4., 2., 5.],
        ),
        ("every other", &[4], &[2], 3, 24, counted(), vec![3., 5., 7., 9.]),
        ("expanded", &[3], &[0], 1, 2, floats([7., 8.]), vec![8., 8., 8.]),
        (
            "expanded rows",
            &[2, 3],
            &[0, 1],
            0,
            3,
            floats([1., 2., 3.]),
            vec![1., 2., 3., 1., 2., 3.],
        ),
        ("a single value", &[], &[], 2, 24, counted(), vec![2.]),
    ];
    for (name, shape, stride, offset, elements, bytes, expected) in cases {
        let stored = Stored {
            kind: "FloatStorage",
            shape,
            stride,
            offset,
            elements,
            bytes,
        };
        let file = to_safetensors(archive(&stored, None)).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let file = SafeTensors::deserialize(&file).expect("the result is safetensors");
        let tensor = file.tensor("w").expect("the tensor exists");
        assert_eq!(
            (tensor.shape(), tensor.data()),
            (shape, &floats(expected)[..]),
            "{name}"
        );
    }
}

#[test]
fn other_files_are_refused_by_name_with_advice() {
    let stored = || Stored {
        kind: "FloatStorage",
        shape: &[2],
        stride: &[1],
        offset: 0,
        elements: 2,
        bytes: floats([1., 2.]),
    };
    let good = to_safetensors(archive(&stored(), None)).expect("the file can be read");
    let zip_with = |name: &str| {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(
            name,
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored),
        )
        .expect("the entry can be added");
        zip.finish().expect("the archive can be finished").into_inner()
    };
    let tar = [vec![0; 257], b"ustar".to_vec(), vec![0; 250]].concat();
    let table = [b"\0\0\x0bmodel".to_vec(), b"\x57\xfb\x80\x8b\x24\x75\x47\xdb".to_vec()].concat();
    for (bytes, message) in [
        (Vec::new(), "it is empty"),
        (vec![0; 4096], "a file of zeros"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n".to_vec(),
            "Git LFS pointer",
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\r\noid sha256:0\r\n".to_vec(),
            "git lfs pull",
        ),
        (b"\n  <!DOCTYPE html>\n<html>".to_vec(), "a web page"),
        (b"\xef\xbb\xbf<HTML><body>".to_vec(), "a web page"),
        (
            b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>".to_vec(),
            "a web page or XML",
        ),
        (
            b"{\"error\":\"Repository not found\"}".to_vec(),
            "a server's error message",
        ),
        (b"{\n \"metadata\": {}, \"weight_map\": {}}".to_vec(), "text, such as"),
        (b"Not Found\n".to_vec(), "text, such as"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec(), "compressed by gzip"),
        (tar, "a tar archive, such as PyTorch wrote before 2017"),
        (b"\x89HDF\r\n\x1a\n\0\0".to_vec(), "an HDF5 file, such as Keras writes"),
        (b"\x08\x07\x12\x07pytorch\x1a\x032.1".to_vec(), "an ONNX model"),
        (b"\x08\x08\x3a\x90\x80\x01\x0a\x10conv1".to_vec(), "an ONNX model"),
        (table, "a TensorFlow checkpoint"),
        (
            b"model_checkpoint_path: \"model.ckpt-1\"\n".to_vec(),
            "TensorFlow's list of checkpoints",
        ),
        (
            b"\x0a\x2d\x0a\x05input\x12\x0bPlaceholder\0".to_vec(),
            "a TensorFlow graph",
        ),
        (b"L119547037146038801333356L\n.".to_vec(), "pickle protocol 0"),
        (b"\x01\x02\x03".to_vec(), "begins with the bytes 01 02 03"),
        (good[..good.len() - 1].to_vec(), "safetensors file that is truncated"),
        (good[..20].to_vec(), "safetensors file that is truncated"),
        (zip_with("model.pth"), "a zip archive around 'model.pth'"),
        (zip_with("weight.npy"), "a NumPy archive"),
        (zip_with("readme.md"), "it contains readme.md"),
        (archive(&stored(), Some("m/constants.pkl")), "a TorchScript program"),
        (
            archive(
                &Stored {
                    kind: "Float8_e4m3fnStorage",
                    ..stored()
                },
                None,
            ),
            "have the type 'Float8_e4m3fnStorage'",
        ),
        (
            archive(
                &Stored {
                    shape: &[1 << 30],
                    stride: &[0],
                    ..stored()
                },
                None,
            ),
            "more elements than the file",
        ),
    ] {
        let error = format!("{:#}", to_safetensors(bytes).expect_err(message));
        assert!(error.contains(message) && error.contains("hint"), "{message}: {error}");
    }
}

#[test]
fn header_lengths_that_look_like_other_signatures_are_safetensors() {
    for length in [35_615_usize, 274, 0x5a42] {
        let entry = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
        let header = [&entry[..], &vec![b' '; length - entry.len() - 1], b"}"].concat();
        let bytes = [&(length as u64).to_le_bytes()[..], &header, &1.0_f32.to_le_bytes()].concat();
        assert_eq!(
            to_safetensors(bytes.clone()).expect("the result is safetensors"),
            bytes,
            "{length}"
        );
    }
}
