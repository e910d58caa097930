"""The live store: what is known now, row by row, and what was decided; SQLite for one process, PostgreSQL for many."""
