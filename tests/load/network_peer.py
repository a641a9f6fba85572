"""The peer of `cargo run --example network`: the same network, loss and optimiser in PyTorch, timed when asked to.

ResNet-18 whose last stage keeps its stride, global average, 1×1 convolution and batch norm to 256 values, unit length; a
linear softmax over 923 identities; AdamW. Reads `train` or `embed` line by line and answers with seconds.
"""

import sys
import time

import torch
import torchvision
from torch import nn
from torch.nn import functional

BATCH, HEIGHT, WIDTH, DIM, IDENTITIES = 64, 128, 96, 256, 923


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        trunk = torchvision.models.resnet18()
        self.features = nn.Sequential(*list(trunk.children())[:-2])
        self.part = nn.Sequential(nn.Conv2d(512, DIM, 1, bias=False), nn.BatchNorm2d(DIM))

    def forward(self, x):
        pooled = functional.adaptive_avg_pool2d(self.features(x), 1)
        return functional.normalize(self.part(pooled).flatten(1))


torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(1)
net, classifier = Network(), nn.Linear(DIM, IDENTITIES)
optimiser = torch.optim.AdamW([*net.parameters(), *classifier.parameters()], lr=1e-3)
images = torch.randn(BATCH, 3, HEIGHT, WIDTH)
classes = torch.arange(BATCH) % IDENTITIES
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
