"""One fault per file, registered under the name that experiments use."""
