"""Make the bundle: `python -m model_registry.zoo.cifar10 FOLDER BUNDLE`; needs the extras `convert` and `litert`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from model_registry.errors import RegistryError
from model_registry.zoo.cifar10.family import build


def main() -> int:
    """Build the family and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m model_registry.zoo.cifar10", description=build.__doc__)
    parser.add_argument("folder", type=Path, help="where the benchmark's .tflite files lie")
    parser.add_argument("bundle", type=Path, help="folder to write the bundle to")
    arguments = parser.parse_args()
    try:
        manifest = build(arguments.folder, arguments.bundle)
    except RegistryError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{arguments.bundle}: {', '.join(f'{t.name} {v.size_bytes / 1e3:.0f} kB' for t, v in manifest.variants())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
