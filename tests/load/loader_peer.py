"""The peer of `selvedge dataset bench`: PyTorch's DataLoader with torchvision's transforms over the same pictures.

Same work: decode, crop up to 15 % of the width and 10 % of the height, resize (antialiased, bilinear), mirror half of
them, normalise. Same batches of 32, same median over passes after one that is not counted. With `--workers 0` all of it
runs on one core of this process, as `--threads 1` does over there.

    python tests/load/loader_peer.py --data DIR [--limit 512] [--width 224] [--height 224] [--workers 0] [--passes 5]
"""

import argparse
import csv
import json
import pathlib
import random
import statistics
import time

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import functional


class Pictures(Dataset):
    def __init__(self, folder, limit, transform):
        with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
            self.paths = [folder / row["path"] for row in csv.DictReader(file)][:limit]
        self.transform = transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with Image.open(self.paths[index]) as picture:
            return self.transform(picture.convert("RGB"))


def crop(picture):
    """Loses up to 15 % of the width and 10 % of the height, anywhere."""
    lost = [random.randint(0, int(side * share)) for side, share in zip(picture.size, (0.15, 0.10))]
    x, y = (random.randint(0, most) for most in lost)
    return functional.crop(picture, y, x, picture.height - lost[1], picture.width - lost[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=pathlib.Path, required=True)
    for name, default in [("limit", 512), ("width", 224), ("height", 224), ("workers", 0), ("passes", 5)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(1)
    transform = transforms.Compose([
        transforms.Lambda(crop),
        transforms.Resize((args.height, args.width), antialias=True),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])
    pictures = Pictures(args.data, args.limit, transform)
    rates = []
    for number in range(args.passes + 1):
        begun = time.perf_counter()
        images = sum(len(batch) for batch in DataLoader(pictures, batch_size=32, num_workers=args.workers))
        if number > 0:
            rates.append(images / (time.perf_counter() - begun))
    median = statistics.median(rates)
    cores = max(args.workers, 1)
    print(json.dumps({
        "images": len(pictures), "width": args.width, "height": args.height, "workers": args.workers,
        "passes": args.passes, "images_per_second": median, "images_per_second_and_core": median / cores,
        "slowest": min(rates), "fastest": max(rates),
    }))


if __name__ == "__main__":
    main()
