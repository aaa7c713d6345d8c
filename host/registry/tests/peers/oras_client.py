"""Pushes a file to a registry, or pulls one from it, with Python's oras, which knows nothing of Brewer.

    python3 oras_client.py push HOST/REPOSITORY:TAG FILE
    python3 oras_client.py pull HOST/REPOSITORY:TAG FOLDER
"""
import os
import sys

import oras.client

command, target, path = sys.argv[1:]
client = oras.client.OrasClient(insecure=True)
if command == "push":
    os.chdir(os.path.dirname(path))
    name = os.path.basename(path)
    with open("config.json", "w") as file:
        file.write("{}")
    client.push(
        target=target,
        files=[f"{name}:application/wasm"],
        manifest_config="config.json:application/vnd.wasm.config.v0+json",
    )
else:
    for found in client.pull(target=target, outdir=path):
        print(found)
