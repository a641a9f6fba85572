"""The peer of `cargo run --example network`: the same network, loss and optimiser in PyTorch, timed when asked to.

ResNet-18, or an EfficientNet-Lite0 without its classifier, global average, 1×1 convolution and batch norm to 256 values, unit length; a
linear softmax over 923 identities; AdamW. Arguments: threads, backbone, device of PyTorch. Reads `train` or `embed` line by line and answers with seconds.
"""

import sys
import time

import torch
import torchvision
from torch import nn
from torch.nn import functional

BATCH, HEIGHT, WIDTH, DIM, IDENTITIES = 32, 128, 96, 256, 923


def layer(inputs, outputs, kernel, stride, groups, activation=True):
    """A convolution padded as TensorFlow's "SAME" for even sides, a norm and ReLU6."""
    before, after = ((kernel - 1) // 2, (kernel - 1) // 2) if stride == 1 else ((kernel - 2) // 2, (kernel - 1) // 2)
    pad = [nn.ZeroPad2d((before, after, before, after))] if before != after else []
    conv = nn.Conv2d(inputs, outputs, kernel, stride, 0 if pad else before, groups=groups, bias=False)
    norm = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)
    return nn.Sequential(*pad, conv, norm, *([nn.ReLU6(inplace=True)] if activation else []))


class Block(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride, expansion):
        super().__init__()
        wide = inputs * expansion
        expand = [layer(inputs, wide, 1, 1, 1)] if expansion > 1 else []
        project = layer(wide, outputs, 1, 1, 1, activation=False)
        self.layers = nn.Sequential(*expand, layer(wide, wide, kernel, stride, wide), project)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        y = self.layers(x)
        return x + y if self.residual else y


def lite0():
    rows = [(3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4)]
    blocks, inputs = [layer(3, 32, 3, 2, 1)], 32
    for kernel, stride, expansion, outputs, depth in [*rows, (3, 1, 6, 320, 1)]:
        for block in range(depth):
            blocks.append(Block(inputs, outputs, kernel, stride if block == 0 else 1, expansion))
            inputs = outputs
    return nn.Sequential(*blocks, layer(inputs, 1280, 1, 1, 1))


class Network(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        if backbone == "resnet18":
            self.features = nn.Sequential(*list(torchvision.models.resnet18().children())[:-2])
        else:
            self.features = lite0()
        channels = 512 if backbone == "resnet18" else 1280
        self.part = nn.Sequential(nn.Conv2d(channels, DIM, 1, bias=False), nn.BatchNorm2d(DIM))

    def forward(self, x):
        pooled = functional.adaptive_avg_pool2d(self.features(x), 1)
        return functional.normalize(self.part(pooled).flatten(1))


torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(1)
device = sys.argv[3]
net, classifier = Network(sys.argv[2]).to(device), nn.Linear(DIM, IDENTITIES).to(device)
optimiser = torch.optim.AdamW([*net.parameters(), *classifier.parameters()], lr=1e-3)
images = torch.randn(BATCH, 3, HEIGHT, WIDTH, device=device)
classes = torch.arange(BATCH, device=device) % IDENTITIES
for line in sys.stdin:
    begun = time.perf_counter()
    if line.strip() == "train":
        net.train()
        optimiser.zero_grad()
        loss = functional.cross_entropy(classifier(net(images)), classes)
        loss.backward()
        optimiser.step()
        loss.item()
    else:
        net.eval()
        with torch.inference_mode():
            net(images).sum().item()
    print(time.perf_counter() - begun, flush=True)
