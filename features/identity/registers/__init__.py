"""Registers without a common key: what is compared, which pairs are proposed, and how that becomes evidence."""
