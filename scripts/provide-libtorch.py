#!/usr/bin/env python3
"""Provide libtorch for the tch crate and tell cargo where it is.

Order: LIBTORCH as the user set it; LIBTORCH_USE_PYTORCH=1; else a copy in the user's cache folder, made
once from the PyTorch wheel. The choice is written to .cargo/config.toml, so that plain `cargo test`,
`cargo run` and `cargo bench` need no environment variable afterwards.

The Linux x86-64 wheel is the CUDA build (3 GB with all it depends on). CPU work needs only
libtorch_cpu, libc10, libgomp and the headers, plus the CUDA runtime and CUPTI that libtorch_cpu is linked
against; and a stub libtorch.so, because the real one links libtorch_cuda. torch-sys links CUDA only where
libtorch_cuda.so is present, so it is left out. About 0.5 GB.
"""

import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

sys.dont_write_bytecode = True
from provide import Provider, cache_folder, start

TORCH_VERSION = "2.13.0"
CUDA_WHEELS = ["nvidia-cuda-runtime==13.0.*", "nvidia-cuda-cupti==13.0.*"]
TORCH_LIBRARIES = ["libtorch_cpu.so", "libc10.so", "libgomp.so.1"]
CUDA_LIBRARIES = ["libcudart.so.13", "libcupti.so.13"]

REPOSITORY = Path(__file__).resolve().parent.parent
CARGO_CONFIG = REPOSITORY / ".cargo" / "config.toml"
WRITTEN_BY = "# Written by scripts/provide-libtorch.py; `make libtorch` writes it again."

provider = Provider("libtorch")


def download(scratch, packages, platforms):
    command = ["download", "--no-deps", "--only-binary=:all:", "--dest", str(scratch / "wheels")]
    for name in platforms:
        command += ["--platform", name]
    if platforms:
        command += ["--python-version", "3.12", "--implementation", "cp"]
    otherwise = f"or set LIBTORCH to an unpacked libtorch {TORCH_VERSION}, or LIBTORCH_USE_PYTORCH=1 with torch=={TORCH_VERSION} installed"
    provider.pip(command + packages, otherwise, scratch)


def unpack(wheel, chosen, target):
    """Copy the members of `wheel` that `chosen` maps to a path below `target`, with a progress line."""
    with zipfile.ZipFile(wheel) as archive:
        members = [(member, chosen(member.filename)) for member in archive.infolist() if not member.is_dir()]
        members = [(member, place) for member, place in members if place]
        total = sum(member.file_size for member, _ in members) or 1
        done, shown = 0, -1
        for member, place in members:
            path = target / place
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, open(path, "wb") as sink:
                while piece := source.read(1 << 22):
                    sink.write(piece)
                    done += len(piece)
                    percent = 100 * done // total
                    step = 1 if sys.stdout.isatty() else 25
                    if percent // step != shown // step:
                        shown = percent
                        end = "\r" if sys.stdout.isatty() else "\n"
                        print(f"libtorch: unpacking {Path(wheel).name.split('-')[0]} {percent:3d}% of {total >> 20} MB", end=end, flush=True)
        if sys.stdout.isatty():
            print()


def one_wheel(folder, prefix):
    found = sorted(folder.glob(f"{prefix}-*.whl"))
    if not found:
        provider.fail(f"no {prefix} wheel was downloaded", "Run this again.")
    return found[0]


def trimmed_torch(name):
    if name.startswith("torch/include/"):
        return name[len("torch/"):]
    if name.startswith("torch/lib/") and name[len("torch/lib/"):] in TORCH_LIBRARIES:
        return name[len("torch/"):]
    return None


def whole_torch(name):
    if name.startswith(("torch/include/", "torch/lib/")):
        return name[len("torch/"):]
    return None


def cuda_library(name):
    base = name.rsplit("/", 1)[-1]
    return f"lib/{base}" if base in CUDA_LIBRARIES else None


def link_stub(library_folder):
    """A libtorch.so that pulls in libtorch_cpu and libc10, in the place of the wheel's, which wants CUDA."""
    command = [
        "g++", "-shared", "-o", str(library_folder / "libtorch.so"), "-Wl,-soname,libtorch.so",
        "-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN", f"-L{library_folder}",
        "-ltorch_cpu", "-lc10", "-Wl,--allow-shlib-undefined",
    ]
    try:
        subprocess.run(command, check=True)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        provider.fail(f"g++ could not link the stub libtorch.so ({error})", "Install g++ (Debian: apt install g++) and run this again.")


