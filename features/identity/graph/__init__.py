"""From evidence to the key graph: links, merges, guards and candidates, each with when it was known."""
