"""Writes a tagger as ONNX and LiteRT models, so that other libraries compute the same network.

    pip install --target FOLDER numpy onnx && pip install --target FOLDER --no-deps ai-edge-litert
    PYTHONPATH=FOLDER python3 export.py BUNDLE OUT

BUNDLE has a style network on EfficientNet-Lite0, cut after a stage, with folded norms and f16 or int8 weights. The graphs are
built layer by layer from the names and shapes in the file of weights, without a converter. measure.mjs compares their logits
with the program. All models compute in f32.

    model.onnx        f32 weights, [1, 3, height, width] -> [1, labels]
    model_fp16.onnx   f16 weights. A Cast before each layer is folded when the session is made.
    model_int8.onnx   int8 weights with a scale per output. A Cast and a Mul before each layer are folded.
    model.tflite      f16 weights, [1, height, width, 3] -> [1, labels]. ReLU6 and "SAME" are part of the convolutions. LiteRT unpacks
                      f16 weights once, but int8 weights with a scale per output in every run.
    config.json       for transformers.js
"""

import json
import pathlib
import struct
import sys

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as lite
from onnx import TensorProto, helper, numpy_helper

# Blocks whose depthwise convolution halves the map. Stages 2, 3, 4 and 6 of EfficientNet-Lite0 begin there.
HALVING = (1, 3, 5, 11)
# Names that transformers.js expects.
INPUT, OUTPUT = "pixel_values", "logits"


NUMBERS = {"F16": np.float16, "F32": np.float32, "I8": np.int8}