def make_copy(scratch):
    made = scratch / "finished"
    trimmed = (platform.system(), platform.machine()) == ("Linux", "x86_64")
    provider.say(f"downloading torch {TORCH_VERSION} (about 530 MB)")
    download(scratch, [f"torch=={TORCH_VERSION}"], ["manylinux_2_28_x86_64"] if trimmed else [])
    if trimmed:
        download(scratch, CUDA_WHEELS, ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"])
    wheels = scratch / "wheels"
    unpack(one_wheel(wheels, "torch"), trimmed_torch if trimmed else whole_torch, made)
    if trimmed:
        for prefix in ("nvidia_cuda_runtime", "nvidia_cuda_cupti"):
            unpack(one_wheel(wheels, prefix), cuda_library, made)
        missing = [name for name in TORCH_LIBRARIES + CUDA_LIBRARIES if not (made / "lib" / name).exists()]
        if missing:
            provider.fail(f"the wheels lack {', '.join(missing)}", f"Set LIBTORCH to an unpacked libtorch {TORCH_VERSION} instead.")
        link_stub(made / "lib")
    (made / "build-version").write_text(TORCH_VERSION + "\n")


def check_users_copy(libtorch):
    header = Path(os.environ.get("LIBTORCH_INCLUDE", libtorch)) / "include/torch/csrc/api/include/torch/torch.h"
    if not header.exists():
        provider.fail(f"LIBTORCH={libtorch} holds no {header.relative_to(header.parents[6])}",
                      f"Point it at an unpacked libtorch {TORCH_VERSION}, or unset it to use a cached copy.")


def check_python_torch():
    found = subprocess.run(["python3", "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True)
    version = found.stdout.strip().split("+")[0]
    if version != TORCH_VERSION and "LIBTORCH_BYPASS_VERSION_CHECK" not in os.environ:
        provider.fail(f"LIBTORCH_USE_PYTORCH is set and python3 has torch {version or 'not installed'}",
                      f"Install torch=={TORCH_VERSION}, or unset LIBTORCH_USE_PYTORCH to use a cached copy.")


def library_folder_of_python_torch():
    code = "import torch, pathlib; print(pathlib.Path(torch.__file__).parent / 'lib')"
    return subprocess.run(["python3", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def write_cargo_config(environment, library_folder):
    lines = [WRITTEN_BY, "[env]"]
    lines += [f'{name} = "{value}"' for name, value in environment.items()]
    # perrin's build script gives its own binaries the run path; doc tests are linked by rustdoc, which it cannot reach.
    lines += ["", "[build]", f'rustdocflags = ["-Clink-arg=-Wl,-rpath,{library_folder}"]', ""]
    text = "\n".join(lines)
    if CARGO_CONFIG.exists():
        present = CARGO_CONFIG.read_text()
        if present == text:
            return
        if not present.startswith(WRITTEN_BY):
            if "LIBTORCH" in present:
                return
            provider.fail(f"{CARGO_CONFIG} is your own; it was left alone", f"Add these lines to it:\n{text}")
    CARGO_CONFIG.parent.mkdir(exist_ok=True)
    CARGO_CONFIG.write_text(text)


def main():
    if os.environ.get("LIBTORCH"):
        libtorch = Path(os.environ["LIBTORCH"]).resolve()
        check_users_copy(libtorch)
        write_cargo_config({"LIBTORCH": libtorch}, Path(os.environ.get("LIBTORCH_LIB", libtorch)) / "lib")
    elif os.environ.get("LIBTORCH_USE_PYTORCH"):
        check_python_torch()
        write_cargo_config({"LIBTORCH_USE_PYTORCH": "1"}, library_folder_of_python_torch())
    else:
        libtorch = provider.make_once(cache_folder() / f"libtorch-{TORCH_VERSION}", make_copy, megabytes=3 << 10)
        write_cargo_config({"LIBTORCH": libtorch}, libtorch / "lib")


if __name__ == "__main__":
    start(main, provider.name)
