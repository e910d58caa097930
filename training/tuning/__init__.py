"""The search for better parameters: what it measures, what it keeps and what it shows."""
