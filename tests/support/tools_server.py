"""Model Context Protocol server of tools, run as a process: `python -m tests.support.tools_server`."""

from __future__ import annotations

from mcp.server.mcpserver import Image, MCPServer

server = MCPServer("sums")


@server.tool()
def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


@server.tool()
def drawn(left: int) -> list[str | Image]:
    """Draw a number, with a caption."""
    return [f"the number {left}", Image(data=b"PNG", format="png")]


@server.tool()
def broken(left: int) -> int:
    """Raise, whatever it is given."""
    raise ArithmeticError(f"no sum of {left}")


if __name__ == "__main__":
    server.run("stdio")
