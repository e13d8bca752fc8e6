"""MCP servers that others wrote, used through the real gateway.

    python tests/consumers/mcp.py BINARY NODE_MODULES

`@modelcontextprotocol/server-filesystem` and `server-everything` (standard streams and streamable HTTP) from npm,
`mcp-server-time` from PyPI. Prints what is wrong and ends with 1 if anything is.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

from stack import Program, free_port, get, wait_for

BINARY = pathlib.Path(sys.argv[1]).resolve()
MODULES = pathlib.Path(sys.argv[2]).resolve()
TIME = pathlib.Path(sys.executable).parent / "mcp-server-time"


def script(package):
    """The program of an npm package."""
    directory = MODULES / "@modelcontextprotocol" / package
    [path] = json.loads((directory / "package.json").read_text())["bin"].values()
    return str(directory / path)


class Gateway:
    def __init__(self, home, servers, **mcp):
        self.port, self.home = free_port(), home
        config = {"gateway": {"port": self.port}, "tools": {"mcp": {"enabled": True, "servers": servers, **mcp}}}
        (home / "config.json").write_text(json.dumps(config))
        self.program = Program("gateway", [BINARY, "gateway"], home, PICOCLAW_HOME=str(home))
        wait_for("the gateway", lambda: get(f"http://127.0.0.1:{self.port}/ready"))

    def chat(self, text):
        body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1/chat/completions", body)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["choices"][0]["message"]["content"]

    def call(self, tool, expected, **arguments):
        """Calls a tool as soon as there is one; the answer must contain this."""
        def answer():
            text = self.chat(f"!tool {tool} {json.dumps(arguments)}")
            return text if "There is no tool named" not in text else None
        text = wait_for(tool, answer, 60)
        assert expected in text, f"{tool}: {expected!r} is not in {text!r}"
        print(f"ok: {tool}")
        return text

    def gauge(self, metric, server):
        line = f'picoclaw_mcp_server_{metric}{{server="{server}"}} '
        found = [sample for sample in get(f"http://127.0.0.1:{self.port}/metrics").splitlines() if sample.startswith(line)]
        return float(found[0].split()[-1]) if found else None


def children(pid):
    text = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [line.split(None, 1) for line in text.splitlines()]


def look(home, servers):
    """What an operator and a model see of servers whose tools are hidden until they are searched for."""
    for server, tool in [("time", "mcp_time_convert_time"), ("far", "mcp_far_echo")]:
        tested = subprocess.run([BINARY, "mcp", "test", server, "--json"], capture_output=True, text=True,
                                env={**os.environ, "PICOCLAW_HOME": str(home)}, timeout=60)
        assert tested.returncode == 0, tested.stdout + tested.stderr
        assert tool in [tool["name"] for tool in json.loads(tested.stdout)["tools"]], tested.stdout
        print(f"ok: mcp test {server}")
    gateway = Gateway(home, servers, discovery={"enabled": True, "use_regex": True})
    try:
        for server in servers:
            wait_for(f"{server} to be up", lambda: gateway.gauge("up", server) == 1.0, 60)
        gateway.call("tool_search_tool_bm25", "mcp_time_convert_time", query="convert a time between zones")
        gateway.call("tool_search_tool_bm25", "mcp_files_write_file", query="write a new file")
        gateway.call("tool_search_tool_regex", "mcp_everything_get-sum", pattern="get-sum$")
        gateway.call("mcp_everything_get-sum", "5", a=2, b=3)
    finally:
        gateway.program.stop()


def main():
    home = pathlib.Path(tempfile.mkdtemp())
    workspace = home / "workspace"
    workspace.mkdir()
    (workspace / "notes.txt").write_text("written before")
    http_port = free_port()
    everything = Program("everything", ["node", script("server-everything"), "streamableHttp"], home, PORT=str(http_port))
    node = lambda package, *arguments: {"enabled": True, "command": "node", "args": [script(package), *arguments]}
    servers = {
        "files": node("server-filesystem", str(workspace)),
        "everything": node("server-everything"),
        "far": {"enabled": True, "type": "http", "url": f"http://127.0.0.1:{http_port}/mcp"},
        "time": {"enabled": True, "command": str(TIME), "args": ["--local-timezone", "Europe/Berlin"]},
    }
    gateway = Gateway(home, servers)
    try:
        for server in ["files", "everything", "far", "time"]:
            wait_for(f"{server} to be up", lambda: gateway.gauge("up", server) == 1.0, 60)
            assert gateway.gauge("tools", server) >= 2, server
        gateway.call("mcp_files_read_text_file", "written before", path=str(workspace / "notes.txt"))
        gateway.call("mcp_files_write_file", "uccess", path=str(workspace / "new.txt"), content="from a model")
        assert (workspace / "new.txt").read_text() == "from a model"
        gateway.call("mcp_files_read_text_file", "denied", path="/etc/passwd")
        gateway.call("mcp_everything_echo", "hello everything", message="hello everything")
        gateway.call("mcp_everything_get-sum", "5", a=2, b=3)
        gateway.call("mcp_everything_get-tiny-image", "image/png")
        gateway.call("mcp_far_echo", "hello far", message="hello far")
        gateway.call("mcp_time_get_current_time", "Asia/Tokyo", timezone="Asia/Tokyo")
        gateway.call("mcp_time_convert_time", "T", source_timezone="UTC", target_timezone="Asia/Tokyo", time="12:00")

        # One of them dies: the others go on, and it comes back.
        [(pid, _)] = [child for child in children(gateway.program.process.pid) if "server-filesystem" in child[1]]
        subprocess.run(["kill", "-9", pid], check=True)
        wait_for("the restart", lambda: gateway.gauge("restarts_total", "files") >= 1)
        gateway.call("mcp_everything_echo", "still here", message="still here")
        wait_for("files to be up again", lambda: gateway.gauge("up", "files") == 1.0, 60)
        gateway.call("mcp_files_read_text_file", "written before", path=str(workspace / "notes.txt"))
        mine = [pid for pid, _ in children(gateway.program.process.pid)]
        gateway.program.stop()
        look(home, servers)
    finally:
        gateway.program.stop()
        everything.stop()
    time.sleep(0.5)
    left = [pid for pid in mine if pathlib.Path(f"/proc/{pid}").exists()]
    assert not left, f"left behind: {left}"
    shutil.rmtree(home)
    print("all MCP servers were used")


main()
