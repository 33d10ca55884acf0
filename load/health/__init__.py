"""Whether the generator itself can be trusted: what it uses, how late it is, and what it could do at most."""
