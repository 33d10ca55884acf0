"""The public Model Context Protocol as its clients speak it: JSON-RPC over Streamable HTTP, in both generations."""