class Weights(dict):
    """Parameters by name as f32 arrays. `stored` has (numbers, scales or None) as in the file."""

    def __init__(self, path):
        data = path.read_bytes()
        (size,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + size])
        header.pop("__metadata__", None)
        found = {
            name: np.frombuffer(data[8 + size :][slice(*entry["data_offsets"])], NUMBERS[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items()
        }
        names = [name for name in found if not name.endswith("_scale")]
        self.stored = {name: (found[name], found.get(f"{name}_scale")) for name in names}
        for name, (numbers, scales) in self.stored.items():
            self[name] = numbers.astype(np.float32) * along_outputs(scales, numbers)


def along_outputs(scales, numbers):
    """Scales per output in a shape that can be multiplied with the numbers."""
    return np.float32(1) if scales is None else scales.reshape(-1, *[1] * (numbers.ndim - 1))


def layers(weights):
    """Lists the network: (kind, name of the parameters, stride, relu6), or ("add", None, ...) for a residual sum."""
    blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("_blocks."))
    yield "conv", "_conv_stem", 2, True
    channels = weights["_conv_stem.weight"].shape[0]
    for block in range(blocks):
        prefix, stride = f"_blocks.{block}.", 2 if block in HALVING else 1
        yield "begin", None, 1, False
        if f"{prefix}_expand_conv.weight" in weights:
            yield "conv", f"{prefix}_expand_conv", 1, True
        yield "depthwise", f"{prefix}_depthwise_conv", stride, True
        yield "conv", f"{prefix}_project_conv", 1, False
        output = weights[f"{prefix}_project_conv.weight"].shape[0]
        if stride == 1 and output == channels:
            yield "add", None, 1, False
        channels = output


def same_padding(side, kernel, stride):
    """TensorFlow's "SAME": the zeros before and after a side."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def write_onnx(path, weights, height, width, labels, as_stored):
    nodes, initializers, known = [], [], set()

    def parameter(name):
        if name in known:
            return name
        known.add(name)
        if not as_stored:
            initializers.append(numpy_helper.from_array(weights[name], name))
            return name
        numbers, scales = weights.stored[name]
        initializers.append(numpy_helper.from_array(numbers, f"{name}.stored"))
        cast = name if scales is None else f"{name}.cast"
        nodes.append(helper.make_node("Cast", [f"{name}.stored"], [cast], to=TensorProto.FLOAT))
        if scales is not None:
            initializers.append(numpy_helper.from_array(along_outputs(scales, numbers), f"{name}.scale"))
            nodes.append(helper.make_node("Mul", [cast, f"{name}.scale"], [name]))
        return name

    for name, value in (("zero", 0.0), ("six", 6.0)):
        initializers.append(numpy_helper.from_array(np.float32(value), name))
    x, start, sides, count = INPUT, None, (height, width), 0

    def emit(kind, inputs, **attributes):
        nonlocal count
        count += 1
        nodes.append(helper.make_node(kind, inputs, [f"x{count}"], name=f"{kind}_{count}", **attributes))
        return f"x{count}"

    for kind, name, stride, relu6 in layers(weights):
        if kind == "begin":
            start = x
        elif kind == "add":
            x = emit("Add", [start, x])
        else:
            output, _, kernel, _ = weights[f"{name}.weight"].shape
            (top, bottom), (left, right) = (same_padding(side, kernel, stride) for side in sides)
            x = emit(
                "Conv",
                [x, parameter(f"{name}.weight"), parameter(f"{name}.bias")],
                kernel_shape=[kernel, kernel],
                strides=[stride, stride],
                pads=[top, left, bottom, right],
                group=output if kind == "depthwise" else 1,
            )
            sides = tuple(-(-side // stride) for side in sides)
            x = emit("Clip", [x, "zero", "six"]) if relu6 else x
    x = emit("Flatten", [emit("GlobalAveragePool", [x])])
    x = emit("Gemm", [x, parameter("head.hidden.weight"), parameter("head.hidden.bias")], transB=1)
    x = emit("Gemm", [emit("Relu", [x]), parameter("head.output.weight"), parameter("head.output.bias")], transB=1)
    nodes.append(helper.make_node("Identity", [x], [OUTPUT]))
    graph = helper.make_graph(
        nodes,
        "tagger",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, labels])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def write_lite(path, weights, height, width, labels):
    model, graph = lite.ModelT(), lite.SubGraphT()
    model.version, model.description = 3, "tagger"
    model.buffers, model.operatorCodes, model.subgraphs = [lite.BufferT()], [], [graph]
    graph.name, graph.tensors, graph.operators = "main", [], []
    codes = {}

    def tensor(name, shape, value=None):
        entry = lite.TensorT()
        entry.name, entry.shape, entry.buffer = name, list(shape), 0
        entry.type = lite.TensorType.FLOAT32
        if value is not None:
            kinds = {"float16": lite.TensorType.FLOAT16, "int32": lite.TensorType.INT32}
            entry.type, entry.buffer = kinds[value.dtype.name], len(model.buffers)
            buffer = lite.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
            model.buffers.append(buffer)
        graph.tensors.append(entry)
        return len(graph.tensors) - 1

    def operator(kind, inputs, output, options=None, options_kind=0, version=1):
        if kind not in codes:
            code = lite.OperatorCodeT()
            code.builtinCode, code.version = kind, version
            code.deprecatedBuiltinCode = min(kind, 127)
            codes[kind] = len(model.operatorCodes)
            model.operatorCodes.append(code)
        entry = lite.OperatorT()
        entry.opcodeIndex, entry.inputs, entry.outputs = codes[kind], inputs, [output]
        entry.builtinOptions, entry.builtinOptionsType = options, options_kind
        graph.operators.append(entry)
        return output

    def parameter(name, order=None):
        """Adds a parameter with its dimensions in another order."""
        value = weights[name].astype(np.float16)
        value = value if order is None else value.transpose(order)
        stored = tensor(f"{name}.stored", value.shape, value)
        unpacked = tensor(name, value.shape)
        options = (lite.DequantizeOptionsT(), lite.BuiltinOptions.DequantizeOptions)
        return operator(lite.BuiltinOperator.DEQUANTIZE, [stored], unpacked, *options, version=3)

    def activation(relu6):
        return lite.ActivationFunctionType.RELU6 if relu6 else lite.ActivationFunctionType.NONE

    sides = (height, width)
    x = tensor(INPUT, [1, height, width, 3])
    graph.inputs, start = [x], None
    for kind, name, stride, relu6 in layers(weights):
        if kind == "begin":
            start = x
            continue
        if kind == "add":
            options = lite.AddOptionsT()
            options.fusedActivationFunction = activation(False)
            total = tensor("sum", graph.tensors[x].shape)
            x = operator(lite.BuiltinOperator.ADD, [start, x], total, options, lite.BuiltinOptions.AddOptions)
            continue
        if kind == "depthwise":
            matrix, options = parameter(f"{name}.weight", (1, 2, 3, 0)), lite.DepthwiseConv2DOptionsT()
            code, options_kind = lite.BuiltinOperator.DEPTHWISE_CONV_2D, lite.BuiltinOptions.DepthwiseConv2DOptions
            options.depthMultiplier = 1
        else:
            matrix, options = parameter(f"{name}.weight", (0, 2, 3, 1)), lite.Conv2DOptionsT()
            code, options_kind = lite.BuiltinOperator.CONV_2D, lite.BuiltinOptions.Conv2DOptions
        options.padding, options.strideH, options.strideW = lite.Padding.SAME, stride, stride
        options.dilationHFactor = options.dilationWFactor = 1
        options.fusedActivationFunction = activation(relu6)
        sides = tuple(-(-side // stride) for side in sides)
        inputs = [x, matrix, parameter(f"{name}.bias")]
        x = operator(code, inputs, tensor(name, [1, *sides, weights[f"{name}.bias"].size]), options, options_kind)
    axes = tensor("axes", [2], np.array([1, 2], np.int32))
    mean = lite.ReducerOptionsT()
    mean.keepDims = False
    pooled = tensor("pooled", [1, graph.tensors[x].shape[3]])
    x = operator(lite.BuiltinOperator.MEAN, [x, axes], pooled, mean, lite.BuiltinOptions.ReducerOptions)
    for name, result, function in (
        ("head.hidden", "hidden", lite.ActivationFunctionType.RELU),
        ("head.output", OUTPUT, lite.ActivationFunctionType.NONE),
    ):
        options = lite.FullyConnectedOptionsT()
        options.fusedActivationFunction = function
        inputs = [x, parameter(f"{name}.weight"), parameter(f"{name}.bias")]
        output = tensor(result, [1, weights[f"{name}.bias"].size])
        code, kind = lite.BuiltinOperator.FULLY_CONNECTED, lite.BuiltinOptions.FullyConnectedOptions
        x = operator(code, inputs, output, options, kind)
    graph.outputs = [x]
    builder = flatbuffers.Builder(1 << 22)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def main():
    bundle, out = map(pathlib.Path, sys.argv[1:])
    manifest = json.loads((bundle / "bundle.json").read_text())
    architecture, size = manifest["architecture"], manifest["input"]
    known = architecture["task"] == "style" and architecture["backbone"].startswith("efficientnet_lite0_s")
    stored = {"f16": "fp16", "int8": "int8"}.get(manifest["weights"]["dtype"])
    if not (known and stored and manifest["weights"]["folded"]):
        sys.exit(f"{bundle} is no style network on a cut EfficientNet-Lite0 with folded norms and f16 or int8 weights")
    weights = Weights(bundle / manifest["weights"]["file"])
    shape = (size["height"], size["width"], len(manifest["labels"]))
    out.mkdir(parents=True, exist_ok=True)
    write_onnx(out / "model.onnx", weights, *shape, as_stored=False)
    write_onnx(out / f"model_{stored}.onnx", weights, *shape, as_stored=True)
    write_lite(out / "model.tflite", weights, *shape)
    config = {"model_type": "efficientnet", "architectures": ["EfficientNetForImageClassification"]}
    (out / "config.json").write_text(json.dumps(config))


main()
