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

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

TORCH_VERSION = "2.13.0"
CUDA_WHEELS = ["nvidia-cuda-runtime==13.0.*", "nvidia-cuda-cupti==13.0.*"]
TORCH_LIBRARIES = ["libtorch_cpu.so", "libc10.so", "libgomp.so.1"]
CUDA_LIBRARIES = ["libcudart.so.13", "libcupti.so.13"]
MARKER = "perrin-complete"

REPOSITORY = Path(__file__).resolve().parent.parent
CARGO_CONFIG = REPOSITORY / ".cargo" / "config.toml"
WRITTEN_BY = "# Written by scripts/provide-libtorch.py; `make libtorch` writes it again."


def fail(what, advice):
    sys.exit(f"provide-libtorch: {what}\n  {advice}")


def say(text):
    print(f"libtorch: {text}", flush=True)


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "perrin"


def python_command(*arguments):
    return [sys.executable, *arguments]


def download(folder, packages, platforms):
    """Download wheels with pip, which shows its own progress and checks each file against its hash."""
    command = python_command(
        "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary=:all:", "--dest", str(folder)
    )
    # pip gathers a download in the temporary folder first, which may be a small one in memory.
    temporary = folder.parent / "pip"
    temporary.mkdir(exist_ok=True)
    for name in platforms:
        command += ["--platform", name]
    if platforms:
        command += ["--python-version", "3.12", "--implementation", "cp"]
    try:
        subprocess.run(command + packages, check=True, env={**os.environ, "TMPDIR": str(temporary)})
    except subprocess.CalledProcessError:
        fail(
            f"pip could not download {' '.join(packages)}",
            "Check the network and that `python3 -m pip` works (Debian: apt install python3-pip), then run this again;\n"
            f"  or set LIBTORCH to an unpacked libtorch {TORCH_VERSION}, or LIBTORCH_USE_PYTORCH=1 with torch=={TORCH_VERSION} installed.",
        )


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
        fail(f"no {prefix} wheel was downloaded", "Run this again.")
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
        fail(f"g++ could not link the stub libtorch.so ({error})", "Install g++ (Debian: apt install g++) and run this again.")


def make_copy(finished):
    """Build the cached copy beside its place and rename it into it, so that a half-made one is never used."""
    needed = 3 << 30
    free = shutil.disk_usage(finished.parent).free
    if free < needed:
        fail(f"{finished.parent} has {free >> 20} MB free, {needed >> 20} MB are needed while unpacking",
             "Free some space or point XDG_CACHE_HOME at a larger disk, then run this again.")
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=finished.parent) as scratch:
        scratch = Path(scratch)
        wheels, target = scratch / "wheels", scratch / "libtorch"
        trimmed = (platform.system(), platform.machine()) == ("Linux", "x86_64")
        say(f"downloading torch {TORCH_VERSION} (about 530 MB)")
        download(wheels, [f"torch=={TORCH_VERSION}"], ["manylinux_2_28_x86_64"] if trimmed else [])
        if trimmed:
            download(wheels, CUDA_WHEELS, ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"])
        unpack(one_wheel(wheels, "torch"), trimmed_torch if trimmed else whole_torch, target)
        if trimmed:
            for prefix in ("nvidia_cuda_runtime", "nvidia_cuda_cupti"):
                unpack(one_wheel(wheels, prefix), cuda_library, target)
            missing = [name for name in TORCH_LIBRARIES + CUDA_LIBRARIES if not (target / "lib" / name).exists()]
            if missing:
                fail(f"the wheels lack {', '.join(missing)}", f"Set LIBTORCH to an unpacked libtorch {TORCH_VERSION} instead.")
            link_stub(target / "lib")
        (target / "build-version").write_text(TORCH_VERSION + "\n")
        (target / MARKER).write_text("")
        if finished.exists():
            shutil.rmtree(finished)
        os.rename(target, finished)


def cached_copy():
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"cannot make the cache folder {folder} ({error.strerror})", "Set XDG_CACHE_HOME to a folder you may write to.")
    finished = folder / f"libtorch-{TORCH_VERSION}"
    with open(folder / "lock", "w") as lock:  # a second checkout waits for the first instead of fetching too
        fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in folder.glob("unfinished-*"):
            shutil.rmtree(stale, ignore_errors=True)
        if not (finished / MARKER).exists():
            make_copy(finished)
            say(f"ready in {finished}")
    return finished


def check_users_copy(libtorch):
    header = Path(os.environ.get("LIBTORCH_INCLUDE", libtorch)) / "include/torch/csrc/api/include/torch/torch.h"
    if not header.exists():
        fail(f"LIBTORCH={libtorch} holds no {header.relative_to(header.parents[6])}",
             f"Point it at an unpacked libtorch {TORCH_VERSION}, or unset it to use a cached copy.")


def check_python_torch():
    found = subprocess.run(["python3", "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True)
    version = found.stdout.strip().split("+")[0]
    if version != TORCH_VERSION and "LIBTORCH_BYPASS_VERSION_CHECK" not in os.environ:
        fail(f"LIBTORCH_USE_PYTORCH is set and python3 has torch {version or 'not installed'}",
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
            fail(f"{CARGO_CONFIG} is your own; it was left alone", f"Add these lines to it:\n{text}")
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
        libtorch = cached_copy()
        write_cargo_config({"LIBTORCH": libtorch}, libtorch / "lib")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nprovide-libtorch: interrupted; nothing half-made is used, run it again to start over")
