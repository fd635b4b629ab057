"""In the place of `python -E -m stages.<stage>`: asks the server beside this file to run it, and ends as it ended.

Started as `<python> -ES client.py <name of the server> <arguments of python>`; whatever else than a stage is asked for
runs in that python.
"""

import json
import os
import signal
import socket
import sys

assert sys.platform == "linux"


def main() -> None:
    """Hand on the working folder, the environment and the standard streams; exit with the code of the stage."""
    address, *arguments = sys.argv[1:]
    if arguments[:2] != ["-E", "-m"] or not arguments[2].startswith("stages."):
        os.execv(sys.executable, [sys.executable, *arguments])
    content = {"cwd": os.getcwd(), "environment": dict(os.environ), "module": arguments[2]}  # noqa: PTH109 (slow import)
    request = json.dumps(content).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(f"\0{address}")
        socket.send_fds(server, [len(request).to_bytes(4, "little")], [0, 1, 2])
        server.sendall(request)
        status = int(server.recv(16) or b"1")
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


main()
