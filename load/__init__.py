"""The generator: HTTP, WebSocket and MCP clients, recorder, shapes, accounts between master and workers."""
